package schemas

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Kind is what a sample measured.
type Kind uint8

// The kinds of sample. Numbers are the wire form and are never reused.
const (
	KindICMP    Kind = 1
	KindTCP     Kind = 2
	KindHTTP    Kind = 3
	KindDBRead  Kind = 4
	KindDBWrite Kind = 5
	// KindDBLag is no request: its latency is how far the region's database was behind the last heartbeat the primary had acknowledged to the vantage.
	KindDBLag Kind = 6
	// KindBench is a request of a load generator.
	KindBench Kind = 7
	// KindTLS is a TLS handshake from nothing on a fresh connection, KindTLSResumed one that goes on with an earlier session.
	KindTLS        Kind = 8
	KindTLSResumed Kind = 9
	// KindHTTPKept is a request on a connection that was open already.
	KindHTTPKept Kind = 10
	// KindDNS is a question to a name server.
	KindDNS Kind = 11
	// KindGRPC is a call of the gRPC health service.
	KindGRPC Kind = 12
	// KindRegistry is the question for an image's manifest in the region's registry, and the first byte of a layer.
	KindRegistry Kind = 13
	// KindExec is a user's own check.
	KindExec Kind = 14
	// KindDBFresh is a read from the region's database by a client that has no connection yet: the handshakes, the login and the read.
	KindDBFresh Kind = 15
)

// kindNames are the names of the kinds in configuration and in ClickHouse.
var kindNames = [...]string{
	KindICMP: "icmp", KindTCP: "tcp", KindHTTP: "http", KindDBRead: "db_read", KindDBWrite: "db_write", KindDBLag: "db_lag", KindBench: "bench",
	KindTLS: "tls", KindTLSResumed: "tls_resumed", KindHTTPKept: "http_kept", KindDNS: "dns", KindGRPC: "grpc", KindRegistry: "registry", KindExec: "exec", KindDBFresh: "db_fresh",
}

// String is the kind's name in configuration and in ClickHouse.
func (k Kind) String() string {
	if k.known() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

func (k Kind) known() bool { return k >= KindICMP && k <= KindDBFresh }

// ParseKind returns the kind of that name.
func ParseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name && n != "" {
			return Kind(k), true
		}
	}
	return 0, false
}

// Outcome is how a measurement ended.
type Outcome uint8

// The outcomes. A time-out is censored: the latency is at least what it says.
const (
	OK          Outcome = 1
	TimedOut    Outcome = 2
	Refused     Outcome = 3
	Unreachable Outcome = 4
	NameError   Outcome = 5
	TLSError    Outcome = 6
	BadStatus   Outcome = 7
	OtherError  Outcome = 8
)

var outcomeNames = map[Outcome]string{OK: "ok", TimedOut: "timeout", Refused: "refused", Unreachable: "unreachable",
	NameError: "dns", TLSError: "tls", BadStatus: "status", OtherError: "other"}

// String is the outcome's name in ClickHouse.
func (o Outcome) String() string {
	if name, ok := outcomeNames[o]; ok {
		return name
	}
	return "other"
}

// ParseOutcome returns the outcome of that name.
func ParseOutcome(name string) (Outcome, bool) {
	for o, n := range outcomeNames {
		if n == name {
			return o, true
		}
	}
	return 0, false
}

func (o Outcome) known() bool { return o >= OK && o <= OtherError }

// Flags are what else there is to know about how a sample was taken.
type Flags uint8

// The flags.
const (
	// Saturated says that the prober was short of processor time when it measured, so that the latency may be partly its own.
	Saturated Flags = 1 << iota
	// ClockStepped says that the prober's clock was set during the measurement. The latency is right, the due time may not be.
	ClockStepped
	// KernelStamps says that both ends of the round trip were stamped by the kernel.
	KernelStamps
)

