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
	dict  []uint32 // of the batch, as names, behind that of no text
	// days are the block's, nearly always one. Each becomes an INSERT of its own, because what goes into one partition of the table is there whole or not at all.
	days        []*day
	quarantined []quarantined
}

// day are the samples of a block that were due on one day.
type day struct {
	number int64 // days since 1970

	due []int64 // milliseconds, which is what the driver takes for this column
	// Names are numbers: nobody looks at a text per row and column, and the garbage collector has nothing to follow.
	app, kind, vantage, region, variant, vantageRegion, outcome, topology, server []uint32
	latency, late, dns, connect, tls, write, firstByte, transfer, clockError      []uint32
	flags                                                                         []uint8
	storedAfter                                                                   []int32
	spooled                                                                       []bool
	status, batchRow                                                              []uint16
	boot, counter, sequence                                                       []uint64
}

const dayUS = 24 * 3600 * 1e6

// Add decodes a batch and adds its samples, or nothing when it can not be read.
func (s *Samples) Add(m bus.Message) (rows int, err error) {
	b := &s.batch
	if err := b.Decode(m.Subject, m.Data); err != nil {
		return 0, err
	}
	s.dict = append(s.dict[:0], s.names.number(""))
	for _, d := range b.Dict {
		s.dict = append(s.dict, s.names.number(d))
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
	d.app = translate(d.app, b.App[from:to], s.dict[1:])
	d.region = translate(d.region, b.Region[from:to], s.dict[1:])
	d.variant = translate(d.variant, b.Variant[from:to], s.dict[1:])
	d.server = translate(d.server, b.Server[from:to], s.dict)
	d.kind = translate(d.kind, b.Kind[from:to], s.names.kinds())
	d.outcome = translate(d.outcome, b.Outcome[from:to], s.names.outcomes())
	d.vantage = repeat(d.vantage, s.names.number(b.Vantage), to-from)
	d.vantageRegion = repeat(d.vantageRegion, s.names.number(b.VantageRegion), to-from)
	d.topology = repeat(d.topology, s.names.number(b.Topology), to-from)
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
	n, stored := to-from, m.Stored.UnixMicro()
	var due []int64
	var after []int32
	d.due, due = extend(d.due, n)
	d.storedAfter, after = extend(d.storedAfter, n)
	for i, us := range b.DueUS[from:to] {
		due[i], after[i] = us/1000, int32((stored-us)/1e6)
	}
	var status, row []uint16
	d.status, status = extend(d.status, n)
	d.batchRow, row = extend(d.batchRow, n)
	for i, v := range b.Status[from:to] {
		status[i], row[i] = uint16(min(v, math.MaxUint16)), uint16(from+i)
	}
	var flags []uint8
	d.flags, flags = extend(d.flags, n)
	for i, v := range b.Flags[from:to] {
		flags[i] = uint8(v)
	}
	d.clockError = repeat(d.clockError, b.ClockErrorUS, n)
	d.spooled = repeat(d.spooled, b.Spooled, n)
	d.boot = repeat(d.boot, b.Boot, n)
	d.counter = repeat(d.counter, b.Counter, n)
	d.sequence = repeat(d.sequence, m.Sequence, n)
}

// extend makes a column longer and returns what is new of it beside the whole.
func extend[T any](column []T, n int) (all, added []T) {
	all = slices.Grow(column, n)[:len(column)+n]
	return all, all[len(column):]
}

// repeat adds one value n times.
func repeat[T any](column []T, v T, n int) []T {
	all, added := extend(column, n)
	for i := range added {
		added[i] = v
	}
	return all
}

// translate adds the names that keys stand for.
func translate[K ~uint8 | ~uint32](column []uint32, keys []K, names []uint32) []uint32 {
	all, added := extend(column, len(keys))
	for i, k := range keys {
		added[i] = names[k]
	}
	return all
}

// Tables returns what the block adds.
func (s *Samples) Tables() []Rows {
	tables := []Rows{quarantineTable(s.quarantined)}
	for _, d := range s.days {
		tables = append(tables, d.table(s.names.texts))
	}
	return tables
}

func (d *day) table(texts []string) Rows {
	names := func(name string, index []uint32) clickhouse.Column {
		return clickhouse.Column{Name: name, Type: "LowCardinality(String)", Values: clickhouse.Names{Index: index, Texts: texts}}
	}
	micros := func(name string, values []uint32) clickhouse.Column {
		return clickhouse.Column{Name: name, Type: "UInt32", Values: values}
	}
	return Rows{Table: "samples", Part: ":" + strconv.FormatInt(d.number, 10), Count: len(d.due), Columns: []clickhouse.Column{
		{Name: "due", Type: "DateTime64(3, 'UTC')", Values: d.due}, names("app", d.app), names("kind", d.kind), names("vantage", d.vantage),
		names("region", d.region), names("variant", d.variant), names("vantage_region", d.vantageRegion), names("outcome", d.outcome),
		micros("latency_us", d.latency), micros("late_us", d.late), {Name: "stored_after_s", Type: "Int32", Values: d.storedAfter}, {Name: "spooled", Type: "Bool", Values: d.spooled},
		micros("dns_us", d.dns), micros("connect_us", d.connect), micros("tls_us", d.tls), micros("write_us", d.write), micros("first_byte_us", d.firstByte), micros("transfer_us", d.transfer),
		{Name: "status", Type: "UInt16", Values: d.status}, names("topology", d.topology), {Name: "boot", Type: "UInt64", Values: d.boot}, {Name: "counter", Type: "UInt64", Values: d.counter},
		names("server", d.server), {Name: "flags", Type: "UInt8", Values: d.flags}, micros("clock_error_us", d.clockError), {Name: "batch_row", Type: "UInt16", Values: d.batchRow}, {Name: "stream_sequence", Type: "UInt64", Values: d.sequence},
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
	for _, c := range []*[]uint32{
		&d.app, &d.kind, &d.vantage, &d.region, &d.variant, &d.vantageRegion, &d.outcome, &d.topology, &d.server,
		&d.latency, &d.late, &d.dns, &d.connect, &d.tls, &d.write, &d.firstByte, &d.transfer, &d.clockError,
	} {
		*c = (*c)[:0]
	}
	for _, c := range []*[]uint64{&d.boot, &d.counter, &d.sequence} {
		*c = (*c)[:0]
	}
	d.storedAfter, d.spooled, d.flags = d.storedAfter[:0], d.spooled[:0], d.flags[:0]
	d.due, d.status, d.batchRow = d.due[:0], d.status[:0], d.batchRow[:0]
}

// names gives equal texts one number.
type names struct {
	numbers map[string]uint32
	texts   []string
	// ofKinds and ofOutcomes are the numbers of the names of what the schema numbers.
	ofKinds, ofOutcomes []uint32
}

func (n *names) number(text string) uint32 {
	if number, ok := n.numbers[text]; ok {
		return number
	}
	if n.numbers == nil {
		n.numbers = map[string]uint32{}
	}
	number := uint32(len(n.texts))
	n.numbers[text] = number
	n.texts = append(n.texts, text)
	return number
}

func (n *names) kinds() []uint32 {
	if n.ofKinds == nil {
		for k := range schemas.KindDBFresh + 1 {
			n.ofKinds = append(n.ofKinds, n.number(k.String()))
		}
	}
	return n.ofKinds
}

func (n *names) outcomes() []uint32 {
	if n.ofOutcomes == nil {
		for o := range schemas.OtherError + 1 {
			n.ofOutcomes = append(n.ofOutcomes, n.number(o.String()))
		}
	}
	return n.ofOutcomes
}

// trim forgets all names when they have become many, as topology hashes do over the weeks. No column may hold a number then.
func (n *names) trim() {
	if len(n.texts) > 10_000 {
		*n = names{}
	}
}
