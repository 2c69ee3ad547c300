package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/leeward-failover/leeward/pkg/bus"
	"github.com/leeward-failover/leeward/schemas"
)

// LetterSummary is a message that could not be read, without what is in it.
type LetterSummary struct {
	Sequence uint64    `json:"sequence" doc:"Names the letter"`
	User     string    `json:"user" doc:"Who could not read the message"`
	Stream   string    `json:"stream" doc:"Where the message was"`
	Origin   uint64    `json:"origin" doc:"Its sequence there"`
	Subject  string    `json:"subject" doc:"Its subject"`
	Reason   string    `json:"reason" doc:"Why it could not be read"`
	Stored   time.Time `json:"stored" doc:"When the message was stored first; the rejection, where that is not known"`
	Rejected time.Time `json:"rejected" doc:"When it became a letter"`
	Replayed string    `json:"replayed,omitempty" doc:"The letter it had been replayed from when it was refused again"`
	Size     int       `json:"size" doc:"Bytes of the message"`
}

// Letter is a message that could not be read.
type Letter struct {
	LetterSummary
	Headers map[string]string `json:"headers" doc:"What the message came with"`
	JSON    json.RawMessage   `json:"json,omitempty" doc:"The message, if it is JSON, or a ranking or benchmarks that can be read"`
	Batch   *LetterBatch      `json:"batch,omitempty" doc:"What can be read of a batch of samples"`
	Error   string            `json:"error,omitempty" doc:"Why this gateway can not read the message either; empty when it can, or does not know the form"`
	Hex     string            `json:"hex,omitempty" doc:"The first bytes of a message that is not JSON, in hex"`
}

// LetterBatch is a batch of samples as far as it can be read.
type LetterBatch struct {
	Samples int                     `json:"samples" doc:"How many there are, if the whole batch can be read now"`
	Fields  []schemas.OutlinedField `json:"fields" doc:"Field by field, up to what is broken"`
}

// excerpt is how many bytes are shown of what can not be shown otherwise.
const excerpt = 512

type lettersInput struct {
	Stream string `query:"stream" enum:"EVENTS,SAMPLES,IMPORTS,EVALUATIONS" doc:"Only messages of this stream"`
	User   string `query:"user" doc:"Only what this bus user could not read, such as recorder or prober-london"`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"1000" doc:"How many, the newest"`
}

type letterInput struct {
	Sequence uint64 `path:"sequence" minimum:"1" doc:"Names the letter"`
}

type replayInput struct {
	Sequence uint64 `path:"sequence" minimum:"1" doc:"Names the letter"`
	Body     struct {
		Actor  string `json:"actor" minLength:"1" maxLength:"200" doc:"Who asks; kept in the gateway's log"`
		Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; kept in the gateway's log"`
	}
}

type dropInput struct {
	Sequence uint64 `path:"sequence" minimum:"1" doc:"Names the letter"`
	Actor    string `query:"actor" required:"true" minLength:"1" maxLength:"200" doc:"Who asks; kept in the gateway's log"`
	Reason   string `query:"reason" required:"true" minLength:"1" maxLength:"1000" doc:"Why; kept in the gateway's log"`
}

// LetterReplayed says what became of a letter that was put back.
type LetterReplayed struct {
	LetterSummary
	Note string `json:"note,omitempty" doc:"What its age keeps it from"`
}

func (s Server) letters(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "list-letters", Method: http.MethodGet, Path: "/v1/dlq", Summary: "Messages that could not be read, newest first",
	}, s.listLetters)
	huma.Register(api, huma.Operation{
		OperationID: "show-letter", Method: http.MethodGet, Path: "/v1/dlq/{sequence}", Summary: "A message that could not be read, as far as it can be shown",
	}, func(ctx context.Context, in *letterInput) (*answer[Letter], error) {
		l, err := s.letter(ctx, in.Sequence)
		if err != nil {
			return nil, err
		}
		return &answer[Letter]{shown(l)}, nil
	})
	huma.Register(api, huma.Operation{
		OperationID: "replay-letter", Method: http.MethodPost, Path: "/v1/dlq/{sequence}/replay", Summary: "Put a message back where it was, and drop the letter",
		Description: "The message is stored again under its own subject, as old as it was, for everyone who reads its stream; what can not be read again becomes a new letter that names this one. Replaying a letter twice within ten minutes stores it once.",
		Security:    writes, MaxBodyBytes: 64 << 10,
	}, s.replayLetter)
	huma.Register(api, huma.Operation{
		OperationID: "drop-letter", Method: http.MethodDelete, Path: "/v1/dlq/{sequence}", Summary: "Drop a message that could not be read", Security: writes,
	}, s.dropLetter)
}

func (s Server) listLetters(ctx context.Context, in *lettersInput) (*answer[[]LetterSummary], error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	found, err := s.Bus.Letters(ctx, bus.LetterFilter{Stream: in.Stream, User: in.User}, in.Limit)
	if err != nil {
		return nil, huma.Error503ServiceUnavailable("the bus does not answer; ask again", err)
	}
	letters := []LetterSummary{}
	for _, l := range found {
		letters = append(letters, summary(l))
	}
	return &answer[[]LetterSummary]{letters}, nil
}

// newestLetter is why the newest letter was rejected.
func (s Server) newestLetter(ctx context.Context) (reason string, err error) {
	letters, err := s.Bus.Letters(ctx, bus.LetterFilter{}, 1)
	if err != nil || len(letters) == 0 {
		return "", err
	}
	return letters[0].Reason, nil
}