// Sample is one measurement: who measured what, when it was due, how long each phase took, how it ended.
type Sample struct {
	// Variant is empty for what the variants of a region share: its database.
	App, Region, Variant string
	Kind                 Kind
	Outcome              Outcome
	// DueUS is when the measurement was due, in microseconds since 1970, by the prober's clock.
	DueUS int64
	// LatencyUS counts from the due time to the end; LateUS is how much of it passed before the probe was sent.
	LatencyUS, LateUS uint32
	// The phases; a phase that a kind has not is 0.
	DNSUS, ConnectUS, TLSUS, WriteUS, FirstByteUS, TransferUS uint32
	// Status is the HTTP status, 0 for other kinds.
	Status uint32
	Flags  Flags
	// Server is the role and the identity of the database that answered, empty for other kinds: two servers behind one address are two series.
	Server string
}

// MaxBatch is the most samples a batch may hold.
const MaxBatch = 10_000

// SampleBatch is one prober's samples in columns, the payload of the SAMPLES stream. Column i of every slice belongs to sample i; texts are indexes into Dict.
type SampleBatch struct {
	// Vantage measured; VantageRegion is the region it belongs to, if any.
	Vantage, VantageRegion string
	// Boot is when the prober started, in microseconds since 1970; with Counter, which counts its batches from 1, it names the batch for ever.
	Boot, Counter uint64
	// Topology is the hash of the configuration the samples were taken under.
	Topology string
	// Spooled says that the batch waited on the prober's disk for a bus that was away, so that its samples may be late without anything being wrong.
	Spooled bool
	// ClockErrorUS is how far the prober's clock may be off by the kernel's own estimate, 0 when it has none.
	ClockErrorUS uint32
	Dict         []string

	DueUS                                                     []int64
	App, Region, Variant                                      []uint32
	Kind                                                      []Kind
	Outcome                                                   []Outcome
	LatencyUS, LateUS                                         []uint32
	DNSUS, ConnectUS, TLSUS, WriteUS, FirstByteUS, TransferUS []uint32
	Status                                                    []uint32
	Flags                                                     []Flags
	// Server counts the texts of Dict from 1; 0 is none.
	Server []uint32
}

// Len is the number of samples.
func (b *SampleBatch) Len() int { return len(b.DueUS) }

// MessageID names the batch for de-duplication.
func (b *SampleBatch) MessageID() string {
	return fmt.Sprintf("%s:%d:%d", b.Vantage, b.Boot, b.Counter)
}

// Grow makes room for n samples.
func (b *SampleBatch) Grow(n int) {
	b.DueUS, b.Kind, b.Outcome, b.Flags = slices.Grow(b.DueUS, n), slices.Grow(b.Kind, n), slices.Grow(b.Outcome, n), slices.Grow(b.Flags, n)
	for _, c := range []*[]uint32{&b.App, &b.Region, &b.Variant, &b.LatencyUS, &b.LateUS, &b.DNSUS, &b.ConnectUS, &b.TLSUS, &b.WriteUS, &b.FirstByteUS, &b.TransferUS, &b.Status, &b.Server} {
		*c = slices.Grow(*c, n)
	}
}

// Append adds a sample.
func (b *SampleBatch) Append(s Sample) {
	b.DueUS = append(b.DueUS, s.DueUS)
	b.App = append(b.App, b.index(s.App))
	b.Region = append(b.Region, b.index(s.Region))
	b.Variant = append(b.Variant, b.index(s.Variant))
	b.Kind = append(b.Kind, s.Kind)
	b.Outcome = append(b.Outcome, s.Outcome)
	b.LatencyUS = append(b.LatencyUS, s.LatencyUS)
	b.LateUS = append(b.LateUS, s.LateUS)
	b.DNSUS = append(b.DNSUS, s.DNSUS)
	b.ConnectUS = append(b.ConnectUS, s.ConnectUS)
	b.TLSUS = append(b.TLSUS, s.TLSUS)
	b.WriteUS = append(b.WriteUS, s.WriteUS)
	b.FirstByteUS = append(b.FirstByteUS, s.FirstByteUS)
	b.TransferUS = append(b.TransferUS, s.TransferUS)
	b.Status = append(b.Status, s.Status)
	b.Flags = append(b.Flags, s.Flags)
	server := uint32(0)
	if s.Server != "" {
		server = b.index(s.Server) + 1
	}
	b.Server = append(b.Server, server)
}

