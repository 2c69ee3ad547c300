package rank

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/leeward-failover/leeward/schemas"
)

// Sight is the objective's quantile of a candidate as one vantage measured it.
type Sight struct {
	Vantage string
	schemas.Candidate
	MS float64
	// Censored says that the quantile lies among time-outs.
	Censored bool
	Samples  uint64
}

// Sights are what each vantage saw of each candidate in the window of a stored ranking.
func Sights(stored json.RawMessage) ([]Sight, error) {
	d, err := read(stored)
	var all []Sight
	for _, c := range d.Cells {
		if total := merge(c.Blocks); c.Kind == d.World.App.Objective.Kind && total.Samples() > 0 {
			x := total.quantile(d.World.App.Objective.Quantile, d.TimeoutUS)
			all = append(all, Sight{c.Vantage, c.Candidate, rounded(x.us / 1000), x.censored, total.Samples()})
		}
	}
	return all, err
}

// Ranked is the app of a stored ranking, as it was then, without what is for building and moving it.
func Ranked(stored json.RawMessage) (schemas.App, error) {
	d, err := read(stored)
	return d.World.App, err
}

// Without is a stored ranking as it would have been without one of its vantages.
func Without(stored json.RawMessage, vantage string) (schemas.Ranking, error) {
	d, err := read(stored)
	if err != nil {
		return schemas.Ranking{}, err
	}
	d.Cells = slices.DeleteFunc(d.Cells, func(c Cell) bool { return c.Vantage == vantage })
	d.World.Vantages = slices.DeleteFunc(d.World.Vantages, func(v schemas.Vantage) bool { return v.Name == vantage })
	d.State.Verdicts = slices.DeleteFunc(d.State.Verdicts, func(v schemas.Verdict) bool { return v.Vantage == vantage })
	d.State.Presences = slices.DeleteFunc(d.State.Presences, func(p schemas.Presence) bool { return p.Vantage == vantage })
	return d.ranking()
}

// WithLocalWrites is a stored ranking as it would have been if every region held the app's primary database: its writes would then take what they take now
// in the region that does hold it.
func WithLocalWrites(stored json.RawMessage) (schemas.Ranking, error) {
	d, err := read(stored)
	if err != nil {
		return schemas.Ranking{}, err
	}
	app := d.World.App
	if app.PrimaryDatabase == "" || !writesCount(app) {
		return d.ranking()
	}
	i := slices.IndexFunc(app.Endpoints, func(e schemas.Endpoint) bool { return e.Database == app.PrimaryDatabase })
	if i < 0 {
		return schemas.Ranking{}, fmt.Errorf("no endpoint of %s has the primary database as its own, so that its region is not known", app.Name)
	}
	home, write := app.Endpoints[i].Region, schemas.KindDBWrite.String()
	var cells, local []Cell
	for _, c := range d.Cells {
		v, _ := d.World.topology().Vantage(c.Vantage)
		switch {
		case c.Kind != write:
			cells = append(cells, c)
		case c.Region == home && v.Region == home:
			local = append(local, c)
		}
	}
	if len(local) == 0 {
		return schemas.Ranking{}, fmt.Errorf("no vantage in %s, where the primary database is, measures its writes", home)
	}
	for _, region := range app.Regions() {
		for _, c := range local {
			c.Region = region
			cells = append(cells, c)
		}
	}
	d.Cells = cells
	d.Inputs = d.sorted()
	return d.ranking()
}
