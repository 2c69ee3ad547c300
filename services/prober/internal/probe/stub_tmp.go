package probe

import (
	"context"

	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

type resolver struct {
	dial    Dial
	proxied bool
}

func (resolver) ask(context.Context, string) Result { return Result{} }

func (d Dial) grpc(context.Context, target.Target) Result { return Result{} }

type registry struct{}

func newRegistry(Dial) *registry { return &registry{} }

func (*registry) probe(context.Context, target.Target) Result { return Result{} }

type Checks struct{ Vantage string }

func (Checks) run(context.Context, target.Target) Result { return Result{} }