// At returns sample i.
func (b *SampleBatch) At(i int) Sample {
	server := ""
	if n := b.Server[i]; n > 0 {
		server = b.Dict[n-1]
	}
	return Sample{
		App: b.Dict[b.App[i]], Region: b.Dict[b.Region[i]], Variant: b.Dict[b.Variant[i]], Kind: b.Kind[i], Outcome: b.Outcome[i],
		DueUS: b.DueUS[i], LatencyUS: b.LatencyUS[i], LateUS: b.LateUS[i], DNSUS: b.DNSUS[i], ConnectUS: b.ConnectUS[i], TLSUS: b.TLSUS[i],
		WriteUS: b.WriteUS[i], FirstByteUS: b.FirstByteUS[i], TransferUS: b.TransferUS[i], Status: b.Status[i],
		Flags: b.Flags[i], Server: server,
	}
}

// index finds or adds a text in the dictionary, which holds a few dozen names at most.
func (b *SampleBatch) index(text string) uint32 {
	for i, d := range b.Dict {
		if d == text {
			return uint32(i)
		}
	}
	b.Dict = append(b.Dict, text)
	return uint32(len(b.Dict) - 1)
}

// The single fields of the wire form.
const (
	fieldVantage protowire.Number = iota + 1
	fieldBoot
	fieldCounter
	fieldVantageRegion
	fieldDict
	fieldTopology
	fieldSpooled
	fieldClockError
	fieldDue protowire.Number = 10
	// fieldEnd is the first number that no column has yet.
	fieldEnd protowire.Number = 27
)

// Encode validates the batch and returns its wire form: a protobuf message whose columns are packed, the due times as differences.
func (b *SampleBatch) Encode() ([]byte, error) { return b.AppendEncode(nil) }

// AppendEncode is Encode behind what w holds already, so that who sends batch after batch allocates nothing.
func (b *SampleBatch) AppendEncode(w []byte) ([]byte, error) {
	if err := b.Validate(); err != nil {
		return w, fmt.Errorf("sample batch: %w", err)
	}
	w = appendText(w, fieldVantage, b.Vantage)
	w = appendText(w, fieldVantageRegion, b.VantageRegion)
	w = appendText(w, fieldTopology, b.Topology)
	w = appendNumber(w, fieldBoot, b.Boot)
	w = appendNumber(w, fieldCounter, b.Counter)
	if b.Spooled {
		w = appendNumber(w, fieldSpooled, 1)
	}
	if b.ClockErrorUS > 0 {
		w = appendNumber(w, fieldClockError, uint64(b.ClockErrorUS))
	}
	for _, d := range b.Dict {
		w = protowire.AppendString(protowire.AppendTag(w, fieldDict, protowire.BytesType), d)
	}
	size, last := 0, int64(0)
	for _, due := range b.DueUS {
		size, last = size+protowire.SizeVarint(protowire.EncodeZigZag(due-last)), due
	}
	w = protowire.AppendVarint(protowire.AppendTag(w, fieldDue, protowire.BytesType), uint64(size))
	last = 0
	for _, due := range b.DueUS {
		w = protowire.AppendVarint(w, protowire.EncodeZigZag(due-last))
		last = due
	}
	for _, c := range columns {
		w = c.pack(w, b)
	}
	return w, nil
}

// MarkSpooled adds to a batch's wire form that it is Spooled.
func MarkSpooled(data []byte) []byte {
	return appendNumber(slices.Clip(data), fieldSpooled, 1)
}

func appendText(w []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return w
	}
	return protowire.AppendString(protowire.AppendTag(w, n, protowire.BytesType), s)
}

