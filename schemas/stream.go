package schemas

import "time"

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
)

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
