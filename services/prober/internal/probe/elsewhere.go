package probe

import "sync"

// elsewhere collects what connections took that were opened in other goroutines, by libraries that open them when they like.
type elsewhere struct {
	mu    sync.Mutex
	total Result
	err   error
}

// note adds a connection, or why there is none.
func (e *elsewhere) note(r Result, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.total.DNS += r.DNS
	e.total.Connect += r.Connect
	e.total.TLS += r.TLS
	if err != nil {
		e.err = err
	}
}

// phases moves what was noted into a result, whose next lap is then without it, and returns what went wrong.
func (e *elsewhere) phases(r *Result) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.DNS += e.total.DNS
	r.Connect += e.total.Connect
	r.TLS += e.total.TLS
	r.Ended = r.Ended.Add(e.total.DNS + e.total.Connect + e.total.TLS)
	e.total = Result{}
	return e.err
}
