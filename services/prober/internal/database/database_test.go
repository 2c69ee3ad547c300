package database_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/leeward-failover/leeward/pkg/socks"
	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/database"
	"github.com/leeward-failover/leeward/services/prober/internal/probe"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// kit is a kit of a vantage, whose references are the URLs themselves.
func kit(t *testing.T, vantage string) *probe.Kit {
	t.Helper()
	k := probe.NewKit(vantage, socks.Dialer{}, func(ref string) (string, error) { return ref, nil })
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

// ask measures a database with time enough.
func ask(k *probe.Kit, kind schemas.Kind, url string) probe.Measurement {
	return within(10*time.Second, k, kind, url)
}

func within(timeout time.Duration, k *probe.Kit, kind schemas.Kind, url string) probe.Measurement {
	return k.Measure(context.Background(), target.Target{App: "shop", Region: "tokyo", Kind: kind, Address: url, Timeout: timeout}, time.Now())
}

// late measures a database that does not answer in time.
func late(t *testing.T, k *probe.Kit, kind schemas.Kind, url string) {
	t.Helper()
	const timeout = 300 * time.Millisecond
	if m := within(timeout, k, kind, url); m.Sample.Outcome != schemas.TimedOut || time.Duration(m.Sample.LatencyUS)*time.Microsecond < timeout {
		t.Fatalf("%s ended %s after %d µs (%v), want a time-out", kind, m.Sample.Outcome, m.Sample.LatencyUS, m.Err)
	}
}

// well measures a database that answers as it should.
func well(t *testing.T, k *probe.Kit, kind schemas.Kind, url string) probe.Measurement {
	t.Helper()
	m := ask(k, kind, url)
	if m.Err != nil {
		t.Fatal(m.Err)
	}
	return m
}

// denied measures a database that answers and does not do it.
func denied(t *testing.T, k *probe.Kit, kind schemas.Kind, url, because string) {
	t.Helper()
	m := ask(k, kind, url)
	if !errors.Is(m.Err, database.ErrDenied) || !strings.Contains(m.Err.Error(), because) {
		t.Errorf("%s: %v, want denied, because of %q", kind, m.Err, because)
	}
	if m.Err != nil && strings.Contains(m.Err.Error(), "secret-word") {
		t.Errorf("the password is in the error: %v", m.Err)
	}
}

func TestADatabase(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		t.Run("takes one round trip", func(t *testing.T) { takesOneRoundTrip(t, e) })
		t.Run("is measured from afar", func(t *testing.T) { measuresFromAfar(t, e) })
		t.Run("shows the handshakes of fresh reads", func(t *testing.T) { showsHandshakes(t, e) })
		t.Run("orders the heartbeats of all vantages", func(t *testing.T) { ordersHeartbeats(t, e) })
		t.Run("is measured on connections that are kept", func(t *testing.T) { keepsConnections(t, e) })
	})
}

func TestAReplica(t *testing.T) {
	each(t, func(t *testing.T, e engine) {
		replica := e.follow()
		t.Run("tells how far it follows", func(t *testing.T) { tellsHowFarItFollows(t, e, replica) })
		t.Run("says that it is one, until it is promoted", func(t *testing.T) { saysWhoItIs(t, e, replica) })
	})
}

var readAndWrite = []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite}

func keepsConnections(t *testing.T, e engine) {
	k := kit(t, "london")
	for _, kind := range readAndWrite {
		if s := well(t, k, kind, e.URL()).Sample; s.ConnectUS == 0 {
			t.Errorf("the first %s opened no connection: %+v", kind, s)
		}
		for range 3 {
			if s := well(t, k, kind, e.URL()).Sample; s.ConnectUS != 0 || s.FirstByteUS == 0 {
				t.Errorf("a later %s did not use the open connection: %+v", kind, s)
			}
		}
	}
	if n := e.sessions(); n != 2 {
		t.Errorf("%d connections, want one for reads and one for writes", n)
	}
	if n := e.rows("london"); n != 1 {
		t.Errorf("%d fresh heartbeats, want 1", n)
	}
	e.cut()
	for _, kind := range readAndWrite {
		if s := well(t, k, kind, e.URL()).Sample; s.ConnectUS == 0 {
			t.Errorf("a broken connection was not made anew for %s: %+v", kind, s)
		}
	}
	unlock := e.lock()
	late(t, k, schemas.KindDBWrite, e.URL())
	well(t, k, schemas.KindDBRead, e.URL())
	wait(t, "the server to end what its client left: only the lock's session and the read's stay", func() bool { return e.sessions() <= 2 })
	unlock()
	well(t, k, schemas.KindDBWrite, e.URL())
	e.deny()
	for _, kind := range readAndWrite {
		denied(t, k, kind, e.URL(), "")
	}
	e.Stop()
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite, schemas.KindDBFresh} {
		m := ask(k, kind, e.URL())
		if m.Sample.Outcome != schemas.Refused || errors.Is(m.Err, database.ErrDenied) || strings.Contains(m.Err.Error(), "secret-word") {
			t.Errorf("%s of a server that is gone: %s, %v", kind, m.Sample.Outcome, m.Err)
		}
	}
}