// letter reads one letter, or says that it is not there.
func (s Server) letter(ctx context.Context, sequence uint64) (bus.Letter, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	l, err := s.Bus.Letter(ctx, sequence)
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return l, huma.Error404NotFound("there is no letter " + strconv.FormatUint(sequence, 10) + ": it was replayed, dropped, or is older than 30 days; GET /v1/dlq lists those there are")
	case err != nil:
		return l, huma.Error503ServiceUnavailable("the bus does not answer; ask again", err)
	}
	return l, nil
}

func (s Server) replayLetter(ctx context.Context, in *replayInput) (*answer[LetterReplayed], error) {
	l, err := s.letter(ctx, in.Sequence)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = s.Bus.Replay(ctx, l)
	log := s.Log.Info().Err(err).Uint64("letter", l.Sequence).Str("stream", l.Stream).Str("subject", l.Subject).Str("actor", in.Body.Actor).Str("reason", in.Body.Reason)
	switch {
	case errors.Is(err, bus.ErrNotReplayable):
		return nil, huma.Error409Conflict("the letter can not be replayed: the stream " + quoted(l.Stream) + " takes nothing on the subject " + quoted(l.Subject) + "; it can only be dropped")
	case err != nil:
		log.Msg("letter not known to be replayed")
		return nil, huma.Error503ServiceUnavailable("the bus does not answer; the message may or may not be back in its stream, replay it again within ten minutes", err)
	}
	log.Msg("letter replayed")
	return &answer[LetterReplayed]{LetterReplayed{summary(l), ageing(l)}}, nil
}

func (s Server) dropLetter(ctx context.Context, in *dropInput) (*answer[LetterSummary], error) {
	l, err := s.letter(ctx, in.Sequence)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.Bus.DropLetter(ctx, l.Sequence); err != nil {
		return nil, huma.Error503ServiceUnavailable("the bus does not answer; the letter may still be there", err)
	}
	// The letter is gone with this; the line is what stays of it.
	s.Log.Info().Uint64("letter", l.Sequence).Str("user", l.User).Str("stream", l.Stream).Uint64("origin", l.Origin).Str("subject", l.Subject).Int("bytes", l.Size).Str("rejected_because", l.Reason).
		Str("actor", in.Actor).Str("reason", in.Reason).Msg("letter dropped")
	return &answer[LetterSummary]{summary(l)}, nil
}

func quoted(s string) string { return strconv.Quote(s) }

func summary(l bus.Letter) LetterSummary {
	return LetterSummary{
		Sequence: l.Sequence, User: l.User, Stream: l.Stream, Origin: l.Origin, Subject: l.Subject, Reason: l.Reason, Stored: l.Stored, Rejected: l.Rejected, Replayed: l.Replayed, Size: l.Size,
	}
}

// believed is how long after they were due the recorder takes samples that did not wait on a disk for as good as any.
const believed = 24 * time.Hour

// ageing says what a letter's age keeps its message from; empty for nothing.
func ageing(l bus.Letter) string {
	age := time.Since(l.Stored)
	if l.Stream == schemas.Samples && age > believed {
		return "its samples are older than a day, so the recorder may keep them apart, in the table quarantine"
	}
	for _, c := range schemas.Catalog() {
		if strings.HasPrefix(l.Subject, c.Name+".") && age > c.ActWithin {
			return "it is too old to be acted on, and is only recorded"
		}
	}
	return ""
}

// shown is a letter for people: JSON as it is, samples and rankings as far as they can be read, and of the rest the first bytes.
func shown(l bus.Letter) Letter {
	out := Letter{LetterSummary: summary(l), Headers: flat(l.Header)}
	var err error
	switch {
	case l.Stream == schemas.Samples, l.Stream == schemas.Imports:
		out.Batch, err = batchOf(l)
		if err != nil {
			out.Hex = head(l.Data)
		}
	case l.Stream == schemas.Evaluations:
		var value any
		if strings.HasPrefix(l.Subject, schemas.BenchmarksSubject+".") {
			value, err = schemas.DecodeImageBenchmarks(l.Subject, l.Data)
		} else {
			value, err = schemas.DecodeEvaluation(l.Subject, l.Data)
		}
		if err == nil {
			out.JSON, err = json.Marshal(value)
		}
		if err != nil {
			out.Hex = head(l.Data)
		}
	case json.Valid(l.Data):
		out.JSON = l.Data
	default:
		err = json.Unmarshal(l.Data, new(any))
		out.Hex = head(l.Data)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

// batchOf reads a batch of samples as far as that goes; the error is why it does not go further.
func batchOf(l bus.Letter) (*LetterBatch, error) {
	out := &LetterBatch{Fields: []schemas.OutlinedField{}}
	fields, broken := schemas.OutlineSampleBatch(l.Data)
	out.Fields = append(out.Fields, fields...)
	batch, err := schemas.DecodeSampleBatch(l.Subject, l.Data)
	if err != nil {
		return out, err
	}
	out.Samples = batch.Len()
	return out, broken
}

func head(data []byte) string { return hex.EncodeToString(data[:min(excerpt, len(data))]) }

func flat(h map[string][]string) map[string]string {
	all := map[string]string{}
	for name, values := range h {
		all[name] = strings.Join(values, ", ")
	}
	return all
}
