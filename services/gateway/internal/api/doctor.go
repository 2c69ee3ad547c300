package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/doctor"
)

// Examined is the last examination. Whoever asks again within a few seconds gets the same, so that asking costs registries and the bus nothing.
type Examined struct {
	mu       sync.Mutex
	at       time.Time
	findings []doctor.Finding
}

const (
	examineAgain  = 3 * time.Second
	examineWithin = 4 * time.Second
)

func (s Server) doctor(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "examine", Method: http.MethodGet, Path: "/v1/doctor", Summary: "What is wrong, what will bite, and what to do about it",
	}, func(ctx context.Context, _ *struct{}) (*answer[[]doctor.Finding], error) {
		return &answer[[]doctor.Finding]{s.Examine(ctx)}, nil
	})
}

// Examine looks at everything the gateway can see.
func (s Server) Examine(ctx context.Context) []doctor.Finding {
	s.Examined.mu.Lock()
	defer s.Examined.mu.Unlock()
	if time.Since(s.Examined.at) > examineAgain {
		s.Examined.findings, s.Examined.at = doctor.Examine(s.facts(ctx)), time.Now()
	}
	return s.Examined.findings
}

func (s Server) facts(ctx context.Context) doctor.Facts {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), examineWithin)
	defer cancel()
	t, _ := s.State.CurrentTopology() // an empty one is a finding
	f := doctor.Facts{
		Topology: t, Leases: map[string]schemas.Lease{}, Clocks: map[string]time.Duration{}, Inserted: map[string]schemas.InsertIntent{}, Servers: s.Bus.Servers(),
		Registries: map[string]error{}, Hooks: map[string]time.Time{}, Up: s.Started,
	}
	for _, source := range s.Hooks.Secrets.Sources() {
		f.Hooks[source] = s.Hooks.Seen.Last(source)
	}
	var mu sync.Mutex
	var g errgroup.Group
	look := func(what func(context.Context) func()) {
		g.Go(func() error {
			found := what(ctx)
			mu.Lock()
			defer mu.Unlock()
			found()
			return nil
		})
	}
	streams := schemas.Streams()
	f.Streams = make([]doctor.Stream, len(streams))
	for i, c := range streams {
		look(func(ctx context.Context) func() {
			stream, inserted, letter := s.lookAt(ctx, c)
			return func() { f.Streams[i], f.Inserted[c.Name], f.Letter = stream, inserted, f.Letter+letter }
		})
	}
	for _, a := range t.Apps {
		look(func(ctx context.Context) func() {
			lease, err := bus.Get(ctx, s.Bus, schemas.LeaseBucket, a.Name)
			return func() {
				if err == nil {
					f.Leases[a.Name] = lease.Value
				}
			}
		})
	}
	for _, v := range t.Vantages {
		look(func(ctx context.Context) func() {
			m, err := s.Bus.Last(ctx, schemas.BucketStream(schemas.VantageBucket.Name()), "$KV."+schemas.VantageBucket.Name()+"."+schemas.KeyOf(v.Name))
			var presence schemas.Presence
			if err == nil {
				err = json.Unmarshal(m.Data, &presence)
			}
			return func() {
				if err == nil && presence.Vantage == v.Name {
					f.Clocks[v.Name] = presence.At.Sub(m.Stored)
				}
			}
		})
	}
	for _, address := range registries(t) {
		look(func(ctx context.Context) func() {
			err := s.Ping(ctx, address)
			return func() { f.Registries[address] = err }
		})
	}
	_ = g.Wait()
	// What ages within seconds is read last: a registry that hangs may have kept the others waiting for longer.
	f.Routes, f.Rankings, f.Images = byApp(s.State.Routes), byApp(s.State.Rankings), values(s.State.Images)
	f.Verdicts, f.Presences, f.Discoveries, f.Now = values(s.State.Verdicts), values(s.State.Vantages), byApp(s.State.Discoveries), time.Now()
	return f
}

// lookAt reads how full a stream is, how much of it is recorded, and of the dead letters why the newest is one.
func (s Server) lookAt(ctx context.Context, c schemas.StreamContract) (stream doctor.Stream, inserted schemas.InsertIntent, letter string) {
	state, err := s.Bus.State(ctx, c.Name)
	stream = doctor.Stream{
		Contract: c, Bytes: state.Bytes, Messages: state.Messages, Last: state.Last, Incarnation: state.Incarnation, Replicas: state.Replicas, Err: err,
	}
	if c.Name == schemas.Letters {
		if state.Messages > 0 {
			letter, _ = s.newestLetter(ctx)
		}
		return stream, inserted, letter
	}
	// Of a stream's partitions the one that is furthest tells how far the stream is: its newest message is in one of them.
	for _, p := range schemas.Partitions() {
		if p.Stream != c.Name {
			continue
		}
		if _, err := bus.Get(ctx, s.Bus, schemas.ShareBucket, p.Name); errors.Is(err, bus.ErrNotFound) {
			stream.Stalled = append(stream.Stalled, p.Name+", which no recorder holds")
		}
		e, err := bus.Get(ctx, s.Bus, schemas.IntentBucket, p.Name)
		if err != nil || e.Value.Incarnation != state.Incarnation {
			continue
		}
		in := e.Value
		if in.State == "before" {
			in.Last = max(in.First, 1) - 1
			if time.Since(in.At) > doctor.BehindFor {
				stream.Stalled = append(stream.Stalled, p.Name+", whose block does not get into ClickHouse")
			}
		}
		if in.Last >= inserted.Last {
			inserted = in
		}
	}
	return stream, inserted, ""
}

func byApp[V schemas.Value](m *bus.Mirror[V]) map[string]V {
	found := map[string]V{}
	for key, e := range m.All() {
		found[key] = e.Value
	}
	return found
}

func values[V schemas.Value](m *bus.Mirror[V]) []V {
	var all []V
	for _, e := range m.All() {
		all = append(all, e.Value)
	}
	return all
}

// registries lists every registry that the topology names, once.
func registries(t schemas.Topology) []string {
	seen := map[string]bool{}
	var all []string
	add := func(address string) {
		if address != "" && !seen[address] {
			seen[address] = true
			all = append(all, address)
		}
	}
	for _, r := range t.Regions {
		add(r.Registry)
	}
	for _, a := range t.Apps {
		add(a.Images.Registry)
		for _, w := range a.Source.Watch {
			add(w.Registry)
		}
	}
	return all
}