func takesOneRoundTrip(t *testing.T, e engine) {
	k, r := kit(t, "london"), &relay{}
	url := r.through(t, e.URL())
	for _, kind := range readAndWrite {
		well(t, k, kind, url)
		r.reset()
		for range 5 {
			well(t, k, kind, url)
		}
		if n := r.reset(); n != 5 {
			t.Errorf("5 of %s were %d round trips", kind, n)
		}
	}
	for range 5 {
		well(t, k, schemas.KindDBFresh, url)
	}
	// None of these servers asks for more than one for the login, besides those of TCP.
	if n := r.reset(); n != 10 {
		t.Errorf("5 of db_fresh were %d round trips after connecting, want 10: login and read", n)
	}
}

// measuresFromAfar has one round trip fit into the timeout, and no two.
func measuresFromAfar(t *testing.T, e engine) {
	k, r := kit(t, "london"), &relay{delay: 200 * time.Millisecond}
	url := r.through(t, e.URL())
	for _, kind := range readAndWrite {
		wait(t, kind.String()+" from afar", func() bool { return within(350*time.Millisecond, k, kind, url).Err == nil })
	}
}

func showsHandshakes(t *testing.T, e engine) {
	k := kit(t, "london")
	wrong := strings.Replace(e.SecureURL(), "secret-word", "another-word", 1)
	for range 2 {
		s := well(t, k, schemas.KindDBFresh, e.SecureURL()).Sample
		if s.ConnectUS == 0 || s.TLSUS == 0 || s.FirstByteUS == 0 || s.ConnectUS+s.TLSUS+s.FirstByteUS > s.LatencyUS || !strings.HasPrefix(s.Server, "primary-") {
			t.Errorf("a fresh read took %+v", s)
		}
		if s := well(t, k, schemas.KindDBFresh, e.URL()).Sample; s.ConnectUS == 0 || s.TLSUS != 0 {
			t.Errorf("a fresh read without TLS took %+v", s)
		}
	}
	wait(t, "the connections' end", func() bool { return e.sessions() == 0 })
	// PostgreSQL's trusts everybody here.
	if !strings.HasPrefix(e.URL(), "postgres:") {
		denied(t, k, schemas.KindDBFresh, wrong, "")
	}
	verified := strings.NewReplacer("sslmode=require", "sslmode=verify-full", "skip-verify", "true", "skip_verify=true", "skip_verify=false").Replace(e.SecureURL())
	if m := ask(k, schemas.KindDBFresh, verified); m.Sample.Outcome != schemas.TLSError {
		t.Errorf("a certificate that nobody signed: %s, %v", m.Sample.Outcome, m.Err)
	}
	if m := ask(k, schemas.KindDBRead, verified); m.Sample.Outcome != schemas.TLSError {
		t.Errorf("a certificate that nobody signed: %s, %v", m.Sample.Outcome, m.Err)
	}
	if plain := e.plain(); plain != "" {
		wait(t, "a server without TLS", func() bool { return ask(k, schemas.KindDBFresh, plain).Err != nil })
		if m := ask(k, schemas.KindDBFresh, plain); m.Sample.Outcome != schemas.TLSError {
			t.Errorf("a server without TLS: %s, %v", m.Sample.Outcome, m.Err)
		}
	}
}

// wait waits for a condition that nothing tells of.
func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s", what)
		}
	}
}

func tellsHowFarItFollows(t *testing.T, e engine, replica follower) {
	k := kit(t, "london")
	held := func() schemas.Heartbeat { t.Helper(); return well(t, k, schemas.KindDBRead, replica.URL()).Heartbeat }
	write := func() schemas.Heartbeat { t.Helper(); return well(t, k, schemas.KindDBWrite, e.URL()).Heartbeat }
	if m := well(t, k, schemas.KindDBRead, replica.URL()); m.Heartbeat.Token != 0 || m.Heartbeat.SeenAt.IsZero() || !strings.HasPrefix(m.Sample.Server, "replica-") {
		t.Errorf("a replica without any heartbeat holds %+v, and is %s", m.Heartbeat, m.Sample.Server)
	}
	e.gone()
	first := write()
	wait(t, "the first heartbeat", func() bool { return held().Token == first.Token })
	if h := held(); !h.At.Equal(first.At) || time.Since(h.SeenAt) > 5*time.Second || time.Since(h.At).Abs() > time.Minute {
		t.Errorf("the replica holds %+v, want %+v", h, first)
	}
	replica.pause()
	second := write()
	if second.Token <= first.Token || !second.At.After(first.At) {
		t.Errorf("the second heartbeat %+v is not after the first %+v", second, first)
	}
	if lag, known := held().Behind(second); !known || lag != second.At.Sub(first.At) {
		t.Errorf("paused: %s behind, known %t; want the time between two heartbeats, %s", lag, known, second.At.Sub(first.At))
	}
	replica.resume()
	wait(t, "the second heartbeat", func() bool { return held().Token == second.Token })
	if lag, known := held().Behind(second); !known || lag != 0 {
		t.Errorf("resumed: %s behind, known %t", lag, known)
	}
	denied(t, k, schemas.KindDBWrite, replica.URL(), "takes no writes")
}

