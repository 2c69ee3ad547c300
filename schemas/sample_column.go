package schemas

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// column is one parallel column of the wire form: packed varints under a field number. A column that is all zero is left out, and one of many equal values holds one of them.
type column struct {
	number protowire.Number
	len    func(*SampleBatch) int
	pack   func(w []byte, b *SampleBatch) []byte
	unpack func(b *SampleBatch, packed []byte) error
}

func numbers[T ~uint8 | ~uint32](number protowire.Number, field func(*SampleBatch) *[]T) column {
	return column{
		number: number,
		len:    func(b *SampleBatch) int { return len(*field(b)) },
		pack:   func(w []byte, b *SampleBatch) []byte { return appendPacked(w, number, *field(b)) },
		unpack: func(b *SampleBatch, packed []byte) error {
			values := field(b)
			*values = slices.Grow((*values)[:0], b.Len())[:b.Len()]
			return unpackInto(*values, number, packed)
		},
	}
}

// worthwhile is how many equal values are sent as one. Below it, the wire form is the one that every release has written.
const worthwhile = 16

// appendPacked appends a column to the wire form.
func appendPacked[T ~uint8 | ~uint32](w []byte, number protowire.Number, values []T) []byte {
	size, differs := 0, false
	for _, v := range values {
		size += protowire.SizeVarint(uint64(v))
		differs = differs || v != values[0]
	}
	if !differs {
		if len(values) == 0 || values[0] == 0 {
			return w
		}
		if len(values) >= worthwhile {
			values, size = values[:1], protowire.SizeVarint(uint64(values[0]))
		}
	}
	w = protowire.AppendVarint(protowire.AppendTag(w, number, protowire.BytesType), uint64(size))
	for _, v := range values {
		w = protowire.AppendVarint(w, uint64(v))
	}
	return w
}

// unpackInto reads a column of the wire form. It is where a recorder spends its time, so the smallest numbers, which are most, take the shortest way.
func unpackInto[T ~uint8 | ~uint32](values []T, number protowire.Number, packed []byte) error {
	if len(packed) == 0 {
		clear(values)
		return nil
	}
	for i := range values {
		if len(packed) > 0 && packed[0] < 0x80 {
			values[i], packed = T(packed[0]), packed[1:]
			continue
		}
		if i == 1 && len(packed) == 0 {
			fill(values, values[0])
			return nil
		}
		v, size := protowire.ConsumeVarint(packed)
		if size < 0 || uint64(T(v)) != v {
			return fmt.Errorf("column %d: value %d is missing or out of range", number, i)
		}
		values[i], packed = T(v), packed[size:]
	}
	if len(packed) > 0 {
		return fmt.Errorf("column %d: %d bytes more than there are samples", number, len(packed))
	}
	return nil
}

func fill[T any](values []T, v T) {
	for i := range values {
		values[i] = v
	}
}

// columns is the schema of the parallel columns. Numbers are never reused.
var columns = []column{
	numbers(11, func(b *SampleBatch) *[]uint32 { return &b.App }),
	numbers(12, func(b *SampleBatch) *[]uint32 { return &b.Region }),
	numbers(13, func(b *SampleBatch) *[]uint32 { return &b.Variant }),
	numbers(14, func(b *SampleBatch) *[]Kind { return &b.Kind }),
	numbers(15, func(b *SampleBatch) *[]Outcome { return &b.Outcome }),
	numbers(16, func(b *SampleBatch) *[]uint32 { return &b.LatencyUS }),
	numbers(17, func(b *SampleBatch) *[]uint32 { return &b.LateUS }),
	numbers(18, func(b *SampleBatch) *[]uint32 { return &b.DNSUS }),
	numbers(19, func(b *SampleBatch) *[]uint32 { return &b.ConnectUS }),
	numbers(20, func(b *SampleBatch) *[]uint32 { return &b.TLSUS }),
	numbers(21, func(b *SampleBatch) *[]uint32 { return &b.WriteUS }),
	numbers(22, func(b *SampleBatch) *[]uint32 { return &b.FirstByteUS }),
	numbers(23, func(b *SampleBatch) *[]uint32 { return &b.TransferUS }),
	numbers(24, func(b *SampleBatch) *[]uint32 { return &b.Status }),
	numbers(25, func(b *SampleBatch) *[]Flags { return &b.Flags }),
	numbers(26, func(b *SampleBatch) *[]uint32 { return &b.Server }),
}

// unpack fills the columns; each holds as many numbers as there are due times, or none, which means zeroes.
func (b *SampleBatch) unpack(packed *[fieldEnd][]byte) error {
	due, last := packed[fieldDue], int64(0)
	for len(due) > 0 {
		v, size := protowire.ConsumeVarint(due)
		if size < 0 {
			return fmt.Errorf("due times: %w", protowire.ParseError(size))
		}
		due, last = due[size:], last+protowire.DecodeZigZag(v)
		if b.DueUS = append(b.DueUS, last); len(b.DueUS) > MaxBatch {
			return fmt.Errorf("more than %d samples", MaxBatch)
		}
	}
	for _, c := range columns {
		if err := c.unpack(b, packed[c.number]); err != nil {
			return err
		}
	}
	for i, o := range b.Outcome {
		// An outcome that a newer prober knows is still a measurement that did not end well.
		if !o.known() {
			b.Outcome[i] = OtherError
		}
	}
	return nil
}
