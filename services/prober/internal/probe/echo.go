package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Echo sends ICMP echo requests through one socket per family and tells the answers apart by a nonce in the payload, never by address: two targets may share one.
type Echo struct {
	mu      sync.Mutex
	sockets map[bool]*echoSocket
	pending map[uint64]chan<- echoReply
	work    sync.WaitGroup
}

// echoReply is an answer, or a router's report that there is no way.
type echoReply struct {
	at  time.Time
	err error
}

// Probe sends an echo request to a host and waits for its answer.
func (e *Echo) Probe(ctx context.Context, host string) Result {
	var r Result
	addresses, took, err := resolve(ctx, host)
	if r.DNS = took; err != nil {
		r.Err = err
		return r
	}
	nonce, replies := e.expect()
	defer e.forget(nonce)
	socket, err := e.socket(addresses[0].Is6())
	if err == nil {
		err = socket.send(addresses[0], nonce)
	}
	if err != nil {
		r.Err = fmt.Errorf("send: %w", err)
		return r
	}
	sent := time.Now()
	select {
	case <-ctx.Done():
		r.Err = ctx.Err()
	case reply := <-replies:
		r.Ended, r.Err = reply.at, reply.err
		r.FirstByte = max(0, r.Ended.Sub(sent))
	}
	return r
}

func (e *Echo) expect() (nonce uint64, replies <-chan echoReply) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending == nil {
		e.pending = map[uint64]chan<- echoReply{}
	}
	for nonce = rand.Uint64(); e.pending[nonce] != nil; nonce = rand.Uint64() {
	}
	c := make(chan echoReply, 1)
	e.pending[nonce] = c
	return nonce, c
}

func (e *Echo) forget(nonce uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, nonce)
}

// deliver hands a reply to whoever waits for it: the first one only, since networks duplicate.
func (e *Echo) deliver(nonce uint64, r echoReply) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.pending[nonce]; c != nil {
		delete(e.pending, nonce)
		c <- r
	}
}

// socket opens a family's socket when it is first needed, or again after it failed.
func (e *Echo) socket(six bool) (*echoSocket, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.sockets[six]; s != nil {
		return s, nil
	}
	s, err := openEcho(six)
	if err != nil {
		return nil, err
	}
	if e.sockets == nil {
		e.sockets = map[bool]*echoSocket{}
	}
	e.sockets[six] = s
	e.work.Go(func() { s.read(e.deliver) })
	return s, nil
}

// Close closes the sockets and waits for their readers.
func (e *Echo) Close() {
	e.mu.Lock()
	for _, s := range e.sockets {
		_ = s.file.Close()
	}
	e.sockets = nil
	e.mu.Unlock()
	e.work.Wait()
}
