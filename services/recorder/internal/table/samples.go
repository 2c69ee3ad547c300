package table

import (
	"cmp"
	"math"
	"slices"
	"strconv"

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
	// days are the block's, nearly always one. Each becomes an INSERT of its own, because what goes into one partition of the table is there whole or not at all.
	days        []*day
	quarantined []quarantined
}

// day are the samples of a block that were due on one day.
type day struct {
	number int64 // days since 1970

	due []int64 // milliseconds, which is what the driver takes for this column
	// Names are pointers because the driver then compares them instead of hashing and boxing a text per row and column.
	app, kind, vantage, region, variant, vantageRegion, outcome, topology []*string
	latency, late, dns, connect, tls, write, firstByte, transfer          []uint32
	storedAfter                                                           []int32
	spooled                                                               []bool
	status, batchRow                                                      []uint16
	boot, counter, sequence                                               []uint64
}

const dayUS = 24 * 3600 * 1e6

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
	first, last := slices.Min(b.DueUS), slices.Max(b.DueUS)
	if first >= oldest && last <= newest && first/dayUS == last/dayUS {
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

// add adds the rows [from, to) of a batch, which were due on one day.
func (s *Samples) add(b *schemas.SampleBatch, from, to int, m bus.Message) {
	d := s.day(b.DueUS[from] / dayUS)
	s.addNames(d, b, from, to)
	d.addNumbers(b, from, to, m)
}

func (s *Samples) day(number int64) *day {
	for _, d := range s.days {
		if d.number == number {
			return d
		}
	}
	d := &day{number: number}
	s.days = append(s.days, d)
	return d
}

func (s *Samples) addNames(d *day, b *schemas.SampleBatch, from, to int) {
	vantage, home, topology := s.names.pointer(b.Vantage), s.names.pointer(b.VantageRegion), s.names.pointer(b.Topology)
	for i := from; i < to; i++ {
		d.app = append(d.app, s.dict[b.App[i]])
		d.region = append(d.region, s.dict[b.Region[i]])
		d.variant = append(d.variant, s.dict[b.Variant[i]])
		d.kind = append(d.kind, s.names.pointer(b.Kind[i].String()))
		d.outcome = append(d.outcome, s.names.pointer(b.Outcome[i].String()))
		d.vantage = append(d.vantage, vantage)
		d.vantageRegion = append(d.vantageRegion, home)
		d.topology = append(d.topology, topology)
	}
}

func (d *day) addNumbers(b *schemas.SampleBatch, from, to int, m bus.Message) {
	d.latency = append(d.latency, b.LatencyUS[from:to]...)
	d.late = append(d.late, b.LateUS[from:to]...)
	d.dns = append(d.dns, b.DNSUS[from:to]...)
	d.connect = append(d.connect, b.ConnectUS[from:to]...)
	d.tls = append(d.tls, b.TLSUS[from:to]...)
	d.write = append(d.write, b.WriteUS[from:to]...)
	d.firstByte = append(d.firstByte, b.FirstByteUS[from:to]...)
	d.transfer = append(d.transfer, b.TransferUS[from:to]...)
	stored := m.Stored.UnixMicro()
	for i := from; i < to; i++ {
		d.storedAfter = append(d.storedAfter, int32((stored-b.DueUS[i])/1e6))
		d.spooled = append(d.spooled, b.Spooled)
		d.due = append(d.due, b.DueUS[i]/1000)
		d.status = append(d.status, uint16(min(b.Status[i], math.MaxUint16)))
		d.boot = append(d.boot, b.Boot)
		d.counter = append(d.counter, b.Counter)
		d.batchRow = append(d.batchRow, uint16(i))
		d.sequence = append(d.sequence, m.Sequence)
	}
}

// Tables returns what the block adds.
func (s *Samples) Tables() []Rows {
	tables := []Rows{quarantineTable(s.quarantined)}
	for _, d := range s.days {
		tables = append(tables, d.table())
	}
	return tables
}

func (d *day) table() Rows {
	return Rows{Table: "samples", Part: ":" + strconv.FormatInt(d.number, 10), Count: len(d.due), Columns: []clickhouse.Column{
		{Name: "due", Values: d.due}, {Name: "app", Values: d.app}, {Name: "kind", Values: d.kind}, {Name: "vantage", Values: d.vantage},
		{Name: "region", Values: d.region}, {Name: "variant", Values: d.variant}, {Name: "vantage_region", Values: d.vantageRegion}, {Name: "outcome", Values: d.outcome},
		{Name: "latency_us", Values: d.latency}, {Name: "late_us", Values: d.late}, {Name: "stored_after_s", Values: d.storedAfter}, {Name: "spooled", Values: d.spooled},
		{Name: "dns_us", Values: d.dns}, {Name: "connect_us", Values: d.connect},
		{Name: "tls_us", Values: d.tls}, {Name: "write_us", Values: d.write}, {Name: "first_byte_us", Values: d.firstByte}, {Name: "transfer_us", Values: d.transfer},
		{Name: "status", Values: d.status}, {Name: "topology", Values: d.topology}, {Name: "boot", Values: d.boot}, {Name: "counter", Values: d.counter},
		{Name: "batch_row", Values: d.batchRow}, {Name: "stream_sequence", Values: d.sequence},
	}}
}

// Reset empties the columns and keeps the memory of the newest day's.
func (s *Samples) Reset() {
	if len(s.days) > 0 {
		newest := slices.MaxFunc(s.days, func(a, b *day) int { return cmp.Compare(a.number, b.number) })
		newest.reset()
		s.days = append(s.days[:0], newest)
	}
	s.quarantined = s.quarantined[:0]
	s.names.trim()
}

func (d *day) reset() {
	for _, c := range []*[]*string{&d.app, &d.kind, &d.vantage, &d.region, &d.variant, &d.vantageRegion, &d.outcome, &d.topology} {
		*c = (*c)[:0]
	}
	for _, c := range []*[]uint32{&d.latency, &d.late, &d.dns, &d.connect, &d.tls, &d.write, &d.firstByte, &d.transfer} {
		*c = (*c)[:0]
	}
	for _, c := range []*[]uint64{&d.boot, &d.counter, &d.sequence} {
		*c = (*c)[:0]
	}
	d.storedAfter, d.spooled = d.storedAfter[:0], d.spooled[:0]
	d.due, d.status, d.batchRow = d.due[:0], d.status[:0], d.batchRow[:0]
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
