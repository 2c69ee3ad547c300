package schemas

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// ImageBenchmark is how long it took once from nothing to a healthy answer with an image in a region.
type ImageBenchmark struct {
	Candidate
	Digest string
	// Cold says that no layer was there before the pull.
	Cold      bool
	SizeBytes uint64
	Layers    uint32
	// WastedBytes are those of files that a later layer hides or writes again.
	WastedBytes uint64
	// The phases, in microseconds; those after a failed one are 0.
	PullUS, UnpackUS, StartUS, HealthyUS uint64
	// Error says why the benchmark failed.
	Error string
	At    time.Time
}

// ImageBenchmarks are benchmarks of one app's images, the builder's payload on the EVALUATIONS stream.
type ImageBenchmarks struct {
	App  string
	Rows []ImageBenchmark
}

// The fields of the wire form. Numbers are never reused.
const (
	benchmarksApp protowire.Number = iota + 1
	benchmarksRow
)

const (
	benchmarkRegion protowire.Number = iota + 1
	benchmarkVariant
	benchmarkDigest
	benchmarkCold
	benchmarkSizeBytes
	benchmarkLayers
	benchmarkWastedBytes
	benchmarkPullUS
	benchmarkUnpackUS
	benchmarkStartUS
	benchmarkHealthyUS
	benchmarkError
	benchmarkAtUS
)

// Validate reports every field that is not well formed.
func (b ImageBenchmarks) Validate() error {
	var c check
	c.name("app", b.App)
	c.that(len(b.Rows) > 0 && len(b.Rows) <= MaxBatch, "%d benchmarks, not 1 to %d", len(b.Rows), MaxBatch)
	for _, r := range b.Rows {
		c.candidate("benchmark", r.Candidate)
		c.digest("digest", r.Digest)
		c.time("at", r.At)
	}
	return c.err()
}

// Encode validates the benchmarks and returns their subject and wire form.
func (b ImageBenchmarks) Encode() (subject string, data []byte, err error) {
	if err := b.Validate(); err != nil {
		return "", nil, fmt.Errorf("image benchmarks: %w", err)
	}
	w := appendText(nil, benchmarksApp, b.App)
	for _, r := range b.Rows {
		w = protowire.AppendBytes(protowire.AppendTag(w, benchmarksRow, protowire.BytesType), r.encode())
	}
	return BenchmarkSubject(b.App), w, nil
}

func (b ImageBenchmark) encode() []byte {
	w := appendText(nil, benchmarkRegion, b.Region)
	w = appendText(w, benchmarkVariant, b.Variant)
	w = appendText(w, benchmarkDigest, b.Digest)
	w = appendNumber(w, benchmarkCold, protowire.EncodeBool(b.Cold))
	w = appendNumber(w, benchmarkSizeBytes, b.SizeBytes)
	w = appendNumber(w, benchmarkLayers, uint64(b.Layers))
	w = appendNumber(w, benchmarkWastedBytes, b.WastedBytes)
	w = appendNumber(w, benchmarkPullUS, b.PullUS)
	w = appendNumber(w, benchmarkUnpackUS, b.UnpackUS)
	w = appendNumber(w, benchmarkStartUS, b.StartUS)
	w = appendNumber(w, benchmarkHealthyUS, b.HealthyUS)
	w = appendText(w, benchmarkError, b.Error)
	return appendNumber(w, benchmarkAtUS, uint64(b.At.UnixMicro()))
}

// DecodeImageBenchmarks reads and validates benchmarks from the EVALUATIONS stream and refuses those whose subject is another app's. Unknown fields are ignored.
func DecodeImageBenchmarks(subject string, data []byte) (ImageBenchmarks, error) {
	var b ImageBenchmarks
	err := eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case benchmarksApp:
			b.App = f.text()
		case benchmarksRow:
			row, err := decodeBenchmark(f.bytes)
			if err != nil {
				return err
			}
			b.Rows = append(b.Rows, row)
		}
		return nil
	})
	if err == nil {
		err = b.Validate()
	}
	if err != nil {
		return ImageBenchmarks{}, fmt.Errorf("%s: %w", subject, err)
	}
	if want := BenchmarkSubject(b.App); want != subject {
		return ImageBenchmarks{}, fmt.Errorf("subject %s disagrees with its payload, which belongs on %s", subject, want)
	}
	return b, nil
}

func decodeBenchmark(data []byte) (b ImageBenchmark, err error) {
	numbers := map[protowire.Number]*uint64{
		benchmarkSizeBytes: &b.SizeBytes, benchmarkWastedBytes: &b.WastedBytes,
		benchmarkPullUS: &b.PullUS, benchmarkUnpackUS: &b.UnpackUS, benchmarkStartUS: &b.StartUS, benchmarkHealthyUS: &b.HealthyUS,
	}
	texts := map[protowire.Number]*string{benchmarkRegion: &b.Region, benchmarkVariant: &b.Variant, benchmarkDigest: &b.Digest, benchmarkError: &b.Error}
	err = eachField(data, func(n protowire.Number, f field) error {
		switch {
		case numbers[n] != nil:
			*numbers[n] = f.number
		case texts[n] != nil:
			*texts[n] = f.text()
		case n == benchmarkCold:
			b.Cold = f.number != 0
		case n == benchmarkLayers:
			b.Layers = uint32(f.number)
		case n == benchmarkAtUS:
			b.At = time.UnixMicro(int64(f.number)).UTC()
		}
		return nil
	})
	return b, err
}
