package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// filter is which events a page shows.
type filter struct{ Type, App, Text string }

func filterOf(q url.Values) filter {
	return filter{q.Get("type"), q.Get("app"), strings.TrimSpace(q.Get("q"))}
}

// lets says whether an event is shown. An event that is about no single app is shown with every app.
func (f filter) lets(e fact) bool {
	return (f.Type == "" || e.Kind == f.Type) && (f.App == "" || e.App == "" || e.App == f.App) &&
		(f.Text == "" || strings.Contains(strings.ToLower(e.Said+" "+e.Subject+" "+string(e.Data)), strings.ToLower(f.Text)))
}

// query is the filter in a link.
func (f filter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"type": f.Type, "app": f.App, "q": f.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// manyEvents is how many events the page begins with, and how many console.js keeps on it.
const manyEvents = 200

type eventsBody struct {
	Filter filter
	Kinds  []string
	Facts  []fact
	// Kept is how far back the page looks.
	Kept int
}

func (c *Console) events(w http.ResponseWriter, r *http.Request) error {
	b := eventsBody{Filter: filterOf(r.URL.Query()), Kept: keepEvents}
	for _, contract := range schemas.Catalog() {
		b.Kinds = append(b.Kinds, strings.TrimSuffix(strings.TrimPrefix(contract.Name, "leeward."), ".v1"))
	}
	slices.Sort(b.Kinds)
	var newest uint64
	b.Facts, newest = c.recent.pick(manyEvents, b.Filter.lets)
	q := b.Filter.query()
	q.Set("after", strconv.FormatUint(newest, 10))
	return c.show(w, r, http.StatusOK, view{Name: "events", Title: "Events", App: b.Filter.App, Stream: "?" + q.Encode(), Body: b})
}
