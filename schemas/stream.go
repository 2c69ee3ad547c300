package schemas

import (
	"slices"
	"strings"
	"time"
)

// The streams.
const (
	Samples     = "SAMPLES"
	Evaluations = "EVALUATIONS"
	Events      = "EVENTS"
	Letters     = "DLQ"
)

// Subjects that are not topics: their payloads are protobuf batches or whatever could not be read.
const (
	SamplesSubject     = "leeward.samples.measured.v1"
	EvaluationsSubject = "leeward.rankings.evaluated.v1"
	LetterSubject      = "leeward.letter.rejected.v1"
	// ReplaySubject is the door for letters that are put back: what is published below ReplaySubject.<stream> is stored under its own subject.
	ReplaySubject = "leeward.letter.replayed.v1"
)

// SubjectRoot begins every subject that is not the bus's own.
const SubjectRoot = "leeward."

// SamplePartitions is how many partitions SAMPLES has; one recorder writes one partition at a time.
const SamplePartitions = 1

// StreamContract is how a stream keeps its messages. Every stream refuses new messages when full rather than lose old ones.
type StreamContract struct {
	Name     string
	Subjects []string
	MaxAge   time.Duration
	MaxBytes int64
	// Duplicates is how long a message id is remembered.
	Duplicates time.Duration
	Doc        string
}

// Streams lists every stream, EVENTS with the subjects of the catalogue.
func Streams() []StreamContract {
	var events []string
	for _, c := range Catalog() {
		events = append(events, c.Filter())
	}
	return []StreamContract{
		{Name: Samples, Subjects: []string{SamplesSubject + ".*.*"}, MaxAge: 72 * time.Hour, MaxBytes: 8 << 30, Duplicates: 10 * time.Minute,
			Doc: "Latency samples in columnar batches; the last tokens are the partition and the vantage."},
		{Name: Evaluations, Subjects: []string{EvaluationsSubject + ".*"}, MaxAge: 72 * time.Hour, MaxBytes: 16 << 30, Duplicates: 10 * time.Minute,
			Doc: "Rankings at every refresh; the last token is the app."},
		{Name: Events, Subjects: events, MaxAge: 90 * 24 * time.Hour, MaxBytes: 4 << 30, Duplicates: 10 * time.Minute,
			Doc: "Every event of the catalogue."},
		{Name: Letters, Subjects: []string{LetterSubject + ".>"}, MaxAge: 30 * 24 * time.Hour, MaxBytes: 1 << 30, Duplicates: 10 * time.Minute,
			Doc: "What could not be read, with its origin and the reason."},
	}
}

// Replays are the subjects on which the stream takes replayed letters, one for each of its own; the dead letters take none.
func (s StreamContract) Replays() []string {
	if s.Name == Letters {
		return nil
	}
	var replays []string
	for _, subject := range s.Subjects {
		replays = append(replays, s.ReplayDoor()+strings.TrimPrefix(subject, SubjectRoot))
	}
	return replays
}

// ReplayDoor is what stands before the rest of a subject that is replayed into the stream, in place of the subject's first token.
func (s StreamContract) ReplayDoor() string { return ReplaySubject + "." + s.Name + "." }

// Replay returns the subject to publish on so that the stream stores a message under subject; false when that is none of the stream's.
func Replay(stream, subject string) (string, bool) {
	for _, s := range Streams() {
		if s.Name != stream || s.Name == Letters {
			continue
		}
		for _, filter := range s.Subjects {
			if matches(filter, subject) {
				return s.ReplayDoor() + strings.TrimPrefix(subject, SubjectRoot), true
			}
		}
	}
	return "", false
}

// matches says whether a subject is one of those a filter stands for.
func matches(filter, subject string) bool {
	want, got := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, token := range want {
		switch {
		case token == ">":
			return i < len(got) && plain(got)
		case i == len(got), token != "*" && token != got[i]:
			return false
		}
	}
	return len(want) == len(got) && plain(got)
}

// plain says whether tokens are such as Token makes.
func plain(tokens []string) bool {
	return !slices.ContainsFunc(tokens, func(t string) bool { return t == "" || strings.ContainsAny(t, "*> \t\r\n") })
}

// SampleSubject is the subject of a vantage's sample batches.
func SampleSubject(vantage string) string {
	return joinSubject(SamplesSubject, "0", Token(vantage))
}

// ImportVantage is who measured imported samples, as far as the bus is concerned: they come through the gateway, whose user this one is. No vantage may have its name.
const ImportVantage = "import"

// EvaluationSubject is the subject of an app's rankings.
func EvaluationSubject(app string) string { return joinSubject(EvaluationsSubject, Token(app)) }

func joinSubject(name string, tokens ...string) string {
	for _, t := range tokens {
		name += "." + t
	}
	return name
}
