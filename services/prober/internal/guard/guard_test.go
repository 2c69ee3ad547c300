package guard_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/services/prober/internal/guard"
)

func TestGuard(t *testing.T) {
	allowed, err := guard.Parse("10.20.0.0/16, fd00:1::/48,")
	if err != nil {
		t.Fatal(err)
	}
	g := &guard.Guard{Private: allowed}
	for address, want := range map[string]string{
		"93.184.215.14": "", "2606:2800:21f::1": "", "10.20.3.4": "", "fd00:1::5": "", "::ffff:10.20.3.4": "", "64:ff9b::5db8:d70e": "",
		"10.21.0.1": "private", "127.0.0.1": "private", "::1": "private", "192.168.1.1": "private", "172.31.255.255": "private", "100.64.0.1": "private", "fd00:2::1": "private",
		"::ffff:127.0.0.1": "private", "64:ff9b::7f00:1": "private", "2002:7f00:1::": "private", "::10.21.0.1": "private",
		"169.254.169.254": "never", "::ffff:169.254.169.254": "never", "64:ff9b::a9fe:a9fe": "never", "2002:a9fe:a9fe::1": "never", "fe80::1": "never", "fe80::1%eth0": "never",
		"fd00:ec2::254": "never", "100.100.100.200": "never", "168.63.129.16": "never", "0.0.0.0": "never", "::": "never", "224.0.0.1": "never", "ff02::1": "never", "255.255.255.255": "never",
	} {
		err := g.Permit(netip.MustParseAddr(address))
		if want == "" && err != nil || want != "" && (!errors.Is(err, guard.ErrForbidden) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	// What is never reached can not be allowed either.
	everything := &guard.Guard{Private: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	if everything.Permit(netip.MustParseAddr("169.254.169.254")) == nil || everything.Permit(netip.MustParseAddr("127.0.0.1")) != nil {
		t.Error("a range that holds everything allows what is never reached, or not the loopback")
	}
}

func TestRangesThatAreNone(t *testing.T) {
	for text, want := range map[string]string{"10.0.0.0": "not a range", "10.0.0.1/8": "10.0.0.0/8 is meant", "ten": "not a range"} {
		if _, err := guard.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestOneAddressIsReachedNoMoreOftenThanAllowed(t *testing.T) {
	g := &guard.Guard{Rate: 5}
	one, other := netip.MustParseAddr("93.184.215.14"), netip.MustParseAddr("93.184.215.15")
	passed := 0
	for range 100 {
		if g.Permit(one) == nil {
			passed++
		}
	}
	if passed < 5 || passed > 6 {
		t.Errorf("%d of 100 at once passed, want 5", passed)
	}
	if err := g.Permit(one); err == nil || !strings.Contains(err.Error(), "LEEWARD_PROBE_RATE") {
		t.Errorf("the limit is %v", err)
	}
	if err := g.Permit(other); err != nil {
		t.Errorf("another address: %v", err)
	}
}
