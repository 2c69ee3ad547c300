package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// fact is one control event as people read it.
type fact struct {
	Sequence uint64
	// Type is the topic, Kind its noun and verb.
	Type, Kind, Subject, Source string
	Stored                      time.Time
	Data                        []byte
	// App is the app the event is about, empty when it is about none or several.
	App string
	// Said is the event in a sentence, Mark how it is drawn.
	Said, Mark string
}

// factOf reads an event. One that can not be read is shown as it is.
func factOf(m bus.Message) fact {
	f := fact{Sequence: m.Sequence, Type: m.Header.Get("ce-type"), Subject: m.Subject, Source: m.Header.Get("ce-source"), Stored: m.Stored, Data: m.Data, Mark: "none"}
	f.Kind = strings.TrimSuffix(strings.TrimPrefix(f.Type, "leeward."), ".v1")
	read, known := readers[f.Type]
	if !known || read(&f, m) != nil {
		f.Said = "an event that this version does not know, or that is not well formed"
	}
	return f
}

// Raw is the event's payload, laid out.
func (f fact) Raw() string {
	var out bytes.Buffer
	if json.Indent(&out, f.Data, "", "  ") != nil {
		return string(f.Data)
	}
	const most = 20_000
	if out.Len() > most {
		return out.String()[:most] + fmt.Sprintf("\n… and %d more bytes: GET /v1/events?from=%d", out.Len()-most, f.Sequence)
	}
	return out.String()
}

// reader fills in what an event says.
type reader func(*fact, bus.Message) error

// reads makes a reader of a topic from what its events say: the app, the mark and the sentence.
func reads[E schemas.Event](topic schemas.Topic[E], say func(E) (app, mark, said string)) reader {
	return func(f *fact, m bus.Message) error {
		e, err := topic.Decode(m.Subject, m.Data)
		if err == nil {
			f.App, f.Mark, f.Said = say(e)
		}
		return err
	}
}

