package schemas_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

// overlap says whether some subject matches both patterns.
func overlap(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; ; i++ {
		switch {
		case i == len(x) || i == len(y):
			return len(x) == len(y)
		case x[i] == ">" || y[i] == ">":
			return true
		case x[i] != y[i] && x[i] != "*" && y[i] != "*":
			return false
		}
	}
}

func TestOverlapKnowsTheWildcards(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.c", false}, {"a.*", "a.c", true}, {"a.*", "a.c.d", false}, {"a.>", "a.c.d", true}, {"a.>", "a", false},
		{"*.b", "a.*", true}, {"*.b", "a.c", false}, {">", "a.b", true}, {"a.b.>", "a.*.c", true},
	} {
		if overlap(c.a, c.b) != c.want || overlap(c.b, c.a) != c.want {
			t.Errorf("overlap(%q, %q) is not %v", c.a, c.b, c.want)
		}
	}
}

// user is a user of the bus.
type user struct {
	service schemas.Service
	vantage string
}

func (u user) name() string                     { return schemas.UserName(u.service, u.vantage) }
func (u user) permissions() schemas.Permissions { return schemas.Permit(u.service, u.vantage) }

func (u user) reaches(filter string) []string {
	return slices.DeleteFunc(slices.Clone(u.permissions().Publish), func(p string) bool { return !overlap(p, filter) })
}

var users = []user{{schemas.Setup, ""}, {schemas.Gateway, ""}, {schemas.Builder, ""}, {schemas.Recorder, ""}, {schemas.Ranker, ""}, {schemas.Actuator, ""}, {schemas.Runtime, ""},
	{schemas.Prober, "london"}, {schemas.Prober, "london-2"}, {schemas.Prober, "tokyo"}}

// TestOnlyTheOwnerWrites derives, for every user and every topic, bucket and batch subject, that a right to publish there is the owner's, and a prober's ends in or begins with its vantage.
func TestOnlyTheOwnerWrites(t *testing.T) {
	owners := map[string]schemas.Service{schemas.SamplesSubject + ".>": schemas.Prober, schemas.ImportsSubject + ".>": schemas.Gateway, schemas.EvaluationsSubject + ".>": schemas.Ranker, schemas.BenchmarksSubject + ".>": schemas.Builder}
	for _, c := range schemas.Catalog() {
		owners[c.Filter()] = c.Producer
	}
	for _, b := range schemas.Buckets() {
		owners["$KV."+b.Name+".>"] = b.Writer
	}
	for filter, owner := range owners {
		for _, u := range users {
			rights := u.reaches(filter)
			if owns := u.service == owner; owns != (len(rights) > 0) {
				t.Errorf("%s: the rights of %s are %q, and its owner is %s", filter, u.name(), rights, owner)
			}
			for _, right := range rights {
				tokens := strings.Split(right, ".")
				if u.service == schemas.Prober && tokens[len(tokens)-1] != u.vantage && tokens[2] != u.vantage {
					t.Errorf("%s may publish %s, which is not pinned to its vantage", u.name(), right)
				}
			}
		}
	}
}

func TestProberSpeaksForItsOwnVantageOnly(t *testing.T) {
	london := user{schemas.Prober, "london"}
	for subject, want := range map[string]bool{
		schemas.SampleSubject("london"): true, schemas.SampleSubject("tokyo"): false, schemas.SampleSubject("london-2"): false,
		"leeward.health.changed.v1.shop.tokyo.london": true, "leeward.health.changed.v1.shop.london.tokyo": false,
		"$KV.verdicts.london.shop.tokyo": true, "$KV.verdicts.tokyo.shop.london": false, "$KV.vantages.london": true, "$KV.vantages.tokyo": false,
		"$JS.API.CONSUMER.MSG.NEXT.EVENTS.prober-probe-requested-london": true, "$JS.API.CONSUMER.MSG.NEXT.EVENTS.prober-probe-requested-tokyo": false,
		"$JS.ACK.EVENTS.prober-probe-requested-london.1.2.3.4.5": true, "$JS.ACK.EVENTS.prober-probe-requested-london-2.1.2.3.4.5": false,
		"leeward.letter.rejected.v1.prober-london.EVENTS": true, "leeward.letter.rejected.v1.prober-tokyo.EVENTS": false,
	} {
		if got := len(london.reaches(subject)) > 0; got != want {
			t.Errorf("%s: allowed is %v, want %v", subject, got, want)
		}
	}
}

