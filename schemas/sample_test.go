package schemas_test

import (
	"bytes"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/leeward-failover/leeward/schemas"
)

func TestSamplesComeBackAsTheyWere(t *testing.T) {
	b := samples()
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := schemas.DecodeSampleBatch(schemas.SampleSubject("london"), data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != b.Len() || got.MessageID() != "london:1795305431000000:17" {
		t.Fatalf("%d samples of batch %s", got.Len(), got.MessageID())
	}
	for i := range b.Len() {
		if got.At(i) != b.At(i) {
			t.Errorf("sample %d: %+v, want %+v", i, got.At(i), b.At(i))
		}
	}
}

func TestBatchThatIsNotWellFormedIsNotSent(t *testing.T) {
	for name, spoil := range map[string]func(*schemas.SampleBatch){
		"no samples":           func(b *schemas.SampleBatch) { *b = schemas.SampleBatch{Vantage: "london", Boot: 1, Counter: 1} },
		"no vantage":           func(b *schemas.SampleBatch) { b.Vantage = "" },
		"hostile vantage":      func(b *schemas.SampleBatch) { b.Vantage = "a.b" },
		"no boot":              func(b *schemas.SampleBatch) { b.Boot = 0 },
		"no counter":           func(b *schemas.SampleBatch) { b.Counter = 0 },
		"short column":         func(b *schemas.SampleBatch) { b.LateUS = b.LateUS[:1] },
		"long column":          func(b *schemas.SampleBatch) { b.Status = append(b.Status, 200) },
		"missing column":       func(b *schemas.SampleBatch) { b.Kind = nil },
		"index beyond":         func(b *schemas.SampleBatch) { b.App[0] = uint32(len(b.Dict)) },
		"largest index":        func(b *schemas.SampleBatch) { b.Region[1] = 1<<32 - 1 },
		"no dictionary":        func(b *schemas.SampleBatch) { b.Dict = nil },
		"hostile name":         func(b *schemas.SampleBatch) { b.Dict[0] = "a b" },
		"unknown kind":         func(b *schemas.SampleBatch) { b.Kind[0] = 99 },
		"unknown outcome":      func(b *schemas.SampleBatch) { b.Outcome[0] = 0 },
		"before 1970":          func(b *schemas.SampleBatch) { b.DueUS[0] = -1 },
		"beyond ClickHouse":    func(b *schemas.SampleBatch) { b.DueUS[0] = 1 << 62 },
		"more than 10,000":     func(b *schemas.SampleBatch) { fill(b, schemas.MaxBatch+1) },
		"vantage region wrong": func(b *schemas.SampleBatch) { b.VantageRegion = "Frankfurt" },
	} {
		b := samples()
		spoil(b)
		if _, err := b.Encode(); err == nil {
			t.Errorf("%s: was encoded", name)
		}
	}
	b := samples()
	fill(b, schemas.MaxBatch)
	if _, err := b.Encode(); err != nil {
		t.Errorf("the largest batch: %v", err)
	}
}

func fill(b *schemas.SampleBatch, n int) {
	for s := b.At(0); b.Len() < n; {
		b.Append(s)
	}
}

// field appends a field of bytes to a batch's wire form; of a field that stands twice the last one counts.
func field(data []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(bytes.Clone(data), number, protowire.BytesType), value)
}