// readers are the topics that have a sentence; a test holds them to the catalogue.
var readers = map[string]reader{
	schemas.ImagePushedTopic.Contract().Name: reads(schemas.ImagePushedTopic, func(e schemas.ImagePushed) (string, string, string) {
		return "", "none", fmt.Sprintf("%s:%s in %s is now %s", e.Repository, e.Tag, e.Registry, short(e.Digest))
	}),
	schemas.SourcePushedTopic.Contract().Name: reads(schemas.SourcePushedTopic, func(e schemas.SourcePushed) (string, string, string) {
		return "", "none", fmt.Sprintf("branch %s of %s is now at %.12s", e.Branch, e.Repository, e.Commit)
	}),
	schemas.AlertReceivedTopic.Contract().Name: reads(schemas.AlertReceivedTopic, func(e schemas.AlertReceived) (string, string, string) {
		if !e.Matched() {
			return "", "unknown", fmt.Sprintf("alert %s %s; no rule maps it to a region, so nothing was asked", e.Name, e.Status)
		}
		mark := "fail"
		if e.Status == "resolved" {
			mark = "pass"
		}
		return e.App, mark, fmt.Sprintf("alert %s %s for %s", e.Name, e.Status, e.Region)
	}),
	schemas.TopologyChangedTopic.Contract().Name: reads(schemas.TopologyChangedTopic, func(e schemas.TopologyChanged) (string, string, string) {
		return "", "none", fmt.Sprintf("topology %s was applied by %s", short(e.Hash), e.Actor)
	}),
	schemas.FailoverRequestedTopic.Contract().Name: reads(schemas.FailoverRequestedTopic, func(e schemas.FailoverRequested) (string, string, string) {
		if e.DryRun {
			return e.App, "none", fmt.Sprintf("%s asks what moving %s to %s would come to", e.Actor, e.App, wish(e.To))
		}
		return e.App, "busy", fmt.Sprintf("%s asks to move %s to %s: %s", e.Actor, e.App, wish(e.To), e.Reason)
	}),
	schemas.BuildFinishedTopic.Contract().Name: reads(schemas.BuildFinishedTopic, func(e schemas.BuildFinished) (string, string, string) {
		if e.Outcome != "succeeded" {
			return e.App, "fail", fmt.Sprintf("build of %s failed after %.1f s: %s", e.Variant, e.Seconds, e.Error)
		}
		return e.App, "pass", fmt.Sprintf("%s was built in %.1f s: %s, %s", e.Variant, e.Seconds, short(e.Digest), size(e.SizeBytes))
	}),
	schemas.ImageReplicatedTopic.Contract().Name: reads(schemas.ImageReplicatedTopic, func(e schemas.ImageReplicated) (string, string, string) {
		if e.Outcome != "verified" {
			return e.App, "fail", fmt.Sprintf("%s could not be copied to %s: %s", e.Variant, e.Region, e.Error)
		}
		return e.App, "pass", fmt.Sprintf("%s holds %s (%s) after %.1f s", e.Region, e.Variant, short(e.Digest), e.Seconds)
	}),
	schemas.HealthChangedTopic.Contract().Name: reads(schemas.HealthChangedTopic, func(e schemas.HealthChanged) (string, string, string) {
		said := fmt.Sprintf("%s sees %s %s, was %s", e.Vantage, e.Region, e.To, e.From)
		if e.Reason != "" {
			said += ": " + e.Reason
		}
		return e.App, string(e.To), said
	}),
	schemas.RankingChangedTopic.Contract().Name: reads(schemas.RankingChangedTopic, func(e schemas.RankingChanged) (string, string, string) {
		said := fmt.Sprintf("with traffic in %s: ", e.Active)
		if e.Choice != (schemas.Candidate{}) {
			said += "it would go to " + e.Choice.String() + ", "
		} else if len(e.Order) > 0 {
			said += e.Order[0].String() + " is first, "
		}
		said += fmt.Sprintf("%d of %d candidates are eligible", len(e.Eligible), len(e.Order))
		if e.Reason != "" {
			said += "; " + e.Reason
		}
		return e.App, "none", said
	}),
	schemas.ProbeRequestedTopic.Contract().Name: reads(schemas.ProbeRequestedTopic, func(e schemas.ProbeRequested) (string, string, string) {
		return e.App, "busy", fmt.Sprintf("every vantage is asked to look at %s: %s", e.Region, e.Reason)
	}),
	schemas.FailoverPlannedTopic.Contract().Name: reads(schemas.FailoverPlannedTopic, func(e schemas.FailoverPlanned) (string, string, string) {
		if e.Plan.State == schemas.PlanRefused {
			return e.Plan.App, "unknown", "failover refused: " + e.Plan.Reason
		}
		return e.Plan.App, "busy", fmt.Sprintf("failover from %s to %s was decided: %s", e.Plan.From, e.Plan.To, e.Plan.Reason)
	}),
	schemas.FailoverSteppedTopic.Contract().Name: reads(schemas.FailoverSteppedTopic, func(e schemas.FailoverStepped) (string, string, string) {
		said := fmt.Sprintf("step %d, %s: %s", e.Number+1, e.Step.Name, e.Step.Result)
		if e.Step.Error != "" {
			said += ": " + e.Step.Error
		}
		return e.App, resultMark(e.Step.Result), said
	}),
	schemas.FailoverFinishedTopic.Contract().Name: reads(schemas.FailoverFinishedTopic, func(e schemas.FailoverFinished) (string, string, string) {
		return e.App, stateMark(e.State), fmt.Sprintf("failover from %s to %s: %s", e.From, e.To, stateWord(e.State))
	}),
	schemas.DrillFinishedTopic.Contract().Name: reads(schemas.DrillFinishedTopic, func(e schemas.DrillFinished) (string, string, string) {
		if !e.Passed {
			return e.App, "fail", fmt.Sprintf("drill from %s to %s did not pass: %s", e.From, e.To, e.Reason)
		}
		return e.App, "pass", fmt.Sprintf("drill from %s to %s passed", e.From, e.To)
	}),
}

// wish is where a person wants an app to go.
func wish(c schemas.Candidate) string {
	switch {
	case c.Region == "" && c.Variant == "":
		return "the best candidate"
	case c.Variant == "":
		return c.Region + ", best variant"
	case c.Region == "":
		return "the best region for " + c.Variant
	}
	return c.String()
}
