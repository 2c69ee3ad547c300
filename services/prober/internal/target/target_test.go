package target_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

func TestFullestProbeDecidesAndTheObjectiveIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint  schemas.Endpoint
		objective string
		want      string
	}{
		"everything":               {schemas.Endpoint{ICMP: "i", TCP: "t", HTTP: "h", Database: "d"}, "http", "http:DS tcp: icmp: db_read: db_write:"},
		"another objective":        {schemas.Endpoint{ICMP: "i", TCP: "t", HTTP: "h"}, "icmp", "http:D tcp: icmp:S"},
		"no HTTP":                  {schemas.Endpoint{ICMP: "i", TCP: "t"}, "http", "tcp:DS icmp:"},
		"ICMP only":                {schemas.Endpoint{ICMP: "i"}, "http", "icmp:DS"},
		"no HTTP, but gRPC":        {schemas.Endpoint{ICMP: "i", TCP: "t", TLS: "s", Exec: "e", GRPC: "g", DNS: "d"}, "http", "grpc:DS exec: tcp: tls: icmp: dns:"},
		"a check of one's own":     {schemas.Endpoint{ICMP: "i", TCP: "t", TLS: "s", Exec: "e"}, "tcp", "exec:D tcp:S tls: icmp:"},
		"TLS and ICMP":             {schemas.Endpoint{ICMP: "i", TLS: "s"}, "http", "tls:DS icmp:"},
		"a name server never":      {schemas.Endpoint{DNS: "d"}, "http", "dns:"},
		"a database decides never": {schemas.Endpoint{Database: "d"}, "http", "db_read: db_write:"},
	} {
		t.Run(name, func(t *testing.T) {
			c.endpoint.Region, c.endpoint.Variant = "tokyo", "slim"
			probe := schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(time.Second)}
			cells := target.Cells(schemas.Topology{Apps: []schemas.App{{Name: "shop", Probe: probe, Objective: schemas.Objective{Kind: c.objective}, Endpoints: []schemas.Endpoint{c.endpoint}}}})
			got := ""
			for _, target := range cells[0].Targets {
				got += fmt.Sprintf(" %s:", target.Kind)
				if target.Decides {
					got += "D"
				}
				if target.Shown {
					got += "S"
				}
			}
			if diff := cmp.Diff(c.want, got[1:]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEndpointsAreMeasuredInMoreWaysWhereTheyNameAnAddress(t *testing.T) {
	check := &schemas.HTTPCheck{Body: "ok"}
	topology := schemas.Topology{
		Regions: []schemas.Region{{Name: "frankfurt", Registry: "https://registry.frankfurt/"}, {Name: "tokyo", Registry: "http://10.88.4.1:5000"}},
		Apps: []schemas.App{{Name: "shop", Images: schemas.Images{Repository: "team/shop"},
			Probe: schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(time.Second), Also: []string{"http_kept", "tls", "tls_resumed", "registry"}, HTTP: check},
			Endpoints: []schemas.Endpoint{
				{Region: "frankfurt", Variant: "slim", HTTP: "https://shop.example/"},
				{Region: "frankfurt", Variant: "single", HTTP: "https://shop.example/", TLS: "db.example:5432"},
				{Region: "tokyo", Variant: "slim", HTTP: "http://shop.example/"},
				{Region: "tokyo", Variant: "single", ICMP: "shop.example"},
			}}},
	}
	var all []string
	for _, c := range target.Cells(topology) {
		for _, t := range c.Targets {
			if all = append(all, fmt.Sprintf("%s/%s %s %s %t", t.Region, t.Variant, t.Kind, t.Address, t.Judged())); t.Check != check {
				all = append(all, "unchecked")
			}
		}
	}
	if diff := cmp.Diff([]string{
		"frankfurt/slim http https://shop.example/ true", "frankfurt/slim tls https://shop.example/ false",
		"frankfurt/slim http_kept https://shop.example/ false", "frankfurt/slim tls_resumed https://shop.example/ false", "frankfurt/slim registry https://registry.frankfurt/team/shop false",
		"frankfurt/single http https://shop.example/ true", "frankfurt/single tls db.example:5432 false",
		"frankfurt/single http_kept https://shop.example/ false", "frankfurt/single tls_resumed db.example:5432 false", "frankfurt/single registry https://registry.frankfurt/team/shop false",
		"tokyo/slim http http://shop.example/ true", "tokyo/slim http_kept http://shop.example/ false", "tokyo/slim registry http://10.88.4.1:5000/team/shop false",
		"tokyo/single icmp shop.example true", "tokyo/single registry http://10.88.4.1:5000/team/shop false",
	}, all); diff != "" {
		t.Error(diff)
	}
}

// TestDatabasesAreMeasuredOncePerRegion reads from a region's own database and writes to the primary, however many variants run there.
func TestDatabasesAreMeasuredOncePerRegion(t *testing.T) {
	app := schemas.App{Name: "shop", Probe: schemas.Probe{Interval: schemas.Duration(time.Second), Timeout: schemas.Duration(time.Second)}}
	for _, region := range []string{"frankfurt", "tokyo"} {
		for _, variant := range []string{"single", "slim"} {
			app.Endpoints = append(app.Endpoints, schemas.Endpoint{Region: region, Variant: variant, TCP: "t", Database: "env:" + region})
		}
	}
	databases := func() (all []string) {
		for _, c := range target.Cells(schemas.Topology{Apps: []schemas.App{app}}) {
			for _, t := range c.Targets {
				if t.Kind == schemas.KindDBRead || t.Kind == schemas.KindDBWrite || t.Kind == schemas.KindDBFresh {
					all = append(all, fmt.Sprintf("%s/%s %s %s %t", t.Region, t.Variant, t.Kind, t.Address, t.Judged()))
				}
			}
			all = append(all, fmt.Sprintf("%q follows %q", c.Database, c.Primary))
		}
		return all
	}
	if diff := cmp.Diff([]string{
		"frankfurt/ db_read env:frankfurt false", "frankfurt/ db_write env:frankfurt false", `"env:frankfurt" follows ""`,
		"tokyo/ db_read env:tokyo false", "tokyo/ db_write env:tokyo false", `"env:tokyo" follows ""`,
	}, databases()); diff != "" {
		t.Errorf("without a primary: %s", diff)
	}
	app.PrimaryDatabase = "env:frankfurt"
	if diff := cmp.Diff([]string{
		"frankfurt/ db_read env:frankfurt false", "frankfurt/ db_write env:frankfurt false", `"env:frankfurt" follows "env:frankfurt"`,
		"tokyo/ db_read env:tokyo false", "tokyo/ db_write env:frankfurt false", `"env:tokyo" follows "env:frankfurt"`,
	}, databases()); diff != "" {
		t.Errorf("with a primary: %s", diff)
	}
	app.Probe.Also = []string{"db_fresh"}
	if diff := cmp.Diff([]string{
		"frankfurt/ db_read env:frankfurt false", "frankfurt/ db_write env:frankfurt false", "frankfurt/ db_fresh env:frankfurt false", `"env:frankfurt" follows "env:frankfurt"`,
		"tokyo/ db_read env:tokyo false", "tokyo/ db_write env:frankfurt false", "tokyo/ db_fresh env:tokyo false", `"env:tokyo" follows "env:frankfurt"`,
	}, databases()); diff != "" {
		t.Errorf("with fresh reads: %s", diff)
	}
}
