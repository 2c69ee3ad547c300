package execute_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/decide"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/execute"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/fence"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/haproxytest"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/target"
	"github.com/leeward-failover/leeward/services/failover-actuator/internal/weight"
)

var (
	frankfurt = schemas.Candidate{Region: "frankfurt", Variant: "slim"}
	tokyo     = schemas.Candidate{Region: "tokyo", Variant: "slim"}
)

// stage is what outlives an actuator: the stored plan, the app's epoch and a real HAProxy.
type stage struct {
	app    schemas.App
	relay  *haproxytest.Relay
	target target.Target
	// before counts what was sent before this stage was set.
	before int

	plan   schemas.Plan
	epoch  schemas.Epoch
	claims []string
	// verdict is what verification finds.
	verdict error
	// left is how many acts the running actuator lives for, die ends it.
	left int
	die  context.CancelFunc
}

var errKilled = errors.New("killed")

// entry runs HAProxy.
func entry(t *testing.T) *haproxytest.Relay {
	t.Helper()
	proxy := haproxytest.Start(t, haproxytest.Server{Name: "fra", Addr: "127.0.0.1:1", Weight: 100}, haproxytest.Server{Name: "tyo", Addr: "127.0.0.1:2"})
	return haproxytest.NewRelay(t, proxy.Socket)
}

// newStage is a planned move by shares from frankfurt, which has everything, to tokyo.
func newStage(t *testing.T, relay *haproxytest.Relay) *stage {
	t.Helper()
	s := &stage{relay: relay, epoch: schemas.Epoch{Term: 1, N: 1}}
	config := schemas.HAProxyTarget{Socket: s.relay.Socket, Backend: haproxytest.Backend, Servers: []schemas.HAProxyServer{
		{Region: "frankfurt", Variant: "slim", Server: "fra"}, {Region: "tokyo", Variant: "slim", Server: "tyo"}}}
	s.app = schemas.App{Name: "shop", Targets: []schemas.Target{{Name: "entry", HAProxy: &config}}}
	s.target = target.HAProxy{Label: "entry", Config: config}
	if seen, err := s.target.Read(t.Context()); err != nil {
		t.Fatal(err)
	} else if _, err := s.target.Apply(t.Context(), target.Change{Expected: seen, Next: weight.All(frankfurt)}); err != nil {
		t.Fatal(err)
	}
	s.before = len(relay.Changes())
	step := func(name, detail string) schemas.JournalStep { return schemas.JournalStep{Name: name, Detail: detail} }
	shift := func(share int) schemas.JournalStep {
		return schemas.JournalStep{Name: decide.StepShift, Target: "entry", Detail: weight.Moved(frankfurt, tokyo, share).String()}
	}
	s.plan = schemas.Plan{ID: "p", App: "shop", From: frankfurt, To: tokyo, Epoch: schemas.Epoch{Term: 1, N: 2}, State: schemas.PlanPlanned, Journal: []schemas.JournalStep{
		step(decide.StepFence, ""), shift(5), step(decide.StepBake, ""), shift(100), step(decide.StepVerify, ""), step(decide.StepRecord, "")}}
	return s
}

// sent is what reached HAProxy.
func (s *stage) sent() string { return strings.Join(s.relay.Changes()[s.before:], "\n") }

// act is one thing an actuator does to the world; it may be killed before or after.
func (s *stage) act(do func() error) error {
	if s.left--; s.left == 0 {
		s.die()
		return errKilled
	}
	err := do()
	if s.left--; s.left == 0 {
		s.die()
		return errKilled
	}
	return err
}

// run is one life of an actuator.
func (s *stage) run(ctx context.Context) error {
	ctx, s.die = context.WithCancel(ctx)
	defer s.die()
	nothing := func() error { return nil }
	_, err := execute.Executor{
		App: s.app, Targets: []target.Target{mortal{s}}, Now: time.Now, Hold: nothing,
		Save: func(_ context.Context, p schemas.Plan) error {
			return s.act(func() error { p.Journal = append([]schemas.JournalStep(nil), p.Journal...); s.plan = p; return nil })
		},
		Claim: func(_ context.Context, p schemas.Plan, active schemas.Candidate) error {
			return s.act(func() error {
				switch s.epoch.Compare(p.Epoch) {
				case -1:
					s.epoch = p.Epoch
					s.claims = append(s.claims, fmt.Sprintf("%d.%d %s", p.Epoch.Term, p.Epoch.N, active))
				case 1:
					return fence.ErrSuperseded
				}
				return nil
			})
		},
		Bake:    func(context.Context, schemas.Plan) error { return s.act(nothing) },
		Verify:  func(context.Context, schemas.Candidate) error { return s.verdict },
		Stepped: func(schemas.Plan, int) {},
	}.Run(ctx, s.plan)
	return err
}

