package up

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/loopback"
	"github.com/leeward-failover/leeward/pkg/natsd"
	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/schemas"
)

// The ports on loopback where the services answer for their health, in the order of the services; vantages follow.
const (
	gatewayHealth  = "127.0.0.1:9101"
	builderHealth  = "127.0.0.1:9102"
	recorderHealth = "127.0.0.1:9104"
	rankerHealth   = "127.0.0.1:9105"
	actuatorHealth = "127.0.0.1:9106"
	proberPort     = 9110
)

// children lists everything up runs, in the order it is started.
func (o Options) children() ([]supervise.Process, error) {
	s := o.State
	apiToken, err := s.secret("api-token")
	if err != nil {
		return nil, err
	}
	distribution, err := o.hookSecret("LEEWARD_HOOK_DISTRIBUTION_SECRET", "hook-distribution-secret")
	if err != nil {
		return nil, err
	}
	alertmanager, err := o.hookSecret("LEEWARD_HOOK_ALERTMANAGER_SECRET", "hook-alertmanager-secret")
	if err != nil {
		return nil, err
	}
	dsn, engine, err := o.clickhouse()
	if err != nil {
		return nil, err
	}
	nats := o.child("nats", nil, o.answersTCP(o.BusAddr), map[string]string{
		"LEEWARD_NATS_ADDR": o.BusAddr, "LEEWARD_NATS_STORE": s.path("nats"), "LEEWARD_NATS_KEYS": s.Keys(), "LEEWARD_VANTAGES": strings.Join(o.Vantages, ","),
	})
	nats.Started = o.create
	children := append([]supervise.Process{nats}, engine...)
	gateway := map[string]string{
		"LEEWARD_API_ADDR": o.APIAddr, "LEEWARD_API_TOKEN": apiToken,
		"LEEWARD_HOOK_DISTRIBUTION_SECRET": distribution, "LEEWARD_HOOK_ALERTMANAGER_SECRET": alertmanager,
	}
	if o.Loopback {
		gateway["LEEWARD_SIMULATED"] = "true"
		regions, err := o.regions()
		if err != nil {
			return nil, err
		}
		children = append(children, regions...)
	} else {
		children = append(children, o.service(schemas.Builder, "", builderHealth, map[string]string{"LEEWARD_BUILDKIT_ADDR": o.BuildKit, "LEEWARD_BUILD_ROOT": o.BuildRoot}))
	}
	children = append(children,
		o.service(schemas.Recorder, "", recorderHealth, map[string]string{"LEEWARD_CLICKHOUSE_DSN": dsn}),
		o.service(schemas.Gateway, "", gatewayHealth, gateway),
		o.service(schemas.Ranker, "", rankerHealth, map[string]string{"LEEWARD_CLICKHOUSE_DSN": dsn}),
		o.service(schemas.Actuator, "", actuatorHealth, nil),
	)
	for i, v := range o.Vantages {
		settings := map[string]string{"LEEWARD_VANTAGE": v, "LEEWARD_SPOOL_DIR": s.path("spool", v), "LEEWARD_PROBE_ALLOW": cmp.Or(os.Getenv("LEEWARD_PROBE_ALLOW"), own)}
		if o.Loopback {
			place, err := loopback.Place(v)
			if err != nil {
				return nil, err
			}
			settings["LEEWARD_PROBE_PROXY"] = loopback.Ports(loopback.FirstPort).Proxy(place).String()
			settings["LEEWARD_NATS_URL"] = "nats://" + loopback.Ports(loopback.FirstPort).Bus(place).String()
		}
		children = append(children, o.service(schemas.Prober, v, fmt.Sprintf("127.0.0.1:%d", proberPort+i), settings))
	}
	return children, nil
}

// own are the ranges that a development world's regions are in.
const own = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,198.18.0.0/15,::1/128,fc00::/7"

// regions are the simulated regions and the entry to them.
func (o Options) regions() ([]supervise.Process, error) {
	socket := o.State.LoopbackSocket()
	world := o.child("loopback", nil, func(ctx context.Context) error {
		_, err := loopback.Ask(ctx, socket, http.MethodGet, "links")
		return err
	}, map[string]string{"LEEWARD_LOOPBACK_SOCKET": socket, "LEEWARD_NATS_ADDR": o.BusAddr})
	entry, err := loopback.PrepareEntry(string(o.State), loopback.FirstPort)
	return []supervise.Process{world, entry}, err
}

// hookSecret takes a webhook's secret from the environment's reference, or makes one.
func (o Options) hookSecret(variable, file string) (string, error) {
	if ref := os.Getenv(variable); ref != "" {
		return ref, nil
	}
	return o.State.secret(file)
}

// clickhouse returns the reference to the DSN, and the embedded engine as a child when no server is named.
func (o Options) clickhouse() (dsn string, engine []supervise.Process, err error) {
	if o.ClickHouse != "" {
		return o.ClickHouse, nil, nil
	}
	token, err := o.State.secret("clickhouse-token")
	if err != nil {
		return "", nil, err
	}
	if err := o.State.writeDSN(o.ClickHouseAddr, "clickhouse-token"); err != nil {
		return "", nil, err
	}
	child := o.child("clickhouse", nil, o.answers("http://"+o.ClickHouseAddr+"/ping"), map[string]string{
		"LEEWARD_CLICKHOUSE_ADDR": o.ClickHouseAddr, "LEEWARD_CLICKHOUSE_STORE": o.State.path("clickhouse"), "LEEWARD_CLICKHOUSE_TOKEN": token,
		"LEEWARD_LIBCHDB": os.Getenv("LEEWARD_LIBCHDB"),
	})
	return "file:" + o.State.DSN(), []supervise.Process{child}, nil
}

// service is a child that is a bus user. One in another network can be asked for its health from here only at an address of its own; without one its process alone counts.
func (o Options) service(service schemas.Service, vantage, health string, settings map[string]string) supervise.Process {
	name := schemas.UserName(service, vantage)
	own := o.Health[name]
	health = cmp.Or(own, health)
	all := map[string]string{
		"LEEWARD_NATS_URL": "nats://" + o.BusAddr, "LEEWARD_NATS_SEED": natsd.SeedFile(o.State.Keys(), name),
		"LEEWARD_HEALTH_ADDR": health,
	}
	for k, v := range settings {
		all[k] = v
	}
	ready := o.answers("http://" + health + "/livez")
	if len(o.Wrap[name]) > 0 && own == "" {
		return o.child(name, []string{string(service)}, func(context.Context) error { return nil }, all)
	}
	child := o.child(name, []string{string(service)}, ready, all)
	child.Health = "http://" + health
	return child
}

// child is a process of this binary. It inherits the environment, since references in leeward.yaml may name variables of the user's.
func (o Options) child(name string, service []string, ready func(context.Context) error, settings map[string]string) supervise.Process {
	if service == nil {
		service = []string{name}
	}
	environment := os.Environ()
	for k, v := range settings {
		environment = append(environment, k+"="+v)
	}
	argv := append([]string{o.Program, "serve"}, service...)
	return supervise.Process{Name: name, Argv: append(append([]string{}, o.Wrap[name]...), argv...), Env: environment, Ready: ready}
}

func (o Options) answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %d: %s", url, resp.StatusCode, body)
		}
		return nil
	}
}

func (o Options) answersTCP(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
