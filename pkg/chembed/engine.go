package chembed

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// engine is the loaded library with its storage open. Its control connection lives as long as the process: closing the
// last connection would shut the engine down, and booting it twice in a process is not safe.
type engine struct {
	lib     library
	dir     string
	serial  atomic.Uint64
	mu      sync.Mutex // a connection runs one statement at a time
	control *conn
}

// openEngine loads the library and opens the storage in dir.
func openEngine(libraryFile, dir string) (*engine, error) {
	handle, err := purego.Dlopen(libraryFile, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", libraryFile, err)
	}
	e := &engine{dir: dir}
	if err := e.lib.bind(handle); err != nil {
		return nil, fmt.Errorf("load %s: %w", libraryFile, err)
	}
	// Before the first connection, or the engine takes over the signals the Go runtime lives by.
	e.lib.setSignalHandlers(0)
	if e.control, err = e.connect(); err != nil {
		return nil, fmt.Errorf("open %s: %w; the engine gave its reason on standard error", dir, err)
	}
	return e, nil
}

// conn is one connection to the engine: one session, used by one request.
type conn struct {
	lib    *library
	handle unsafe.Pointer // chdb_connection *
	inner  unsafe.Pointer // chdb_connection
	label  string         // its statements carry it as log_comment, by which kill finds them
}

func (e *engine) connect() (*conn, error) {
	label := "leeward-" + strconv.FormatUint(e.serial.Add(1), 10)
	args := newCStrings("clickhouse", "--path="+e.dir, "--log_comment="+label,
		"--implicit_select=0") // a server has it off; chdb would read "foo" as SELECT foo
	handle := e.lib.connect(int32(len(args.values)), args.pointers())
	runtime.KeepAlive(args)
	if handle == nil {
		return nil, errors.New("no connection to the engine")
	}
	return &conn{lib: &e.lib, handle: handle, inner: *(*unsafe.Pointer)(handle), label: label}, nil
}

func (c *conn) close() { c.lib.closeConn(c.handle) }

// kill ends whatever the connection labelled so is running. It comes back at once; the statement ends with code 394.
func (e *engine) kill(label string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	res := e.control.query(statement{text: "KILL QUERY WHERE Settings['log_comment'] = '" + label + "' ASYNC", format: "Null"})
	defer res.close()
	return res.err()
}

// close shuts the engine down. Every other connection must be closed.
func (e *engine) close() { e.control.close() }

// statement is one statement with what the engine needs beside its text.
type statement struct {
	text   string
	format string
	params map[string]string
}

// query runs a statement to its end and holds its whole result in memory.
func (c *conn) query(s statement) result {
	p := newParams(s.params)
	defer runtime.KeepAlive(p)
	return result{c.lib, c.lib.query(c.inner, bytesOf(s.text), len(s.text), bytesOf(s.format), len(s.format),
		p.names.pointers(), p.names.lengths(), p.values.pointers(), p.values.lengths(), len(s.params))}
}

// run is query for statements whose result nobody reads.
func (c *conn) run(text string) error {
	res := c.query(statement{text: text, format: "Null"})
	defer res.close()
	return res.err()
}

// class says what a statement does; see chdb.h.
type class uint32

const (
	readOnly class = iota
	mutating
	mutatingGlobal
	control
	unknown
)

// classify parses without running: how many statements the text holds, and the most far-reaching class among them.
func (c *conn) classify(text string) (statements int, what class, err error) {
	report := struct{ size, count, flags, class uint32 }{size: 16}
	if c.lib.classify(c.inner, bytesOf(text), len(text), nil, 0, unsafe.Pointer(&report)) != 0 {
		return 0, unknown, errors.New("the engine could not look at the statement")
	}
	return int(report.count), class(report.class), nil
}

// stream runs a query whose result comes in pieces. next gives the pieces; each is a document of its own in the format,
// so only formats without head and tail may be streamed.
func (c *conn) stream(s statement) *resultStream {
	p := newParams(s.params)
	defer runtime.KeepAlive(p)
	return &resultStream{conn: c, head: result{c.lib, c.lib.stream(c.inner, bytesOf(s.text), len(s.text), bytesOf(s.format),
		len(s.format), p.names.pointers(), p.names.lengths(), p.values.pointers(), p.values.lengths(), len(s.params))}}
}

type resultStream struct {
	conn *conn
	head result
}

// next calls use with the next piece, which is valid during the call; more is false after the last one.
func (s *resultStream) next(use func([]byte) error) (more bool, err error) {
	if err := s.head.err(); err != nil {
		return false, err
	}
	piece := result{s.conn.lib, s.conn.lib.fetch(s.conn.inner, s.head.handle)}
	defer piece.close()
	if err := piece.err(); err != nil {
		return false, err
	}
	data := piece.bytes()
	if len(data) == 0 {
		return false, nil
	}
	return true, use(data)
}

// close ends the query if it still runs.
func (s *resultStream) close() {
	s.conn.lib.cancelStream(s.conn.inner, s.head.handle)
	s.head.close()
}

// insert opens a stream into the table; the statement comes without FORMAT and without data.
func (c *conn) insert(s statement) (*insertStream, error) {
	p := newParams(s.params)
	defer runtime.KeepAlive(p)
	in := &insertStream{c.lib, c.lib.insert(c.inner, bytesOf(s.text), len(s.text), bytesOf(s.format), len(s.format),
		p.names.pointers(), p.names.lengths(), p.values.pointers(), p.values.lengths(), len(s.params))}
	if err := in.err(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

type insertStream struct {
	lib    *library
	handle unsafe.Pointer
}

func (in *insertStream) err() error {
	if text := in.lib.insertError(in.handle); text != "" {
		return newException(text)
	}
	return nil
}

// write hands over a piece of data, which the engine copies; it waits while the engine is behind.
func (in *insertStream) write(data []byte) error {
	if in.lib.insertAppend(in.handle, unsafe.Pointer(unsafe.SliceData(data)), len(data)) == 0 {
		return nil
	}
	if err := in.err(); err != nil {
		return err
	}
	return errors.New("the engine took no more data")
}

// commit ends the data and waits until the rows are in the table.
func (in *insertStream) commit() result { return result{in.lib, in.lib.insertDone(in.handle)} }

// close gives up what was not committed.
func (in *insertStream) close() { in.lib.insertDestroy(in.handle) }

// result is what a statement came to. Its bytes belong to the engine until close.
type result struct {
	lib    *library
	handle unsafe.Pointer
}

func (r result) err() error {
	if r.handle == nil {
		return errors.New("the engine gave no result")
	}
	if text := r.lib.resultError(r.handle); text != "" {
		return newException(text)
	}
	return nil
}

func (r result) bytes() []byte {
	n := r.lib.resultLength(r.handle)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(r.lib.resultBuffer(r.handle)), n)
}

func (r result) close() {
	if r.handle != nil {
		r.lib.destroyResult(r.handle)
	}
}