// mortal is the target as an actuator reaches it that may be killed before or after it changed it.
type mortal struct{ *stage }

func (m mortal) Name() string                                 { return m.target.Name() }
func (m mortal) Read(ctx context.Context) (weight.Set, error) { return m.target.Read(ctx) }
func (m mortal) Apply(ctx context.Context, c target.Change) (outcome target.Outcome, err error) {
	err = m.act(func() (err error) { outcome, err = m.target.Apply(ctx, c); return err })
	return outcome, err
}

func journal(p schemas.Plan) string {
	var all []string
	for _, s := range p.Journal {
		all = append(all, s.Name+":"+s.Result)
	}
	return strings.Join(all, " ")
}

// TestKilledAnywhereEndsTheSame kills the actuator at every act in turn, before and after it, and wants what an undisturbed run comes to: the same journal,
// every change made once, every epoch claimed once.
func TestKilledAnywhereEndsTheSame(t *testing.T) {
	for name, verdict := range map[string]error{"finished": nil, "rolled_back": errors.New("nobody answers")} {
		t.Run(name, func(t *testing.T) {
			var journals, changes, claims string
			relay := entry(t)
			for kill := 0; ; kill++ {
				s := newStage(t, relay)
				s.verdict = verdict
				s.left = kill // 0 is a long life
				err := s.run(t.Context())
				survived := err == nil
				if s.left = 0; !survived {
					if !errors.Is(err, errKilled) && !errors.Is(err, context.Canceled) {
						t.Fatalf("killed at act %d: %v", kill, err)
					}
					if err := s.run(t.Context()); err != nil {
						t.Fatalf("after being killed at act %d: %v", kill, err)
					}
				}
				got := [3]string{journal(s.plan), s.sent(), strings.Join(s.claims, "\n")}
				if kill == 0 {
					journals, changes, claims = got[0], got[1], got[2]
					if string(s.plan.State) != name {
						t.Fatalf("state %s, want %s: %s", s.plan.State, name, got[0])
					}
					t.Log(got)
					continue
				}
				if want := [3]string{journals, changes, claims}; got != want || string(s.plan.State) != name {
					t.Errorf("killed at act %d: %s %q, want %q", kill, s.plan.State, got, want)
				}
				if survived {
					t.Logf("killed at %d acts", kill-1)
					return
				}
			}
		})
	}
}

func TestSupersededPlanTouchesNothingMore(t *testing.T) {
	s := newStage(t, entry(t))
	s.epoch = schemas.Epoch{Term: 2, N: 1}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := journal(s.plan), "fence:conflict"; got != want || s.plan.State != schemas.PlanFailed || s.sent() != "" {
		t.Errorf("%s %q, sent %q; want failed %q and nothing sent", s.plan.State, got, s.sent(), want)
	}
}

func TestTargetSetByAHandIsTakenByTheLaterEpoch(t *testing.T) {
	s := newStage(t, entry(t))
	if _, err := s.target.Apply(t.Context(), target.Change{Expected: weight.All(frankfurt), Next: weight.Moved(frankfurt, tokyo, 50)}); err != nil {
		t.Fatal(err)
	}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if set, err := s.target.Read(t.Context()); err != nil || !set.Equal(weight.All(tokyo)) || s.plan.State != schemas.PlanFinished {
		t.Errorf("%s %s %v: %s", s.plan.State, set, err, journal(s.plan))
	}
}

func TestLeaseThatIsLostStopsAPlanWhereItIs(t *testing.T) {
	s := newStage(t, entry(t))
	lost := errors.New("lost")
	x := execute.Executor{App: s.app, Targets: []target.Target{s.target}, Now: time.Now, Hold: func() error { return lost },
		Save: func(context.Context, schemas.Plan) error { return nil }}
	p, err := x.Run(t.Context(), s.plan)
	if !errors.Is(err, lost) || p.State.Ended() || s.sent() != "" {
		t.Errorf("%s, %v, sent %q", p.State, err, s.sent())
	}
}
