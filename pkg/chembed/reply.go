package chembed

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// bufferSize is how much of a result is held back, so that a query that fails early fails with a status of its own.
const bufferSize = 1 << 20

// reply is the answer to one request. Once a byte of the result is out, an error can only break the answer off: the
// connection is cut before its regular end, and ClickHouse's exception frame is the last thing in it.
type reply struct {
	w    http.ResponseWriter
	held bytes.Buffer
	sent bool
	tag  string
}

func newReply(w http.ResponseWriter) *reply {
	rep := &reply{w: w, tag: strings.ToLower(rand.Text()[:16])}
	w.Header().Set("X-ClickHouse-Server-Display-Name", "leeward-embedded")
	w.Header().Set("X-ClickHouse-Exception-Tag", rep.tag)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	return rep
}

func (rep *reply) describe(req *request) {
	id := req.id
	if id == "" {
		id = rand.Text()
	}
	rep.w.Header().Set("X-ClickHouse-Query-Id", id)
	if req.data == nil {
		rep.w.Header().Set("X-ClickHouse-Format", req.format)
		rep.w.Header().Set("Content-Type", contentType(req.format))
	}
}

func (rep *reply) summary(res result) {
	rep.w.Header().Set("X-ClickHouse-Summary", fmt.Sprintf(`{"read_rows":"%d","written_rows":"%d","written_bytes":"%d"}`,
		res.lib.rowsRead(res.handle), res.lib.rowsWritten(res.handle), res.lib.bytesWritten(res.handle)))
}

// write adds a piece of a result whose end is not known yet.
func (rep *reply) write(piece []byte) error {
	if !rep.sent && rep.held.Len()+len(piece) <= bufferSize {
		rep.held.Write(piece)
		return nil
	}
	if err := rep.release(); err != nil {
		return err
	}
	return rep.send(piece)
}

// finish ends a result that is complete.
func (rep *reply) finish() error { return rep.release() }

// whole is the answer to a statement that ended well.
func (rep *reply) whole(body []byte) error {
	rep.sent = true
	rep.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	return rep.send(body)
}

func (rep *reply) release() error {
	rep.sent = true
	return rep.send(rep.held.Next(rep.held.Len()))
}

func (rep *reply) send(piece []byte) error {
	if _, err := rep.w.Write(piece); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// fail answers with an error: whole when nothing was sent, cut off otherwise.
func (rep *reply) fail(err error) {
	var e *exception
	if !errors.As(err, &e) {
		code, name := codeUnknown, "UNKNOWN_EXCEPTION"
		if errors.Is(err, context.Canceled) {
			code, name = 394, "QUERY_WAS_CANCELLED"
		}
		e = refuse(code, name, "%v", err)
	}
	text := strings.TrimRight(e.text, "\n")
	if rep.sent {
		_, _ = fmt.Fprintf(rep.w, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", rep.tag, text, len(text)+1, rep.tag)
		_ = http.NewResponseController(rep.w).Flush()
		panic(http.ErrAbortHandler)
	}
	header := rep.w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
	header.Del("Content-Length")
	if e.status() == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Basic realm="ClickHouse"`)
	}
	rep.w.WriteHeader(e.status())
	_, _ = fmt.Fprintln(rep.w, text)
}