func ordersHeartbeats(t *testing.T, e engine) {
	london, madrid := kit(t, "london"), kit(t, "madrid")
	last := int64(0)
	for range 5 {
		for _, k := range []*probe.Kit{london, madrid} {
			h := well(t, k, schemas.KindDBWrite, e.URL()).Heartbeat
			if h.Token <= last {
				t.Errorf("a heartbeat has token %d, one that was acknowledged before it began has %d", h.Token, last)
			}
			last = h.Token
		}
	}
}

// saysWhoItIs follows a replica through its promotion, on one connection.
func saysWhoItIs(t *testing.T, e engine, replica follower) {
	k := kit(t, "london")
	who := func(kind schemas.Kind, url string) string { t.Helper(); return well(t, k, kind, url).Sample.Server }
	primary := who(schemas.KindDBRead, e.URL())
	for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBWrite, schemas.KindDBFresh} {
		if s := who(kind, e.URL()); s != primary || !strings.HasPrefix(s, "primary-") || !schemas.ValidName(s) {
			t.Errorf("%s was answered by %q, a read by %q", kind, s, primary)
		}
	}
	identity := strings.TrimPrefix(who(schemas.KindDBRead, replica.URL()), "replica-")
	if identity == strings.TrimPrefix(primary, "primary-") {
		t.Errorf("the replica and its primary are both %s", identity)
	}
	e.Kill()
	if m := ask(k, schemas.KindDBWrite, e.URL()); m.Err == nil || errors.Is(m.Err, database.ErrDenied) {
		t.Errorf("a primary that was killed: %v, want an error that is no denial", m.Err)
	}
	replica.promote()
	wait(t, "the promotion", func() bool { return who(schemas.KindDBRead, replica.URL()) == "primary-"+identity })
	well(t, k, schemas.KindDBWrite, replica.URL())
	replica.readOnly()
	// PostgreSQL says so to new connections.
	again := kit(t, "london")
	wait(t, "a refusal", func() bool { return ask(again, schemas.KindDBWrite, replica.URL()).Err != nil })
	before := well(t, again, schemas.KindDBRead, replica.URL()).Heartbeat
	denied(t, again, schemas.KindDBWrite, replica.URL(), "takes no writes")
	// Redis has nothing that could stop it.
	if after := well(t, again, schemas.KindDBRead, replica.URL()).Heartbeat; after.Token != before.Token && !strings.HasPrefix(replica.URL(), "redis:") {
		t.Errorf("the server took a write that was denied: %+v, then %+v", before, after)
	}
}

func TestDatabaseWhoseURLIsUnreadableKeepsItsSecret(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://u:secret-word@[broken":                "can not be read",
		"mysql://u:secret-word@[broken":                   "can not be read",
		"mysql://u:secret-word@host/d?charset=latin1":     "tls=true",
		"redis://u:secret-word@[broken":                   "can not be read",
		"redis://u:secret-word@host/0?colour=secret-word": "can not be read",
		"mongodb://u:secret-word@host/d":                  "begins with none of",
		"secret-word":                                     "begins with none of",
	} {
		k := probe.NewKit("london", socks.Dialer{}, func(string) (string, error) { return url, nil })
		for _, kind := range []schemas.Kind{schemas.KindDBRead, schemas.KindDBFresh} {
			if m := ask(k, kind, "env:URL"); m.Sample.Outcome != schemas.OtherError || strings.Contains(m.Err.Error(), "secret") || !strings.Contains(m.Err.Error(), want) {
				t.Errorf("%s: ended %s with %v", url, m.Sample.Outcome, m.Err)
			}
		}
		k.Close(t.Context())
	}
}

func TestClosingDoesNotWaitForADatabaseThatIsSilent(t *testing.T) {
	for _, url := range []string{"postgres://u@%s/d?sslmode=disable", "mysql://u@%s/d", "redis://%s"} {
		k := probe.NewKit("london", socks.Dialer{}, func(ref string) (string, error) { return ref, nil })
		late(t, k, schemas.KindDBRead, strings.Replace(url, "%s", silent(t), 1))
		started := time.Now()
		k.Close(t.Context())
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("closing took %s while a connection to %s was being made", took, url)
		}
	}
}

// silent is the address of a listener that accepts and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
