package chembed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/chsql"
)

// How many statements may run at once. Inserts have places of their own, so that slow queries, however many, never keep
// one waiting for more than its share of the processors.
const (
	queryPlaces  = 8
	insertPlaces = 8
	maxWait      = 10 * time.Second
)

type handler struct {
	engine  *engine
	token   string
	log     zerolog.Logger
	queries places
	inserts places
}

func newHandler(e *engine, token string, log zerolog.Logger) http.Handler {
	h := &handler{e, token, log, make(places, queryPlaces), make(places, insertPlaces)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Ok.\n") })
	mux.HandleFunc("/{$}", h.serve)
	return mux
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	rep := newReply(w)
	err := h.answer(rep, r)
	if errors.Is(err, errGone) {
		panic(http.ErrAbortHandler) // nobody listens; make sure nobody takes what was sent for the whole
	}
	if err != nil {
		h.log.Debug().Err(err).Msg("statement refused")
		rep.fail(err)
	}
}

// errGone says that the client went away.
var errGone = errors.New("client gone")

func (h *handler) answer(rep *reply, r *http.Request) error {
	if !authorized(r, h.token) {
		return refuse(codeUnauthorized, "AUTHENTICATION_FAILED", "Authentication failed: wrong user or password")
	}
	req, err := readRequest(r)
	if err != nil {
		return err
	}
	rep.describe(req)
	seats := h.queries
	if req.inserts {
		seats = h.inserts
	}
	leave, err := seats.take(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	c, err := h.engine.connect()
	if err != nil {
		return err
	}
	defer c.close()
	for _, text := range req.session() {
		if err := c.run(text); err != nil {
			return err
		}
	}
	switch {
	case req.hello:
		return hello(rep, c)
	case req.data != nil:
		return insertRows(rep, c, req)
	}
	return h.query(rep, r, c, req)
}

// query runs one statement that is not an insert of data.
func (h *handler) query(rep *reply, r *http.Request, c *conn, req *request) error {
	count, what, err := c.classify(req.text)
	if err != nil {
		return err
	}
	if count == 0 { // the engine could not parse it, and might yet run the part before the mistake
		pieces, err := chsql.Split(req.text)
		if err != nil {
			return refuse(codeSyntax, "SYNTAX_ERROR", "Syntax error: %v", err)
		}
		count = len(pieces)
	}
	if count > 1 {
		return refuse(codeSyntax, "SYNTAX_ERROR", "Multi-statements are not allowed: there are %d", count)
	}
	if req.get && what != readOnly {
		return refuse(codeReadonly, "READONLY", "Cannot execute query in readonly mode: send it by POST")
	}
	// A table must not be left half made because a client hung up; reading and INSERT … SELECT may stop anywhere.
	if what == readOnly || req.Verb == "INSERT" || req.Verb == "WITH" {
		defer h.killWhenGone(r.Context(), c)()
	}
	selects := req.Verb == "SELECT" || req.Verb == "WITH" // the engine streams no SHOW, DESCRIBE or EXPLAIN
	if what == readOnly && selects && streamable(req.format) && !req.buffered {
		return streamResult(rep, c, req)
	}
	res := c.query(req.statement)
	defer res.close()
	if err := res.err(); err != nil {
		return err
	}
	rep.summary(res)
	return rep.whole(res.bytes())
}

func streamResult(rep *reply, c *conn, req *request) error {
	s := c.stream(req.statement)
	defer s.close()
	for {
		more, err := s.next(rep.write)
		if err != nil {
			return err
		}
		if !more {
			return rep.finish()
		}
	}
}

// insertRows feeds the body into the table. Nothing short of the end of the body commits it.
func insertRows(rep *reply, c *conn, req *request) error {
	if req.get {
		return refuse(codeReadonly, "READONLY", "Cannot execute query in readonly mode: send it by POST")
	}
	in, err := c.insert(req.statement)
	if err != nil {
		return err
	}
	defer in.close()
	piece := make([]byte, headSize)
	for {
		n, err := fill(req.data, piece)
		if n > 0 {
			if err := in.write(piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) { // and nothing less: a body that broke off gives io.ErrUnexpectedEOF
			break
		}
		if err != nil {
			return refuse(codeIncomplete, "CANNOT_READ_ALL_DATA", "Reading the rows: %v", err)
		}
	}
	res := in.commit()
	defer res.close()
	if err := res.err(); err != nil {
		return err
	}
	rep.summary(res)
	return rep.finish()
}

// killWhenGone kills what runs on the connection once ctx ends; the function it gives back stops the watch. The statement
// may not have begun when its client goes, so it is killed until it is over.
func (h *handler) killWhenGone(ctx context.Context, c *conn) (stop func()) {
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-over:
			return
		case <-ctx.Done():
		}
		for {
			if err := h.engine.kill(c.label); err != nil {
				h.log.Warn().Err(err).Msg("statement of a gone client not killed")
			}
			select {
			case <-over:
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(over)
		<-watched
	}
}

// places bounds how many statements run at once.
type places chan struct{}

func (p places) take(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxWait, refuse(codeTooMany, "TOO_MANY_SIMULTANEOUS_QUERIES",
		"No place for another statement within %s: %d run already", maxWait, cap(p)))
	defer cancel()
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a place: %w", context.Cause(ctx))
	}
}
