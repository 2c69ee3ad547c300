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
	App               schemas.App
	From              schemas.Candidate
	Routed            bool
	Region, Variant   string
	Reason, Problem   string
	Regions, Variants []string
	Ranking           rankingBody
	// Likely is the candidate that the gates let through now; Lacking are the gates of the first that fits the wish when none does.
	Likely  *ranked
	Nearest *ranked
	Shift   []int
	Bake    string
	Stale   bool
	Mode    string
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
	b := requestBody{App: a, From: route.Active, Routed: routed, Region: to.Region, Variant: to.Variant, Regions: a.Regions(), Shift: a.Failover.Shift, Bake: a.Failover.Bake.String(), Mode: a.Mode}
	for _, v := range a.Variants {
		b.Variants = append(b.Variants, v.Name)
	}
	b.Ranking = s.ranking(a, route.Active.Region)
	b.Stale = b.Ranking.At.IsZero() || s.now.Sub(b.Ranking.At) > a.Failover.MaxRankingAge.D() || b.Ranking.Other
	for _, row := range b.Ranking.Rows {
		if to.Region != "" && row.Region != to.Region || to.Variant != "" && row.Variant != to.Variant || row.Candidate == route.Active {
			continue
		}
		if b.Nearest == nil {
			b.Nearest = &row
		}
		if row.Eligible && b.Likely == nil {
			b.Likely = &row
		}
	}
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
	b.Reason, b.Request = strings.TrimSpace(f.Get("reason")), f.Get("request")
	switch {
	case to.Region != "" && !slices.Contains(b.Regions, to.Region):
		b.Problem = a.Name + " has no endpoint in a region named " + to.Region + "."
	case to.Variant != "" && !slices.Contains(b.Variants, to.Variant):
		b.Problem = a.Name + " has no variant named " + to.Variant + "."
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
		return c.show(w, r, http.StatusOK, view{Name: "confirm", Title: "Confirm the failover", App: a.Name, Body: b})
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	if err := c.Ask(ctx, schemas.FailoverRequested{Request: b.Request, App: a.Name, To: to, Actor: one.Actor, Reason: b.Reason, At: time.Now().UTC()}); err != nil {
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
