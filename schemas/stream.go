package schemas

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// The streams.
const (
	Samples     = "SAMPLES"
	Imports     = "IMPORTS"
	Evaluations = "EVALUATIONS"
	Events      = "EVENTS"
	Letters     = "DLQ"
)

// Subjects that are not topics: their payloads are protobuf batches or whatever could not be read.
const (
	SamplesSubject     = "leeward.samples.measured.v1"
	ImportsSubject     = "leeward.samples.imported.v1"
	EvaluationsSubject = "leeward.rankings.evaluated.v1"
	BenchmarksSubject  = "leeward.images.benchmarked.v1"
	LetterSubject      = "leeward.letter.rejected.v1"
)

// SamplePartitions is how many partitions SAMPLES has; one recorder writes one partition at a time.
const SamplePartitions = 4

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
		{Name: Imports, Subjects: []string{ImportsSubject + ".*"}, MaxAge: 72 * time.Hour, MaxBytes: 1 << 30, Duplicates: 10 * time.Minute,
			Doc: "Samples that were measured elsewhere and imported; they may be of any age within the retention of samples."},
		{Name: Evaluations, Subjects: []string{EvaluationsSubject + ".*", BenchmarksSubject + ".*"}, MaxAge: 72 * time.Hour, MaxBytes: 6 << 30, Duplicates: 10 * time.Minute,
			Doc: "Rankings as they are published, and benchmarks of images; the last token is the app."},
		{Name: Events, Subjects: events, MaxAge: 90 * 24 * time.Hour, MaxBytes: 4 << 30, Duplicates: 10 * time.Minute,
			Doc: "Every event of the catalogue."},
		{Name: Letters, Subjects: []string{LetterSubject + ".>"}, MaxAge: 30 * 24 * time.Hour, MaxBytes: 1 << 30, Duplicates: 10 * time.Minute,
			Doc: "What could not be read, with its origin and the reason."},
	}
}

// SampleSubject is the subject of a vantage's sample batches. All of a vantage's are in one partition, so that they stay in order.
func SampleSubject(vantage string) string {
	if vantage == ImportVantage {
		return joinSubject(ImportsSubject, ImportVantage)
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(vantage))
	return joinSubject(SamplesSubject, strconv.Itoa(int(h.Sum32()%SamplePartitions)), Token(vantage))
}

// Partition is the part of a stream that one recorder at a time writes.
type Partition struct {
	// Name is its key in the bucket recorder, as in samples-0.
	Name, Stream string
	// Subjects are its part of the stream; none means all of it.
	Subjects []string
}

// Partitions lists every partition of a domain's streams.
func Partitions() []Partition {
	var all []Partition
	for n := range SamplePartitions {
		number := strconv.Itoa(n)
		all = append(all, Partition{"samples-" + number, Samples, []string{SamplesSubject + "." + number + ".*"}})
	}
	return append(all, Partition{"imports-0", Imports, nil}, Partition{"evaluations-0", Evaluations, nil}, Partition{"events-0", Events, nil})
}

// samplesOf says whether a subject is a vantage's, in whatever partition: the number of partitions may have been another one when its batch was stored.
func samplesOf(subject, vantage string) bool {
	if vantage == ImportVantage {
		return subject == SampleSubject(vantage)
	}
	rest, ok := strings.CutPrefix(subject, SamplesSubject+".")
	partition, token, _ := strings.Cut(rest, ".")
	return ok && partition != "" && token == Token(vantage)
}

// ImportVantage is who measured imported samples, as far as the bus is concerned: they come through the gateway, whose user this one is. No vantage may have its name.
const ImportVantage = "import"

// EvaluationSubject is the subject of an app's rankings.
func EvaluationSubject(app string) string { return joinSubject(EvaluationsSubject, Token(app)) }

// BenchmarkSubject is the subject of the benchmarks of an app's images.
func BenchmarkSubject(app string) string { return joinSubject(BenchmarksSubject, Token(app)) }

func joinSubject(name string, tokens ...string) string {
	for _, t := range tokens {
		name += "." + t
	}
	return name
}
