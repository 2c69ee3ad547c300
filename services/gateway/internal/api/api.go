// Package api serves the HTTP API: reads from the mirrors, writes that need the token, webhooks, and events as they happen.
package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/daemon"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/console"
	"github.com/leeward-failover/leeward/services/gateway/internal/discover"
	"github.com/leeward-failover/leeward/services/gateway/internal/hook"
	"github.com/leeward-failover/leeward/services/gateway/internal/state"
)

// Server is the API with what it answers from.
type Server struct {
	Bus   *bus.Bus
	State *state.State
	// Token is what a write must carry as bearer token; empty refuses every write.
	Token string
	// Simulated says that the regions are simulated; then every answer says so in the header X-Leeward-Simulated.
	Simulated bool
	Hooks     hook.Hooks
	// Console is what is served at / and below /ui/.
	Console *console.Console
	Ready   func() error
	Log     zerolog.Logger
	// Ping asks whether a registry answers.
	Ping func(ctx context.Context, registry string) error
	// Started is since when the gateway runs.
	Started  time.Time
	Examined *Examined
	// Discover finds endpoints that leeward.yaml leaves to others to name.
	Discover *discover.Discoverer
}

// Handler returns the whole listener: the console, /v1, /hooks, /openapi.json, /docs, /livez and /readyz.
func (s Server) Handler() http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Leeward", daemon.Version)
	config.Info.Description = "Where to fail over, with evidence. Reads are open to whoever reaches the address; writes need the bearer token."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	api := humago.New(mux, config)
	api.UseMiddleware(s.authorise(api))
	s.topology(api)
	s.apps(api)
	s.builds(api)
	s.variants(api)
	s.failovers(api)
	s.anomalies(api)
	s.overrides(api)
	s.events(api)
	s.samples(api)
	s.imports(api)
	s.doctor(api)
	s.letters(api)
	s.discoveries(api)
	s.Hooks.Register(mux)
	s.Console.Register(mux)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return http.NewCrossOriginProtection().Handler(s.marked(mux))
}

// SimulatedHeader is true in every answer of an installation whose regions are simulated.
const SimulatedHeader = "X-Leeward-Simulated"

func (s Server) marked(next http.Handler) http.Handler {
	if !s.Simulated {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(SimulatedHeader, "true")
		next.ServeHTTP(w, r)
	})
}

// writes marks an operation that needs the token.
var writes = []map[string][]string{{"token": {}}}

// authorise refuses a write without the token, before its body is read.
func (s Server) authorise(api huma.API) func(huma.Context, func(huma.Context)) {
	want := sha256.Sum256([]byte(s.Token))
	return func(ctx huma.Context, next func(huma.Context)) {
		if len(ctx.Operation().Security) > 0 {
			token, ok := strings.CutPrefix(ctx.Header("Authorization"), "Bearer ")
			got := sha256.Sum256([]byte(token))
			if s.Token == "" || !ok || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
				_ = huma.WriteErr(api, ctx, http.StatusUnauthorized, "a write needs the API's bearer token: Authorization: Bearer <token>; `leeward up` keeps it in the file api-token of its state folder")
				return
			}
		}
		next(ctx)
	}
}

// app finds an app of the topology by name.
func (s Server) app(name string) (schemas.App, error) {
	topology, err := s.State.CurrentTopology()
	if err != nil {
		return schemas.App{}, huma.Error503ServiceUnavailable(err.Error())
	}
	app, ok := topology.App(name)
	if !ok {
		return schemas.App{}, huma.Error404NotFound("there is no app named " + name + " in the topology")
	}
	return app, nil
}
