package chembed

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/leeward-failover/leeward/pkg/chsql"
)

const (
	headSize     = 1 << 20  // of a request, the part in which an INSERT must show where its data begins
	maxStatement = 16 << 20 // of anything that is not data
)

// request is an HTTP request read as ClickHouse would read it.
type request struct {
	statement
	chsql.Query
	data     io.Reader         // rows of an INSERT in a format; nil for everything else
	inserts  bool              // an INSERT of rows, of VALUES or in a format
	settings map[string]string // for this request only
	database string
	id       string
	hello    bool // the driver asks who it speaks to
	buffered bool // wait_end_of_query: nothing is sent before all of it is known to be good
	get      bool // read only by the rules of HTTP
}

// authorized compares in constant time and says nothing about which half was wrong.
func authorized(r *http.Request, token string) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		user, password = r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	}
	if q := r.URL.Query(); password == "" {
		user, password = q.Get("user"), q.Get("password")
	}
	known := user == "" || user == "default" || user == "leeward"
	return subtle.ConstantTimeCompare([]byte(password), []byte(token)) == 1 && known
}

// helloQuery is how the driver greets an HTTP server.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

func readRequest(r *http.Request) (*request, error) {
	values := r.URL.Query()
	req := &request{
		statement: statement{params: map[string]string{}, format: "TabSeparated"},
		settings:  map[string]string{},
		database:  r.Header.Get("X-ClickHouse-Database"),
		get:       r.Method == http.MethodGet || r.Method == http.MethodHead,
	}
	if f := r.Header.Get("X-ClickHouse-Format"); f != "" {
		req.format = f
	}
	for name := range values {
		value := values.Get(name)
		switch name {
		case "query", "user", "password", "client_protocol_version", "buffer_size", "quota_key", "stacktrace", "log_comment":
		case "database":
			req.database = value
		case "default_format":
			req.format = value
		case "query_id":
			req.id = value
		case "wait_end_of_query":
			req.buffered = value != "0"
		case "session_id", "session_timeout", "session_check", "role":
			return nil, refuse(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse has no %s", name)
		case "compress", "decompress":
			if value != "0" {
				return nil, refuse(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse has no %s", name)
			}
		default:
			if param, ok := strings.CutPrefix(name, "param_"); ok {
				req.params[param] = value
			} else if !settingName.MatchString(name) {
				return nil, refuse(codeBadArguments, "BAD_ARGUMENTS", "%q is no name of a setting", name)
			} else {
				req.settings[name] = value
			}
		}
	}
	if err := refuseEncodings(r); err != nil {
		return nil, err
	}
	if err := req.readStatement(values.Get("query"), r.Body); err != nil {
		return nil, err
	}
	req.hello = values.Has("client_protocol_version") && strings.TrimSpace(req.text) == helloQuery
	return req, nil
}

func refuseEncodings(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return refuse(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse takes no Content-Encoding %s", e)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return refuse(codeNotImplemented, "NOT_IMPLEMENTED", "The embedded ClickHouse takes no external tables")
	}
	return nil
}

// readStatement reads as ClickHouse does: ?query=, a line break and the body are one text, whose head is the statement.
func (req *request) readStatement(query string, body io.Reader) error {
	text := body
	if query != "" {
		text = io.MultiReader(strings.NewReader(query+"\n"), body)
	}
	head := make([]byte, headSize)
	n, err := fill(text, head)
	if err != nil && !errors.Is(err, io.EOF) {
		return refuse(codeIncomplete, "CANNOT_READ_ALL_DATA", "Reading the request: %v", err)
	}
	head = head[:n]
	in, ok := chsql.ParseInsert(string(head))
	req.inserts = ok
	if ok && !strings.EqualFold(in.Format, "Values") { // VALUES is for the engine's parser, which minds what comes behind
		req.text, req.format, req.Verb = in.Statement, in.Format, "INSERT"
		req.data = io.MultiReader(bytes.NewReader(head[in.Data:]), text)
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(text, maxStatement))
	if err != nil {
		return refuse(codeIncomplete, "CANNOT_READ_ALL_DATA", "Reading the request: %v", err)
	}
	if len(rest) == maxStatement {
		return refuse(codeTooLarge, "QUERY_IS_TOO_LARGE", "A statement of more than %d bytes", maxStatement)
	}
	req.text = string(head) + string(rest)
	if req.Query, err = chsql.ParseQuery(req.text); err != nil {
		return refuse(codeSyntax, "SYNTAX_ERROR", "Syntax error: %v", err)
	}
	if req.Verb == "" {
		return refuse(codeSyntax, "SYNTAX_ERROR", "Empty query")
	}
	if req.Outfile {
		return refuse(codeNotImplemented, "NOT_IMPLEMENTED", "INTO OUTFILE and FROM INFILE are a client's business")
	}
	if req.Format != "" {
		req.format = req.Format
	}
	return nil
}

// fill reads until p is full or r has no more; io.EOF is the regular end and nothing else.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// session is what has to be said on a fresh connection before the statement.
func (req *request) session() []string {
	var first []string
	if req.database != "" {
		first = append(first, "USE "+quote('`', req.database))
	}
	var set []string
	for name, value := range req.settings {
		set = append(set, name+" = "+quote('\'', value))
	}
	if len(set) > 0 {
		first = append(first, "SET "+strings.Join(set, ", "))
	}
	return first
}

func quote(mark byte, text string) string {
	escaped := strings.NewReplacer(`\`, `\\`, string(mark), `\`+string(mark)).Replace(text)
	return string(mark) + escaped + string(mark)
}
