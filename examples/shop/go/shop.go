package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// shop is a page, a read and a write. It serves, as far as it can, without its databases.
type shop struct {
	instance, image string
	read, write     *database
	pages           fs.FS
	log             *slog.Logger
}

// problem is an error that the client is told about, in the form of RFC 9457.
type problem struct {
	status int
	detail string
	allow  string
	cause  error
}

func (p *problem) Error() string { return p.detail }

const maxBody = 16 * 1024

// ServeHTTP answers every request; a problem that is none of ours is a 500.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Leeward-Instance", s.instance)
	if s.image != "" {
		w.Header().Set("X-Leeward-Image", s.image)
	}
	err := s.answer(w, r)
	if err == nil {
		return
	}
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{status: http.StatusInternalServerError, detail: "something went wrong", cause: err}
	}
	if p.status >= http.StatusInternalServerError {
		s.log.Error(p.detail, "path", r.URL.Path, "status", p.status, "cause", fmt.Sprint(p.cause))
	}
	if p.allow != "" {
		w.Header().Set("Allow", p.allow)
	}
	title := http.StatusText(p.status)
	if p.status == http.StatusRequestEntityTooLarge {
		title = "Content Too Large" // RFC 9110's name
	}
	send(w, p.status, "application/problem+json", "no-store", encode(map[string]any{
		"type": "about:blank", "title": title, "status": p.status, "detail": p.detail,
	}))
}

func (s *shop) answer(w http.ResponseWriter, r *http.Request) error {
	method := http.MethodGet
	page, err := s.page(r.URL.Path)
	known := err == nil
	handle := func() (int, any, error) { return 0, nil, nil }
	switch r.URL.Path {
	case "/healthz":
		known, handle = true, s.health
	case "/api/products":
		known, handle = true, func() (int, any, error) { return s.products(r) }
	case "/api/orders":
		known, method, handle = true, http.MethodPost, func() (int, any, error) { return s.order(w, r) }
	}
	switch {
	case !known:
		return &problem{status: http.StatusNotFound, detail: "there is nothing here"}
	case r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet):
		return &problem{status: http.StatusMethodNotAllowed, detail: "only " + method + " can be done here", allow: method}
	case err == nil:
		send(w, http.StatusOK, mime.TypeByExtension(path.Ext(page.name)), page.cache, page.body)
		return nil
	}
	status, value, err := handle()
	if err != nil {
		return err
	}
	send(w, status, "application/json", "no-store", encode(value))
	return nil
}

// health is well without the databases: a restart would not mend them.
func (s *shop) health() (int, any, error) {
	states := map[string]string{"read": s.read.State(), "write": s.write.State()}
	return http.StatusOK, map[string]any{"status": "ok", "databases": states, "instance": s.instance}, nil
}

func (s *shop) products(r *http.Request) (int, any, error) {
	products, err := s.read.products(r.Context())
	return http.StatusOK, map[string]any{"products": products}, err
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) (int, any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return 0, nil, &problem{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	}
	if err != nil {
		return 0, nil, err
	}
	if !json.Valid(body) {
		return 0, nil, &problem{status: http.StatusBadRequest, detail: "the body is not JSON"}
	}
	var order struct {
		Product  int32 `json:"product_id"`
		Quantity int32 `json:"quantity"`
	}
	if json.Unmarshal(body, &order) != nil || order.Product < 1 || order.Quantity < 1 || order.Quantity > 100 {
		return 0, nil, &problem{status: http.StatusUnprocessableEntity, detail: "product_id and quantity (1 to 100) must be whole numbers"}
	}
	id, at, err := s.write.order(r.Context(), order.Product, order.Quantity, s.instance)
	return http.StatusCreated, map[string]any{"order": id, "at": at.UTC().Format("2006-01-02T15:04:05.000Z")}, err
}

// page is a file of the built front end.
type page struct {
	name, cache string
	body        []byte
}

// page finds a file; names of those below assets/ change with their content.
func (s *shop) page(at string) (page, error) {
	p := page{name: strings.TrimPrefix(at, "/"), cache: "no-cache"}
	if p.name == "" {
		p.name = "index.html"
	}
	if strings.HasPrefix(p.name, "assets/") {
		p.cache = "public, max-age=31536000, immutable"
	}
	var err error
	p.body, err = fs.ReadFile(s.pages, p.name)
	return p, err
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic("an answer is always encodable: " + err.Error())
	}
	return append(data, '\n')
}

func send(w http.ResponseWriter, status int, kind, cache string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", cache)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