func TestBatchThatIsNotWellFormedIsNotRead(t *testing.T) {
	good, err := samples().Encode()
	if err != nil {
		t.Fatal(err)
	}
	const due, app, region, kind, late = 10, 11, 12, 14, 17
	ones := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	subject := schemas.SampleSubject("london")
	three := samples()
	fill(three, 3)
	long, err := three.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		subject string
		data    []byte
	}{
		"nothing":                   {subject, nil},
		"text":                      {subject, []byte("{}")},
		"half":                      {subject, good[:len(good)/2]},
		"one byte short":            {subject, good[:len(good)-1]},
		"another vantage's subject": {schemas.SampleSubject("tokyo"), good},
		"no partition":              {"leeward.samples.measured.v1.london", good},
		"column too short":          {subject, field(long, late, ones(2))},
		"column too long":           {subject, field(good, late, ones(3))},
		"index outside dictionary":  {subject, field(good, app, []byte{0, 120})},
		"index beyond 32 bits":      {subject, field(good, region, append(protowire.AppendVarint(nil, 1<<40), 0))},
		"kind beyond 8 bits":        {subject, field(good, kind, append(protowire.AppendVarint(nil, 258), 1))},
		"more than 10,000":          {subject, field(good, due, ones(schemas.MaxBatch+1))},
		"endless number":            {subject, field(good, due, bytes.Repeat([]byte{0xff}, 11))},
	} {
		if b, err := schemas.DecodeSampleBatch(c.subject, c.data); err == nil {
			t.Errorf("%s: was read as %+v", name, b)
		}
	}
	// As it was stored when there were fewer partitions.
	if _, err := schemas.DecodeSampleBatch("leeward.samples.measured.v1.17.london", good); err != nil {
		t.Errorf("another partition: %v", err)
	}
	if _, err := schemas.DecodeSampleBatch(subject, field(good, 99, ones(5))); err != nil {
		t.Errorf("a field from the future: %v", err)
	}
}

// A column of equal values, as kind and outcome are in many batches, takes no byte per sample.
func TestEqualValuesAreSentOnce(t *testing.T) {
	b := &schemas.SampleBatch{Vantage: "london", Boot: 1, Counter: 1}
	for i := range 1000 {
		b.Append(schemas.Sample{App: "shop", Region: "tokyo", Variant: "slim", Kind: schemas.KindICMP, Outcome: schemas.OK, DueUS: int64(i + 1), LatencyUS: 300})
	}
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 1100 { // a byte for each difference of due times
		t.Errorf("%d bytes for 1,000 samples that are equal", len(data))
	}
	got, err := schemas.DecodeSampleBatch(schemas.SampleSubject("london"), data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Outcome, b.Outcome) || !reflect.DeepEqual(got.LatencyUS, b.LatencyUS) || !reflect.DeepEqual(got.Region, b.Region) {
		t.Error("the samples came back as others")
	}
}

