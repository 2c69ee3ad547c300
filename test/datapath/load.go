package datapath

import (
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Message is an encoded batch as it goes over the bus.
type Message struct {
	Subject, ID string
	Vantage     string
	Counter     uint64
	Rows        int
	Data        []byte
	// Ended is when its last sample ended, which is when the bus would store it.
	Ended time.Time
}

// Load is the messages of all vantages over a span of time.
type Load struct {
	Boot     uint64
	Rows     int
	From, To time.Time
	Messages []Message
}

// Make makes the load of a span of time, in the order it would be sent.
func Make(from time.Time, span time.Duration, boot uint64, kinds ...schemas.Kind) (Load, error) {
	load := Load{Boot: boot, From: from, To: from.Add(span)}
	for i := range Vantages {
		v := New(i, from, boot, kinds...)
		part := 0
		for _, k := range kinds {
			part += shares[k]
		}
		for v.from.Before(load.To) {
			length := v.Span()
			if part > 0 {
				length = length * 100 / time.Duration(part)
			}
			b := v.Batch(min(length, load.To.Sub(v.from)))
			if b == nil {
				continue
			}
			m, err := Encode(b)
			if err != nil {
				return load, err
			}
			m.Ended = v.from
			load.Messages, load.Rows = append(load.Messages, m), load.Rows+m.Rows
		}
	}
	slices.SortStableFunc(load.Messages, func(a, b Message) int { return a.Ended.Compare(b.Ended) })
	return load, nil
}

// Encode is a batch as a message.
func Encode(b *schemas.SampleBatch) (Message, error) {
	data, err := b.Encode()
	return Message{Subject: schemas.SampleSubject(b.Vantage), ID: b.MessageID(), Vantage: b.Vantage, Counter: b.Counter, Rows: b.Len(), Data: data}, err
}

// Write writes the load to a file.
func (l Load) Write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(f).Encode(l), f.Close())
}

// Read reads a load from a file.
func Read(path string) (l Load, err error) {
	f, err := os.Open(path)
	if err != nil {
		return l, err
	}
	defer func() { _ = f.Close() }()
	if err := gob.NewDecoder(f).Decode(&l); err != nil {
		return l, fmt.Errorf("load %s: %w", path, err)
	}
	return l, nil
}
