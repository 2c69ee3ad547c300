package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// discovery says what came of each entry of an app's discover.
func (r *report) discovery(f Facts, a schemas.App) {
	for _, d := range a.Discover {
		what := "app " + a.Name + " discover " + d.Name
		s, looked := f.Discoveries[schemas.KeyOf(a.Name, d.Name)]
		evidence := s.Place + ": " + counted(f.Now, s)
		switch overdue := 3*d.Interval.D() + 15*time.Second; {
		case !looked:
			r.add(Warn, what, "not looked at yet", "one gateway does; the log of each says which, or why none does")
		case f.Now.Sub(s.At) > overdue:
			r.add(Fail, what, evidence+", not looked at for "+ago(f.Now.Sub(s.At)), "what it named last is measured; the gateways' logs say why none looks")
		case s.Trouble != "" && len(s.Endpoints) == 0:
			r.add(Fail, what, evidence+"; "+s.Trouble, "nothing is measured because of it; docs/how-to/discover.md shows what an answer looks like")
		case s.Trouble != "":
			r.add(Warn, what, evidence+"; "+s.Trouble, "what it named last is measured until it answers again")
		case s.Refused > 0:
			r.add(Warn, what, fmt.Sprintf("%s; %d refused, first %s", evidence, s.Refused, s.Reasons[0]), "mend them where they are named; GET /v1/discoveries lists the first 20")
		case len(s.Kept) > 0:
			r.add(Warn, what, evidence+"; no longer named: "+names(s.Kept), fmt.Sprintf("they are measured for keep, %s, and where the app starts or its traffic is for good", d.Keep))
		default:
			r.add(OK, what, evidence, "")
		}
	}
}

func counted(now time.Time, s schemas.DiscoveryState) string {
	if s.ReadAt.IsZero() {
		return "never read"
	}
	return fmt.Sprintf("%d targets, %d endpoints, read %s ago", s.Targets, len(s.Endpoints), ago(now.Sub(s.ReadAt)))
}

func names(candidates []schemas.Candidate) string {
	all := make([]string, len(candidates))
	for i, c := range candidates {
		all[i] = c.String()
	}
	return strings.Join(all, ", ")
}
