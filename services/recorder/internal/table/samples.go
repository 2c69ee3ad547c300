package table

import (
	"math"
	"slices"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/pkg/clickhouse"
	"github.com/leeward-failover/leeward/schemas"
)

// Samples collects the table samples, a row per sample, in columns whose memory is used again block after block, and the table quarantine, where samples go whose due time can not be believed.
type Samples struct {
	Lateness Lateness

	batch schemas.SampleBatch
	names names
	dict  []*string

	due []int64 // milliseconds, which is what the driver takes for this column
	// Names are pointers because the driver then compares them instead of hashing and boxing a text per row and column.
	app, kind, vantage, region, variant, vantageRegion, outcome, topology []*string
	latency, late, dns, connect, tls, write, firstByte, transfer          []uint32
	storedAfter                                                           []int32
	spooled                                                               []bool
	status, batchRow                                                      []uint16
	boot, counter, sequence                                               []uint64

	quarantined []quarantined
}

// Add decodes a batch and adds its samples, or nothing when it can not be read.
func (s *Samples) Add(m bus.Message) (rows int, err error) {
	b := &s.batch
	if err := b.Decode(m.Subject, m.Data); err != nil {
		return 0, err
	}
	s.dict = s.dict[:0]
	for _, d := range b.Dict {
		s.dict = append(s.dict, s.names.pointer(d))
	}
	oldest, newest := s.Lateness.around(m.Stored, b.Spooled)
	if slices.Min(b.DueUS) >= oldest && slices.Max(b.DueUS) <= newest {
		s.add(b, 0, b.Len(), m)
		return b.Len(), nil
	}
	for i, due := range b.DueUS {
		if due < oldest || due > newest {
			s.quarantined = append(s.quarantined, quarantine(b, i, m, due < oldest))
			continue
		}
		s.add(b, i, i+1, m)
	}
	return b.Len(), nil
}

// add adds the rows [from, to) of a batch.
func (s *Samples) add(b *schemas.SampleBatch, from, to int, m bus.Message) {
	s.addNames(b, from, to)
	s.addNumbers(b, from, to, m)
}

func (s *Samples) addNames(b *schemas.SampleBatch, from, to int) {
	vantage, home, topology := s.names.pointer(b.Vantage), s.names.pointer(b.VantageRegion), s.names.pointer(b.Topology)
	for i := from; i < to; i++ {
		s.app = append(s.app, s.dict[b.App[i]])
		s.region = append(s.region, s.dict[b.Region[i]])
		s.variant = append(s.variant, s.dict[b.Variant[i]])
		s.kind = append(s.kind, s.names.pointer(b.Kind[i].String()))
		s.outcome = append(s.outcome, s.names.pointer(b.Outcome[i].String()))
		s.vantage = append(s.vantage, vantage)
		s.vantageRegion = append(s.vantageRegion, home)
		s.topology = append(s.topology, topology)
	}
}

func (s *Samples) addNumbers(b *schemas.SampleBatch, from, to int, m bus.Message) {
	s.latency = append(s.latency, b.LatencyUS[from:to]...)
	s.late = append(s.late, b.LateUS[from:to]...)
	s.dns = append(s.dns, b.DNSUS[from:to]...)
	s.connect = append(s.connect, b.ConnectUS[from:to]...)
	s.tls = append(s.tls, b.TLSUS[from:to]...)
	s.write = append(s.write, b.WriteUS[from:to]...)
	s.firstByte = append(s.firstByte, b.FirstByteUS[from:to]...)
	s.transfer = append(s.transfer, b.TransferUS[from:to]...)
	stored := m.Stored.UnixMicro()
	for i := from; i < to; i++ {
		s.storedAfter = append(s.storedAfter, int32((stored-b.DueUS[i])/1e6))
		s.spooled = append(s.spooled, b.Spooled)
		s.due = append(s.due, b.DueUS[i]/1000)
		s.status = append(s.status, uint16(min(b.Status[i], math.MaxUint16)))
		s.boot = append(s.boot, b.Boot)
		s.counter = append(s.counter, b.Counter)
		s.batchRow = append(s.batchRow, uint16(i))
		s.sequence = append(s.sequence, m.Sequence)
	}
}

// Tables returns what the block adds.
func (s *Samples) Tables() []Rows {
	return []Rows{{Table: "samples", Count: len(s.due), Columns: []clickhouse.Column{
		{Name: "due", Values: s.due}, {Name: "app", Values: s.app}, {Name: "kind", Values: s.kind}, {Name: "vantage", Values: s.vantage},
		{Name: "region", Values: s.region}, {Name: "variant", Values: s.variant}, {Name: "vantage_region", Values: s.vantageRegion}, {Name: "outcome", Values: s.outcome},
		{Name: "latency_us", Values: s.latency}, {Name: "late_us", Values: s.late}, {Name: "stored_after_s", Values: s.storedAfter}, {Name: "spooled", Values: s.spooled},
		{Name: "dns_us", Values: s.dns}, {Name: "connect_us", Values: s.connect},
		{Name: "tls_us", Values: s.tls}, {Name: "write_us", Values: s.write}, {Name: "first_byte_us", Values: s.firstByte}, {Name: "transfer_us", Values: s.transfer},
		{Name: "status", Values: s.status}, {Name: "topology", Values: s.topology}, {Name: "boot", Values: s.boot}, {Name: "counter", Values: s.counter},
		{Name: "batch_row", Values: s.batchRow}, {Name: "stream_sequence", Values: s.sequence},
	}}, quarantineTable(s.quarantined)}
}

// Reset empties the columns and keeps their memory.
func (s *Samples) Reset() {
	for _, c := range []*[]*string{&s.app, &s.kind, &s.vantage, &s.region, &s.variant, &s.vantageRegion, &s.outcome, &s.topology} {
		*c = (*c)[:0]
	}
	for _, c := range []*[]uint32{&s.latency, &s.late, &s.dns, &s.connect, &s.tls, &s.write, &s.firstByte, &s.transfer} {
		*c = (*c)[:0]
	}
	for _, c := range []*[]uint64{&s.boot, &s.counter, &s.sequence} {
		*c = (*c)[:0]
	}
	s.storedAfter, s.spooled, s.quarantined = s.storedAfter[:0], s.spooled[:0], s.quarantined[:0]
	s.due, s.status, s.batchRow = s.due[:0], s.status[:0], s.batchRow[:0]
	s.names.trim()
}

// names gives equal texts one pointer.
type names map[string]*string

func (n *names) pointer(text string) *string {
	if p, ok := (*n)[text]; ok {
		return p
	}
	if *n == nil {
		*n = names{}
	}
	p := new(string)
	*p = text
	(*n)[text] = p
	return p
}

// trim forgets all names when they have become many, as topology hashes do over the weeks. No column may hold a pointer then.
func (n *names) trim() {
	if len(*n) > 10_000 {
		clear(*n)
	}
}
