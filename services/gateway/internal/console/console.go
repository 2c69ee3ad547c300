// Package console serves the pages that people watch and move apps with. It draws what the mirrors and the stream of events hold;
// it decides nothing, and the one thing it writes is a request for a failover.
package console

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/state"
)

// Console is the pages with what they are drawn from.
type Console struct {
	Bus   *bus.Bus
	State *state.State
	// Ready says what is missing for the pages to be current, nil for nothing.
	Ready func() error
	// Token is what a person signs in with; empty refuses every write.
	Token string
	// Simulated says that the regions are simulated on this machine; every page says so.
	Simulated bool
	// Preview asks the failover-actuator what a request would come to.
	Preview func(context.Context, schemas.FailoverRequested) (schemas.Plan, error)
	// Ask stores a request for a failover.
	Ask func(context.Context, schemas.FailoverRequested) error
	Log zerolog.Logger

	sessions *sessions
	recent   *recent
	pages    map[string]*template.Template
}

//go:embed assets
var assets embed.FS

//go:embed templates
var templates embed.FS

// screens are the pages of the console, each with its template and the mirrors whose changes it shows.
var screens = map[string]string{
	"overview":  "topology verdicts vantages routes rankings plans",
	"ranking":   "topology verdicts routes rankings",
	"variants":  "topology verdicts rankings builds images benchmarks routes",
	"failovers": "topology plans routes",
	"failover":  "topology plans routes",
	"builds":    "topology builds images",
	"events":    "",
	"request":   "topology verdicts rankings routes plans",
	"confirm":   "",
	"login":     "",
	"problem":   "",
}

// New readies the console; Run and Register put it to work.
func New(c Console) *Console {
	c.pages = map[string]*template.Template{}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(templates, "templates/layout.html", "templates/parts.html"))
	for name := range screens {
		c.pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(templates, "templates/"+name+".html"))
	}
	c.sessions, c.recent = &sessions{known: map[string]session{}}, &recent{}
	return &c
}

// Run keeps the latest events at hand until ctx ends.
func (c *Console) Run(ctx context.Context) error { return c.recent.run(ctx, c.Bus) }

// Register mounts every page at / and below /ui/.
func (c *Console) Register(mux *http.ServeMux) {
	for pattern, page := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":                       c.overview,
		"GET /ui/ranking":                c.ranking,
		"GET /ui/variants":               c.variants,
		"GET /ui/failovers":              c.failovers,
		"GET /ui/failovers/{app}/{plan}": c.failover,
		"GET /ui/builds":                 c.builds,
		"GET /ui/events":                 c.events,
		"GET /ui/request":                c.request,
		"GET /ui/login":                  c.login,
		"POST /ui/login":                 c.signIn,
		"POST /ui/logout":                c.signOut,
		"POST /ui/request":               c.submit,
		"GET /ui/":                       c.missing,
	} {
		mux.Handle(pattern, c.page(page))
	}
	mux.Handle("GET /ui/live", guarded(http.HandlerFunc(c.live)))
	files, _ := fs.Sub(assets, "assets")
	mux.Handle("GET /ui/assets/", http.StripPrefix("/ui/assets/", guarded(http.FileServerFS(files))))
}

// policy lets a page load nothing but the console's own files, run no code that is written into it, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types leeward"

// guarded sets what every answer of the console carries.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with that, browsers do not say where a form comes from either.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// page makes a handler of a page: its error is shown in words, with the status it stands for.
func (c *Console) page(show func(http.ResponseWriter, *http.Request) error) http.Handler {
	return guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := show(w, r); err != nil {
			c.problem(w, r, err)
		}
	}))
}

// view is what every page is drawn from; Body is the page's own.
type view struct {
	Name, Title string
	// App is the app the page is about, Apps are all; Query keeps it in links.
	App  string
	Apps []string
	// Mirrors are those whose changes the page shows; Stream is the query of the live stream.
	Mirrors, Stream string
	Now             time.Time
	Simulated       bool
	Session         session
	SignedIn        bool
	// Stale says why the page may not be current.
	Stale string
	// Path is where to come back to after signing in.
	Path string
	Body any
}

// show draws a page. A page is drawn whole before any of it is sent, so that a fault is a page that says so, not half a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, v view) error {
	v.Now, v.Simulated, v.Mirrors = time.Now().UTC(), c.Simulated, screens[v.Name]
	v.Session, v.SignedIn = c.sessions.of(r)
	v.Path = r.URL.RequestURI()
	if topology, err := c.State.CurrentTopology(); err == nil {
		for _, a := range topology.Apps {
			v.Apps = append(v.Apps, a.Name)
		}
	}
	if err := c.Ready(); err != nil {
		v.Stale = err.Error()
	}
	var out bytes.Buffer
	if err := c.pages[v.Name].ExecuteTemplate(&out, "layout.html", v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err := out.WriteTo(w)
	if err != nil {
		c.Log.Debug().Err(err).Msg("page not sent")
	}
	return nil
}