// Readers come before writers: a column of equal values may hold one of them.
func TestOneValueStandsForAllOfAColumn(t *testing.T) {
	b := samples()
	fill(b, 3)
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const late, kind = 17, 14
	got, err := schemas.DecodeSampleBatch(schemas.SampleSubject("london"), field(field(data, late, []byte{7}), kind, []byte{byte(schemas.KindTCP)}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if s := got.At(i); s.LateUS != 7 || s.Kind != schemas.KindTCP {
			t.Errorf("sample %d is %+v", i, s)
		}
	}
}

// A recorder decodes, and a prober encodes, batch after batch: what is allocated for each is paid by the garbage collector.
func TestBatchesAreCodedWithoutAllocation(t *testing.T) {
	b := varied(500)
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	subject, again := schemas.SampleSubject("london"), schemas.SampleBatch{}
	if err := again.Decode(subject, data); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() {
		if err := again.Decode(subject, data); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%.0f allocations to decode a batch, want none", got)
	}
	buffer := make([]byte, 0, 2*len(data))
	if got := testing.AllocsPerRun(100, func() {
		if _, err := b.AppendEncode(buffer); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%.0f allocations to encode a batch, want none", got)
	}
}

// varied is a batch in which no column but the app's is of equal values.
func varied(n int) *schemas.SampleBatch {
	b := &schemas.SampleBatch{Vantage: "london", VantageRegion: "london", Boot: 1_795_305_431_000_000, Counter: 17, Topology: "0011223344556677"}
	for i := range n {
		s := schemas.Sample{App: "shop", Region: []string{"tokyo", "frankfurt", "dallas"}[i%3], Variant: []string{"slim", "single"}[i%2], Kind: schemas.Kind(1 + i%4), Outcome: schemas.OK,
			DueUS: 1_795_305_431_000_000 + int64(i)*1000, LatencyUS: uint32(90_000 + i*37%20_000), LateUS: uint32(40 + i%90)}
		if i%50 == 0 {
			s.Outcome = schemas.TimedOut
		}
		if s.Kind == schemas.KindHTTP {
			s.DNSUS, s.ConnectUS, s.TLSUS, s.WriteUS, s.FirstByteUS, s.TransferUS, s.Status = 900, uint32(30_000+i), uint32(31_000+i), 25, uint32(34_000+i), 150, 200
		}
		b.Append(s)
	}
	return b
}

func BenchmarkDecodeSampleBatch(b *testing.B) {
	batch := varied(500)
	data, err := batch.Encode()
	if err != nil {
		b.Fatal(err)
	}
	subject, into := schemas.SampleSubject("london"), schemas.SampleBatch{}
	b.ReportAllocs()
	for b.Loop() {
		if err := into.Decode(subject, data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/sample")
}

func BenchmarkEncodeSampleBatch(b *testing.B) {
	batch := varied(500)
	var w []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if w, err = batch.AppendEncode(w[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/sample")
}

func FuzzDecodeSampleBatchNeverPanics(f *testing.F) {
	good, err := samples().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add(field(good, 11, []byte{0, 120}))
	f.Add([]byte{0x52, 0x01, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := schemas.DecodeSampleBatch(schemas.SampleSubject("london"), data)
		if err != nil {
			return
		}
		for i := range b.Len() {
			_ = b.At(i)
		}
		again, err := b.Encode()
		if err != nil {
			t.Fatalf("was read and can not be sent: %v", err)
		}
		if second, err := schemas.DecodeSampleBatch(schemas.SampleSubject("london"), again); err != nil || !reflect.DeepEqual(b, second) {
			t.Errorf("read %+v, then %+v: %v", b, second, err)
		}
	})
}

func TestRankingThatCouldNotBeKeptIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*schemas.Ranking){
		"inputs that are no JSON": func(r *schemas.Ranking) { r.Inputs = []byte("0 0") },
		"endless cost":            func(r *schemas.Ranking) { r.Orders[0].Candidates[0].HighMS = math.Inf(1) },
		"quantile of nothing":     func(r *schemas.Ranking) { r.Quantile = math.NaN() },
		"far future":              func(r *schemas.Ranking) { r.At = time.Unix(1<<50, 0) },
		"evidence from nowhen":    func(r *schemas.Ranking) { r.Orders[0].Candidates[0].Gates[0].EvidenceAt = time.Unix(-1<<50, 0) },
		"a time to serve below 0": func(r *schemas.Ranking) { ms := -1.0; r.Orders[0].Candidates[0].ServeMS = &ms },
		"requests of nobody":      func(r *schemas.Ranking) { r.Requests = []schemas.RequestLatency{{}} },
		"hostile region":          func(r *schemas.Ranking) { r.Orders[0].Active = "a.b" },
		"hostile choice":          func(r *schemas.Ranking) { r.Orders[0].Choice = schemas.Candidate{Region: "a.b", Variant: "slim"} },
		"half a raw choice":       func(r *schemas.Ranking) { r.Orders[0].Raw = schemas.Candidate{Region: "tokyo"} },
		"stability that is none":  func(r *schemas.Ranking) { r.Orders[0].Stability = []byte("{") },
	} {
		r := ranking()
		spoil(&r)
		if _, _, err := schemas.EncodeEvaluation(r); err == nil {
			t.Errorf("%s: was encoded", name)
		}
	}
}

func TestInputsArePackedAndReadBack(t *testing.T) {
	r := publishedRanking()
	r.At = r.At.Truncate(time.Microsecond)
	r.Inputs = []byte(`{"cells":[` + strings.Repeat(`[0,1,2],`, 5_000) + `[]]}`)
	subject, data, err := schemas.EncodeEvaluation(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > len(r.Inputs)/20 {
		t.Errorf("%d bytes of inputs take %d", len(r.Inputs), len(data))
	}
	back, err := schemas.DecodeEvaluation(subject, data)
	if err != nil || string(back.Inputs) != string(r.Inputs) {
		t.Errorf("read back %d bytes of %d: %v", len(back.Inputs), len(r.Inputs), err)
	}
	r.Inputs = []byte(`"` + strings.Repeat("0", 17<<20) + `"`)
	if subject, data, err = schemas.EncodeEvaluation(r); err != nil {
		t.Fatal(err)
	}
	if _, err := schemas.DecodeEvaluation(subject, data); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%d bytes that unpack to 17 MiB: %v", len(data), err)
	}
	if _, err := schemas.DecodeEvaluation(subject, data[:len(data)/2]); err == nil {
		t.Error("half of a message was read")
	}
}

func FuzzDecodeEvaluationNeverPanics(f *testing.F) {
	r := publishedRanking()
	r.Inputs = []byte(`{"cells":[` + strings.Repeat(`[0,1,2],`, 50) + `[]]}`)
	subject, packed, err := schemas.EncodeEvaluation(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	_, good, err := schemas.EncodeEvaluation(ranking())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:60])
	f.Add(field(good, 7, []byte{0x0a, 0x01, 'x'}))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := schemas.DecodeEvaluation(subject, data)
		if err != nil {
			return
		}
		if _, _, err := schemas.EncodeEvaluation(r); err != nil {
			t.Fatalf("was read and can not be sent: %v", err)
		}
		if _, _, err := schemas.RankingBucket.Encode(r); err != nil {
			t.Fatalf("was read and can not be kept: %v", err)
		}
	})
}

// TestTableHasAColumnForEveryFieldOfASample reads the schema as text: every field of a batch has its column, under the same name.
func TestTableHasAColumnForEveryFieldOfASample(t *testing.T) {
	ddl, err := schemas.Migrations.ReadFile("clickhouse/0001_spine.sql")
	if err != nil {
		t.Fatal(err)
	}
	table, _, ok := strings.Cut(string(ddl), "ENGINE")
	if !ok || !strings.Contains(table, "CREATE TABLE IF NOT EXISTS samples\n") {
		t.Fatal("the first table is not samples")
	}
	later, err := schemas.Migrations.ReadFile("clickhouse/0003_late_data.sql")
	if err != nil {
		t.Fatal(err)
	}
	probes, err := schemas.Migrations.ReadFile("clickhouse/0005_probes.sql")
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]bool{}
	for _, m := range regexp.MustCompile(`ADD COLUMN IF NOT EXISTS ([a-z_]+)`).FindAllStringSubmatch(string(later)+string(probes), -1) {
		columns[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^    ([a-z_]+) [A-Z]`).FindAllStringSubmatch(table, -1) {
		columns[m[1]] = true
	}
	// The dictionary is resolved, and the table's type of time says what the unit in the name says.
	columns["dict"], columns["due_us"] = true, columns["due"]
	batch := reflect.TypeFor[schemas.SampleBatch]()
	for i := range batch.NumField() {
		if name := snake(batch.Field(i).Name); !columns[name] {
			t.Errorf("samples has no column %s for SampleBatch.%s", name, batch.Field(i).Name)
		}
	}
}

// snake writes a Go name as ClickHouse has it: FirstByteUS is first_byte_us, DNSUS is dns_us.
func snake(name string) string {
	name, micro := strings.CutSuffix(name, "US")
	name = strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_${2}"))
	if micro {
		name += "_us"
	}
	return name
}
