package schemagen

import (
	"fmt"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// users are the users of the bus in the order of the page; <vantage> stands for any vantage.
var users = []schemas.Service{schemas.Gateway, schemas.Builder, schemas.Prober, schemas.Recorder, schemas.Ranker, schemas.Actuator, schemas.Runtime, schemas.Setup}

// anyVantage stands for a vantage on the page. It survives the escape of tokens and is then replaced.
const anyVantage = "VANTAGE"

// anyRegion stands for a region in the same way.
const anyRegion = "REGION"

func subjects() []byte {
	var w strings.Builder
	w.WriteString(header + "# What crosses the bus\n\n" +
		"Events are JSON with CloudEvents headers; their schemas are in [json](json). Subjects end in identifier tokens, escaped so that each is one token. " +
		"The gateway and the recorder read whole streams and are not listed as readers.\n")
	for _, s := range schemas.Streams() {
		fmt.Fprintf(&w, "\n## Stream %s\n\n%s Kept for %s, at most %d MiB, then new messages are refused. A message id is remembered for %s.\n", s.Name, s.Doc, age(s.MaxAge), s.MaxBytes>>20, age(s.Duplicates))
		if len(s.Replays()) > 0 {
			fmt.Fprintf(&w, "A letter comes back through %s, and the server stores it under its own subject.\n", code(s.ReplayDoor()+"…"))
		}
		w.WriteString("\n")
		if s.Name != schemas.Events {
			w.WriteString(head("subject", "payload", "producer", "readers"))
			w.WriteString(batchRow(s))
			continue
		}
		w.WriteString(head("subject", "payload", "producer", "readers", "deliver", "act within", "what happened"))
		for _, c := range schemas.Catalog() {
			p, _ := payloadOf(c.Name)
			w.WriteString(row(code(c.Filter()), "["+p.of.Name()+"](json/"+p.file()+")", string(c.Producer), names(c.Readers), string(c.Deliver), age(c.ActWithin), c.Doc))
		}
	}
	w.WriteString("\n## Key-value buckets\n\nThe gateway reads every bucket and is not listed.\n\n" + head("bucket", "value", "writer", "readers", "expires", "holds"))
	for _, b := range schemas.Buckets() {
		p, _ := payloadOf(b.Name)
		expires := "no"
		if b.Expires {
			expires = "yes"
		}
		w.WriteString(row(code(b.Name), "["+p.of.Name()+"](json/"+p.file()+")", string(b.Writer), names(b.Readers), expires, b.Doc))
	}
	w.WriteString("\n## Permissions\n\nWhat a user may publish to and subscribe to; the server refuses the rest. Each vantage's prober is a user of its own.\n")
	for _, u := range users {
		permissions(&w, schemas.UserName(u, anyVantage), "", schemas.Permit(u, anyVantage))
	}
	permissions(&w, schemas.LeafName(anyRegion), "A region's leaf passes on to the hub, and is sent from there, what its vantages' probers need but for the samples, which stay. "+
		"At the leaf a prober may do what it may at the hub, and names the hub's domain: "+code("$JS."+schemas.HubDomain+".API")+" for "+code("$JS.API")+", "+code("$JS."+schemas.HubDomain+".API.$KV")+" for "+code("$KV")+".\n\n",
		schemas.PermitLeaf(anyRegion, []string{anyVantage}))
	return []byte(w.String())
}

func permissions(w *strings.Builder, user, note string, p schemas.Permissions) {
	fmt.Fprintf(w, "\n### %s\n\n%s", page(user), note)
	w.WriteString(head("publish", "subscribe"))
	for i := range max(len(p.Publish), len(p.Subscribe)) {
		w.WriteString(row(cell(p.Publish, i), cell(p.Subscribe, i)))
	}
}

// batchRow is the row of a stream that holds no events of the catalogue.
func batchRow(s schemas.StreamContract) string {
	subject := code(strings.Join(s.Subjects, " "))
	switch s.Name {
	case schemas.Samples:
		return row(subject, "SampleBatch (protobuf, columns)", string(schemas.Prober), string(schemas.Recorder))
	case schemas.Imports:
		return row(subject, "SampleBatch (protobuf, columns)", string(schemas.Gateway), string(schemas.Recorder))
	case schemas.Evaluations:
		return row(subject, "Ranking, ImageBenchmarks (protobuf)", names([]schemas.Service{schemas.Ranker, schemas.Builder}), string(schemas.Recorder))
	default:
		return row(subject, "the message as it came", "every reader", "people")
	}
}

func names(services []schemas.Service) string {
	if len(services) == 0 {
		return "–"
	}
	var all []string
	for _, s := range services {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

func cell(patterns []string, i int) string {
	if i >= len(patterns) {
		return ""
	}
	return code(page(patterns[i]))
}

func page(s string) string {
	return strings.NewReplacer(anyVantage, "<vantage>", anyRegion, "<region>").Replace(s)
}

// age writes a duration as people say it.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return fmt.Sprintf("%d s", d/time.Second)
	}
}
