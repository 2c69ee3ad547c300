package address_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/pkg/address"
)

func TestDNS(t *testing.T) {
	for text, want := range map[string]address.Question{
		"dns://10.0.0.53/shop.example?type=A":                   {Server: "10.0.0.53:53", Name: "shop.example.", Type: "A", Number: 1},
		"dns://10.0.0.53/shop.example":                          {Server: "10.0.0.53:53", Name: "shop.example.", Type: "A", Number: 1},
		"dns://ns.example:5353/shop.example.?type=aaaa":         {Server: "ns.example:5353", Name: "shop.example.", Type: "AAAA", Number: 28},
		"dns://[2001:db8::53]/_http._tcp.shop.example?type=SRV": {Server: "[2001:db8::53]:53", Name: "_http._tcp.shop.example.", Type: "SRV", Number: 33},
		"dns://10.0.0.53/shop.example?clAsS=IN;tYpE=TXT":        {Server: "10.0.0.53:53", Name: "shop.example.", Type: "TXT", Number: 16},
	} {
		if got, err := address.DNS(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"10.0.0.53/shop.example":                                  "is not a question",
		"dns:shop.example":                                        "is not a question",
		"http://10.0.0.53/shop.example":                           "is not a question",
		"dns://:53/shop.example":                                  "is not a question",
		"dns://10.0.0.53:99999/shop.example":                      "is not host:port",
		"dns://10.0.0.53/":                                        "is not a domain name",
		"dns://10.0.0.53/shop..example":                           "is not a domain name",
		"dns://10.0.0.53/a/b":                                     "is not a domain name",
		"dns://10.0.0.53/shop.example?type=AAA":                   "is none of the types A, AAAA, CAA",
		"dns://10.0.0.53/shop.example?class=CH":                   `"class=CH" is not understood`,
		"dns://10.0.0.53/shop.example?expect=1":                   `"expect=1" is not understood`,
		"dns://10.0.0.53/" + strings.Repeat("a", 64) + ".example": "is not a domain name",
		"dns://10.0.0.53/" + strings.Repeat("abcdefgh.", 30):      "is not a domain name",
	} {
		if q, err := address.DNS(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v, %v; want an error with %q", text, q, err, want)
		}
	}
}

func TestGRPC(t *testing.T) {
	for text, want := range map[string]address.Service{
		"grpc://10.0.0.1:50051":                 {Server: "10.0.0.1:50051"},
		"grpc://10.0.0.1:50051/":                {Server: "10.0.0.1:50051"},
		"grpcs://shop.example:443/shop.v1.Cart": {Server: "shop.example:443", Name: "shop.v1.Cart", TLS: true},
	} {
		if got, err := address.GRPC(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"10.0.0.1:50051", "grpc://10.0.0.1", "grpc://10.0.0.1:0/x", "http://10.0.0.1:1/x", "grpc://me:secret@10.0.0.1:1/x", "grpc://10.0.0.1:1/x?y=1"} {
		if s, err := address.GRPC(text); err == nil {
			t.Errorf("%s is %+v", text, s)
		}
	}
}

func TestExec(t *testing.T) {
	program, arguments, err := address.Exec("  check-orders  --deep 3 ")
	if program != "check-orders" || !slices.Equal(arguments, []string{"--deep", "3"}) || err != nil {
		t.Errorf("%q %q %v", program, arguments, err)
	}
	for _, text := range []string{"", " ", "/bin/sh -c x", "../x", "a/b", `a\b`, "..", ".hidden", "-x", "a;b", "a\x00b"} {
		if program, _, err := address.Exec(text); err == nil {
			t.Errorf("%q runs %q", text, program)
		}
	}
}
