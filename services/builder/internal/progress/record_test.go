package progress_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/builder/internal/progress"
)

var zero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ran is a step that ran between two moments, in seconds.
func ran(name string, from, to float64) *client.Vertex {
	start, end := zero.Add(time.Duration(from*float64(time.Second))), zero.Add(time.Duration(to*float64(time.Second)))
	return &client.Vertex{Digest: digest.FromString(name), Name: name, Started: &start, Completed: &end}
}

func cached(name string) *client.Vertex {
	v := ran(name, 0, 0)
	v.Cached = true
	return v
}

func TestStagesCountOverlapsOnceAndTheCacheApart(t *testing.T) {
	r := progress.NewRecord()
	r.Add(&client.SolveStatus{Vertexes: []*client.Vertex{
		ran("[internal] load build definition from Dockerfile", 0, 9),
		ran("[build 2/4] RUN npm ci", 1, 3),
		ran("[build 3/4] COPY src", 2, 4),
		ran("[linux/amd64 slim 2/2] COPY --from=build", 6, 6.5),
		cached("[build 1/4] FROM base"),
		ran("exporting to image", 7, 9),
	}})
	// The step was interrupted and went on.
	r.Add(&client.SolveStatus{Vertexes: []*client.Vertex{ran("[build 2/4] RUN npm ci", 5, 6)}})
	want := []schemas.BuildStage{
		{Name: "build", Seconds: 4, Steps: 3, CachedSteps: 1},
		{Name: "slim", Seconds: 0.5, Steps: 1},
	}
	if diff := cmp.Diff(want, r.Stages()); diff != "" {
		t.Error(diff)
	}
}

func TestFailureNamesTheStepAndKeepsTheEndOfItsOutput(t *testing.T) {
	r := progress.NewRecord()
	bad, stopped := ran("[build 2/2] RUN make", 0, 1), ran("[other 1/1] RUN sleep", 0, 1)
	bad.Error, stopped.Error = "exit code: 2", "process \"sleep\" did not complete: context canceled"
	r.Add(&client.SolveStatus{
		Vertexes: []*client.Vertex{stopped, bad},
		Logs: []*client.VertexLog{
			{Vertex: bad.Digest, Data: []byte(strings.Repeat("noise\n", 2000))},
			{Vertex: bad.Digest, Data: []byte("no rule to make target\n")},
		},
	})
	got := r.Failure()
	if !strings.HasPrefix(got, "step [build 2/2] RUN make: exit code: 2\n") || !strings.HasSuffix(got, "no rule to make target") || len(got) > 5000 {
		t.Errorf("got %d bytes: %.80s … %s", len(got), got, got[max(0, len(got)-40):])
	}
}
