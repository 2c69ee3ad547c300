package console_test

import (
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// screens are the pages with something each must show once the system is populated.
var screens = []struct{ name, path, shows string }{
	{"overview", "/", "is served by"},
	{"ranking", "/ui/ranking?app=shop", "all pass"},
	{"history", "/ui/ranking?app=shop&active=frankfurt", "london/slim leads dallas/slim by 129.60 ms"},
	{"variants", "/ui/variants?app=shop", "from cache"},
	{"failovers", "/ui/failovers?app=shop", "verdicts"},
	{"failover", "/ui/failovers/shop/moved", "Where the time went"},
	{"builds", "/ui/builds?app=shop", "Stages"},
	{"events", "/ui/events", "was built in"},
	{"login", "/ui/login", "Who you are"},
	{"problem", "/ui/nowhere", "There is no such page"},
}

// TestEveryScreenLoadsInEveryLook opens each page light, dark and at a phone's width: the browser has nothing to say, the page never scrolls sideways, axe finds nothing.
func TestEveryScreenLoadsInEveryLook(t *testing.T) {
	t.Parallel()
	axe := axeSource(t)
	y := newSystem(t, map[string]string{"LEEWARD_SIMULATED": "true"})
	y.populate()
	p := open(t, y.gate.url())
	for _, look := range []struct {
		name, scheme string
		width        int64
	}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"phone", "light", 360}} {
		p.looks(look.width, look.scheme)
		y.see(nil)
		for _, s := range screens {
			where := s.name + " " + look.name
			p.load(s.path)
			p.says(s.shows)
			p.says("Simulated regions.")
			if wide := must[int](p, "document.documentElement.scrollWidth"); wide > int(look.width) {
				t.Errorf("%s is %d pixels wide, of %d", where, wide, look.width)
			}
			if s.name != "problem" {
				p.quiet()
			}
			p.axe(axe, where)
			p.picture(s.name + "-" + look.name)
			p.problems = nil
		}
	}
}

// TestAnEmptySystemSaysWhatToDoNext opens each page where there is nothing yet.
func TestAnEmptySystemSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	axe := axeSource(t)
	y := newSystem(t, nil)
	p := open(t, y.gate.url())
	p.load("/")
	p.says("leeward apply leeward.yaml")
	p.axe(axe, "empty overview")
	y.gate.apply(y.yaml)
	p.says("has no route yet")
	for path, words := range map[string]string{
		"/ui/ranking": "There is no ranking of shop yet", "/ui/variants": "not built yet", "/ui/failovers": "No failover was decided or refused yet", "/ui/builds": "Nothing was built yet",
	} {
		p.load(path)
		p.says(words)
		p.axe(axe, "empty "+path)
	}
	p.quiet()
}

// TestAgesStayTrue leaves a page alone: the age it shows goes on, and a ranking that becomes too old is called that.
func TestAgesStayTrue(t *testing.T) {
	t.Parallel()
	y := newSystem(t, nil)
	y.populate()
	r := y.ranking()
	r.At = time.Now().Add(-55 * time.Second)
	put(y, y.ranker, schemas.RankingBucket, r)
	p := open(t, y.gate.url())
	p.load("/ui/ranking")
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		before := time.Since(r.At)
		over := must[bool](p, `!document.querySelector(".over").hidden`)
		after := time.Since(r.At)
		// The page looks at its clock once a second.
		const beat = 2 * time.Second
		if limit := y.app.Failover.MaxRankingAge.D(); over && after < limit || !over && before > limit+beat {
			t.Fatalf("the ranking is between %s and %s old, too old is %s, and the page says that it is too old: %t", before, after, limit, over)
		}
		if over {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the ranking never became too old")
		}
	}
	p.says("1 min old — too old: a failover is refused when it is older than 60 s")
}