func TestNoServiceChangesAStream(t *testing.T) {
	for _, u := range users {
		if u.service == schemas.Setup {
			continue
		}
		for _, verb := range []string{"CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "SNAPSHOT", "MSG.DELETE", "LEADER.STEPDOWN", "PEER.REMOVE"} {
			rights := append(u.reaches("$JS.API.STREAM."+verb+".>"), u.reaches("$JS.*.API.STREAM."+verb+".>")...)
			if u.service == schemas.Gateway && verb == "MSG.DELETE" {
				// A letter that was replayed or dropped goes; nothing else does.
				if want := []string{"$JS.API.STREAM.MSG.DELETE." + schemas.Letters}; !slices.Equal(rights, want) {
					t.Errorf("the gateway may delete messages of %q, want %q", rights, want)
				}
				continue
			}
			if len(rights) > 0 {
				t.Errorf("%s may %s streams: %q", u.name(), verb, rights)
			}
		}
	}
}

func TestOnlyTheGatewayReplaysLettersAndOnlyOntoTheSubjectsOfTheirStream(t *testing.T) {
	for _, u := range users {
		if rights := u.reaches(schemas.ReplaySubject + ".>"); len(rights) > 0 != (u.service == schemas.Gateway) {
			t.Errorf("%s may replay %q", u.name(), rights)
		}
	}
	for _, c := range []struct {
		stream, subject, want string
	}{
		{schemas.Samples, "leeward.samples.measured.v1.0.tokyo", "leeward.letter.replayed.v1.SAMPLES.samples.measured.v1.0.tokyo"},
		{schemas.Imports, schemas.SampleSubject(schemas.ImportVantage), "leeward.letter.replayed.v1.IMPORTS.samples.imported.v1.import"},
		{schemas.Evaluations, schemas.BenchmarkSubject("shop"), "leeward.letter.replayed.v1.EVALUATIONS.images.benchmarked.v1.shop"},
		{schemas.Evaluations, schemas.EvaluationSubject("shop"), "leeward.letter.replayed.v1.EVALUATIONS.rankings.evaluated.v1.shop"},
		{schemas.Events, "leeward.alert.received.v1.shop.tokyo", "leeward.letter.replayed.v1.EVENTS.alert.received.v1.shop.tokyo"},
		{schemas.Events, schemas.SampleSubject("tokyo"), ""},
		{schemas.Samples, "leeward.samples.measured.v1.0.>", ""},
		{schemas.Events, "leeward.alert.received.v1", ""},
		{schemas.Events, "leeward.alert.received.v1.", ""},
		{schemas.Events, "$KV.routes.shop", ""},
		{schemas.Letters, "leeward.letter.rejected.v1.recorder.EVENTS", ""},
		{"KV_routes", "$KV.routes.shop", ""},
	} {
		got, ok := schemas.Replay(c.stream, c.subject)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Replay(%s, %s) = %q, %v, want %q", c.stream, c.subject, got, ok, c.want)
		}
		if ok && len(user{schemas.Gateway, ""}.reaches(got)) == 0 {
			t.Errorf("the gateway may not publish %s", got)
		}
	}
}

func TestNobodyHearsAnothersAnswers(t *testing.T) {
	for _, u := range users {
		for _, other := range users {
			for _, right := range u.permissions().Subscribe {
				if u != other && overlap(right, schemas.InboxPrefix(other.name())+".>") {
					t.Errorf("%s may listen to %s", u.name(), other.name())
				}
			}
		}
		if got, want := u.permissions().Subscribe, []string{schemas.InboxPrefix(u.name()) + ".>"}; !slices.Equal(got, want) {
			t.Errorf("%s may subscribe to %q, want %q", u.name(), got, want)
		}
	}
}

func TestReadersHaveTheirConsumersToThemselves(t *testing.T) {
	for _, c := range schemas.Catalog() {
		for _, reader := range c.Readers {
			owner := user{reader, ""}
			if reader == schemas.Prober {
				owner.vantage = "london"
			}
			durable := c.Durable(owner.service, owner.vantage)
			for _, ack := range []string{"$JS.ACK." + c.Stream + "." + durable + ".1.2.3.4.5", "$JS.ACK.hub.hash." + c.Stream + "." + durable + ".1.2.3.4.5"} {
				for _, u := range users {
					if got := len(u.reaches(ack)) > 0; got != (u == owner) {
						t.Errorf("%s: %s may acknowledge is %v", durable, u.name(), got)
					}
				}
			}
		}
	}
}