// DecodeSampleBatch reads and validates the wire form of a batch and refuses one whose subject is another vantage's. Unknown fields are ignored.
func DecodeSampleBatch(subject string, data []byte) (*SampleBatch, error) {
	b := &SampleBatch{}
	if err := b.Decode(subject, data); err != nil {
		return nil, err
	}
	return b, nil
}

// Decode is DecodeSampleBatch into a batch whose memory is used again, so that who reads batch after batch allocates next to nothing. After an error b holds no batch.
func (b *SampleBatch) Decode(subject string, data []byte) error {
	last := *b
	b.Vantage, b.VantageRegion, b.Boot, b.Counter, b.Topology, b.Spooled, b.ClockErrorUS, b.Dict, b.DueUS = "", "", 0, 0, "", false, 0, b.Dict[:0], b.DueUS[:0]
	var packed [fieldEnd][]byte
	err := eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case fieldBoot:
			b.Boot = f.number
		case fieldCounter:
			b.Counter = f.number
		case fieldSpooled:
			b.Spooled = f.number != 0
		case fieldClockError:
			b.ClockErrorUS = uint32(min(f.number, math.MaxUint32))
		case fieldVantage:
			b.Vantage = f.textOr(last.Vantage)
		case fieldVantageRegion:
			b.VantageRegion = f.textOr(last.VantageRegion)
		case fieldTopology:
			b.Topology = f.textOr(last.Topology)
		case fieldDict:
			known := ""
			if i := len(b.Dict); i < len(last.Dict) {
				known = last.Dict[i]
			}
			b.Dict = append(b.Dict, f.textOr(known))
		default:
			if n < fieldEnd {
				packed[n] = f.bytes
			}
		}
		return nil
	})
	if err == nil {
		err = b.unpack(&packed)
	}
	if err == nil {
		err = b.Validate()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if !samplesOf(subject, b.Vantage) {
		return fmt.Errorf("subject %s disagrees with its payload, which belongs on %s", subject, SampleSubject(b.Vantage))
	}
	return nil
}

// textOr is text without a copy when it is what is known already.
func (f field) textOr(known string) string {
	if known == string(f.bytes) {
		return known
	}
	return f.text()
}

// Validate says whether the batch is well formed: columns of one length, indexes inside the dictionary, known kinds, times inside what ClickHouse can hold.
func (b *SampleBatch) Validate() error {
	var c check
	c.name("vantage", b.Vantage)
	c.optionalName("vantage region", b.VantageRegion)
	c.that(b.Boot > 0 && b.Counter > 0, "boot and counter are missing")
	if n := b.Len(); n == 0 || n > MaxBatch {
		c.failf("%d samples, not 1 to %d", n, MaxBatch)
	}
	for _, col := range columns {
		if n := col.len(b); n != b.Len() {
			c.failf("column %d holds %d values for %d samples", col.number, n, b.Len())
		}
	}
	if err := c.err(); err != nil {
		return err
	}
	for _, d := range b.Dict {
		c.optionalName("dictionary entry", d)
	}
	const year2100 = 4_102_444_800_000_000
	for i := range b.Len() {
		if max(b.App[i], b.Region[i], b.Variant[i]) >= uint32(min(len(b.Dict), math.MaxInt32)) || int(b.Server[i]) > len(b.Dict) {
			return errors.New("an index points outside the dictionary")
		}
		if b.DueUS[i] <= 0 || b.DueUS[i] > year2100 {
			return fmt.Errorf("sample %d was due at %d µs, which is not a time", i, b.DueUS[i])
		}
		if !b.Kind[i].known() {
			return fmt.Errorf("sample %d has the unknown kind %d", i, b.Kind[i])
		}
		if !b.Outcome[i].known() {
			return fmt.Errorf("sample %d has the unknown outcome %d", i, b.Outcome[i])
		}
	}
	return c.err()
}
