package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

type eventsInput struct {
	LastEventID string `header:"Last-Event-ID" doc:"Sequence of the last event seen; the stream goes on after it"`
	From        string `query:"from" doc:"Sequence to start at; default the next event"`
}

// StreamedEvent is one control event as it is sent to people.
type StreamedEvent struct {
	Sequence uint64          `json:"sequence"`
	Type     string          `json:"type"`
	Subject  string          `json:"subject"`
	Source   string          `json:"source"`
	Stored   time.Time       `json:"stored"`
	Payload  json.RawMessage `json:"payload"`
}

// keepAlive is the pause after which an idle stream gets a comment, so that proxies keep it open.
const keepAlive = 15 * time.Second

// lookWithin is how long the bus may take to say where its events end; without a bound a client would hang for as long as the bus is away.
const lookWithin = 5 * time.Second

func (s Server) events(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "stream-events", Method: http.MethodGet, Path: "/v1/events", Summary: "Every control event as it happens (server-sent events)",
		Responses: map[string]*huma.Response{"200": {Description: "Each event's id is its sequence, its event the topic, its data a StreamedEvent", Content: map[string]*huma.MediaType{"text/event-stream": {}}}},
	}, s.streamEvents)
}

func (s Server) streamEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	var from uint64
	for _, c := range []struct {
		text string
		add  uint64
	}{{in.From, 0}, {in.LastEventID, 1}} {
		if c.text == "" {
			continue
		}
		n, err := strconv.ParseUint(c.text, 10, 64)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("from and Last-Event-ID are sequences of events: whole numbers")
		}
		from = n + c.add
	}
	if from == 0 {
		look, cancel := context.WithTimeout(ctx, lookWithin)
		defer cancel()
		state, err := s.Bus.State(look, schemas.Events)
		if err != nil {
			return nil, huma.Error503ServiceUnavailable("the bus does not answer", err)
		}
		from = state.Last + 1
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) { //nolint:contextcheck // the stream lasts as long as hc, the request
		hc.SetHeader("Content-Type", "text/event-stream")
		hc.SetHeader("Cache-Control", "no-store")
		s.stream(hc, from)
	}}, nil
}

func (s Server) stream(hc huma.Context, from uint64) {
	ctx, stop := context.WithCancel(hc.Context())
	defer stop()
	w := hc.BodyWriter()
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	messages := make(chan bus.Message)
	tailed := make(chan struct{})
	go func() {
		defer close(tailed)
		_ = s.Bus.Tail(ctx, schemas.Events, from, nil, func(m bus.Message) error {
			select {
			case messages <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	defer func() { stop(); <-tailed }()
	if _, err := fmt.Fprint(w, ": open\n\n"); err != nil {
		return
	}
	flush()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepAlive):
			_, err = fmt.Fprint(w, ": still here\n\n")
		case m := <-messages:
			err = writeEvent(w, m)
		}
		if err != nil {
			return
		}
		flush()
	}
}

func writeEvent(w interface{ Write([]byte) (int, error) }, m bus.Message) error {
	payload := json.RawMessage(m.Data)
	if !json.Valid(payload) {
		payload = json.RawMessage(`null`)
	}
	topic := m.Header.Get("ce-type")
	data, err := json.Marshal(StreamedEvent{m.Sequence, topic, m.Subject, m.Header.Get("ce-source"), m.Stored.UTC(), payload})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", m.Sequence, topic, data)
	return err
}
