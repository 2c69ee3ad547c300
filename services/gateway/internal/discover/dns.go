package discover

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/leeward-failover/leeward/schemas"
)

// lookUp asks a name server for SRV records. Those of a higher priority stand in only when the lower ones are gone, so they are none to measure (RFC 2782).
func lookUp(ctx context.Context, d schemas.DNSDiscovery) (a Answer, err error) {
	resolver := &net.Resolver{PreferGo: true}
	if d.Server != "" {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.Server)
		}
	}
	// With a dot at its end the name is not looked for in the machine's own domains, too.
	_, records, err := resolver.LookupSRV(ctx, "", "", strings.TrimSuffix(d.SRV, ".")+".")
	var failed *net.DNSError
	if errors.As(err, &failed) && len(records) == 0 {
		return a, errors.New(failed.Err)
	}
	if err != nil {
		a.refuse("records", err.Error())
	}
	for _, r := range records {
		if r.Target == "." {
			return a, errors.New("its records say that the service is not there")
		}
		if r.Priority == records[0].Priority {
			address := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
			a.Targets = append(a.Targets, Target{Address: address, Place: "record " + address})
		}
	}
	return a, nil
}
