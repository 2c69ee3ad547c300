// Package progress turns BuildKit's status stream into what people ask afterwards: how long each stage of the Dockerfile took, and which step failed with what output.
package progress

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/leeward-failover/leeward/schemas"
)

// stepName is how BuildKit names a step of a stage: [platform stage 2/5] RUN …; the platform is there only when several are built.
var stepName = regexp.MustCompile(`^\[(?:\S+/\S+ )?(\S+) +\d+/\d+\] `)

// tailBytes is how much of a failed step's output is kept.
const tailBytes = 4 << 10

// Record collects the steps of one build.
type Record struct{ steps map[digest.Digest]*step }

type step struct {
	name   string
	cached bool
	failed string
	// spans are the times it ran, by their starts: a step may be interrupted and go on.
	spans map[time.Time]time.Time
	tail  []byte
}

// NewRecord makes an empty record.
func NewRecord() *Record { return &Record{steps: map[digest.Digest]*step{}} }

func (r *Record) step(d digest.Digest) *step {
	s, ok := r.steps[d]
	if !ok {
		s = &step{spans: map[time.Time]time.Time{}}
		r.steps[d] = s
	}
	return s
}

// Add takes one message of the stream and returns the names of the steps that it ends.
func (r *Record) Add(status *client.SolveStatus) (ended []string) {
	for _, v := range status.Vertexes {
		s := r.step(v.Digest)
		s.name, s.cached = v.Name, s.cached || v.Cached
		if v.Error != "" && !strings.HasSuffix(v.Error, context.Canceled.Error()) {
			s.failed = v.Error
		}
		if v.Started != nil && v.Completed != nil {
			s.spans[*v.Started] = *v.Completed
			ended = append(ended, v.Name)
		}
	}
	for _, l := range status.Logs {
		s := r.step(l.Vertex)
		s.tail = append(s.tail, l.Data...)
		s.tail = s.tail[max(0, len(s.tail)-tailBytes):]
	}
	return ended
}

// Stages returns the stages of the Dockerfile by the time they began.
func (r *Record) Stages() []schemas.BuildStage {
	byName := map[string]*stage{}
	for _, s := range r.steps {
		match := stepName.FindStringSubmatch(s.name)
		if match == nil {
			continue
		}
		one, ok := byName[match[1]]
		if !ok {
			one = &stage{BuildStage: schemas.BuildStage{Name: match[1]}}
			byName[match[1]] = one
		}
		one.Steps++
		if s.cached {
			one.CachedSteps++
			continue
		}
		for from, to := range s.spans {
			one.spans = append(one.spans, span{from, to})
		}
	}
	var stages []stage
	for _, s := range byName {
		slices.SortFunc(s.spans, func(a, b span) int { return a.from.Compare(b.from) })
		s.Seconds = busy(s.spans).Seconds()
		stages = append(stages, *s)
	}
	slices.SortFunc(stages, func(a, b stage) int {
		return cmp.Or(a.began().Compare(b.began()), cmp.Compare(a.Name, b.Name))
	})
	var result []schemas.BuildStage
	for _, s := range stages {
		result = append(result, s.BuildStage)
	}
	return result
}

type span struct{ from, to time.Time }

type stage struct {
	schemas.BuildStage
	spans []span
}

// began is zero for a stage that came from the cache as a whole, which therefore stands first.
func (s stage) began() time.Time {
	if len(s.spans) == 0 {
		return time.Time{}
	}
	return s.spans[0].from
}

// busy is how long at least one of the spans was under way; they are sorted by their starts.
func busy(spans []span) time.Duration {
	var total time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			total += s.to.Sub(s.from)
			end = s.to
		}
	}
	return total
}

// Failure describes the step that failed, with the end of its output; empty when no step did.
func (r *Record) Failure() string {
	for _, s := range r.steps {
		if s.failed == "" {
			continue
		}
		text := fmt.Sprintf("step %s: %s", s.name, s.failed)
		if tail := strings.TrimSpace(strings.ToValidUTF8(string(s.tail), "")); tail != "" {
			text += "\n" + tail
		}
		return text
	}
	return ""
}
