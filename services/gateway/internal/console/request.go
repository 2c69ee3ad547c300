package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// requestBody is the form that asks for a failover, and what is known of where it would lead.
type requestBody struct {
	From            schemas.Candidate
	Routed          bool
	Region, Variant string
	Reason, Problem string
	// Force insists on the region although gates of it fail.
	Force             bool
	Regions, Variants []string
	Ranking           rankingBody
	// Plan is what the failover-actuator says it would do; Silent says why there is none.
	Plan   *schemas.Plan
	Silent string
	Rows   []ranked
	Scale  scale
	Stale  bool
	Mode   string
	// Request is the id under which the request is stored: sending the form twice is one request.
	Request string
}

func (c *Console) request(w http.ResponseWriter, r *http.Request) error {
	if _, ok := c.sessions.of(r); !ok {
		http.Redirect(w, r, "/ui/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return nil
	}
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	a, err := s.choose(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	b := s.requestBody(a, schemas.Candidate{Region: q.Get("region"), Variant: q.Get("variant")})
	return c.show(w, r, http.StatusOK, view{Name: "request", Title: "Request a failover", App: a.Name, Body: b})
}

// requestBody readies the form: where traffic is, and what the gates say now of where it would go.
func (s snapshot) requestBody(a schemas.App, to schemas.Candidate) requestBody {
	route, routed := s.routes[a.Name]
	b := requestBody{From: route.Active, Routed: routed, Region: to.Region, Variant: to.Variant, Regions: a.Regions(), Mode: a.Mode}
	for _, v := range a.Variants {
		b.Variants = append(b.Variants, v.Name)
	}
	b.Ranking = s.ranking(a, route.Active.Region)
	b.Stale = b.Ranking.At.IsZero() || s.now.Sub(b.Ranking.At) > a.Failover.MaxRankingAge.D() || b.Ranking.Other
	return b
}

// submit shows what a request would do, and stores it once it is confirmed.
func (c *Console) submit(w http.ResponseWriter, r *http.Request) error {
	one, err := c.signed(w, r)
	if err != nil {
		return err
	}
	s, err := c.snapshot()
	if err != nil {
		return err
	}
	f := r.PostForm
	a, ok := s.topology.App(f.Get("app"))
	if !ok {
		return fault{http.StatusUnprocessableEntity, "There is no such app", "Nothing was done: the topology has no app named " + f.Get("app") + "."}
	}
	to := schemas.Candidate{Region: f.Get("region"), Variant: f.Get("variant")}
	b := s.requestBody(a, to)
	b.Reason, b.Request, b.Force = strings.TrimSpace(f.Get("reason")), f.Get("request"), f.Get("force") != ""
	switch {
	case to.Region != "" && !slices.Contains(b.Regions, to.Region):
		b.Problem = a.Name + " has no endpoint in a region named " + to.Region + "."
	case to.Variant != "" && !slices.Contains(b.Variants, to.Variant):
		b.Problem = a.Name + " has no variant named " + to.Variant + "."
	case b.Force && to.Region == "":
		b.Problem = "To insist is to name a region: the ranking is not forced to choose what fails its gates."
	case b.Reason == "":
		b.Problem = "Give a reason: it is kept with the decision."
	case len(b.Reason) > 1000:
		b.Problem = "Give a reason of at most 1000 characters."
	}
	if b.Problem != "" {
		return c.show(w, r, http.StatusUnprocessableEntity, view{Name: "request", Title: "Request a failover", App: a.Name, Body: b})
	}
	if b.Request == "" {
		b.Request = rand.Text()
		b.preview(r.Context(), c, schemas.FailoverRequested{App: a.Name, To: to, Force: b.Force, Actor: one.Actor})
		return c.show(w, r, http.StatusOK, view{Name: "confirm", Title: "Confirm the failover", App: a.Name, Body: b})
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	if err := c.Ask(ctx, schemas.FailoverRequested{Request: b.Request, App: a.Name, To: to, Force: b.Force, Actor: one.Actor, Reason: b.Reason, At: time.Now().UTC()}); err != nil {
		c.Log.Warn().Err(err).Str("app", a.Name).Msg("request not stored")
		words := "The request could not be stored, and nothing was moved. Send it again with the button: however often it is sent, it is one request."
		if errors.Is(err, context.DeadlineExceeded) {
			words = "The bus did not answer in time. Send it again with the button: however often it is sent, it is one request."
		}
		b.Problem = words
		return c.show(w, r, http.StatusServiceUnavailable, view{Name: "confirm", Title: "Confirm the failover", App: a.Name, Body: b})
	}
	http.Redirect(w, r, "/ui/failovers?"+url.Values{"app": {a.Name}, "request": {b.Request}}.Encode(), http.StatusSeeOther)
	return nil
}

// preview asks what the request would come to. Without an answer people may still ask: the actuator decides when it is back, within the request's time.
func (b *requestBody) preview(ctx context.Context, c *Console, e schemas.FailoverRequested) {
	plan, err := c.Preview(ctx, e)
	if err != nil {
		b.Silent = err.Error()
		return
	}
	var candidates []schemas.RankedCandidate
	for _, k := range plan.Candidates {
		candidates = append(candidates, k.RankedCandidate)
	}
	b.Plan = &plan
	b.Rows, b.Scale = rows(candidates, plan.To, "chosen")
}
