package schemas_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

// hostile are texts that would mean something in a subject, or that a careless escape makes equal.
var hostile = []string{"", "=", "==", "=3D", "=2E", ".", "..", "a.b", "a", "b", "*", ">", "$KV", " ", "a b", "\t", "\r\n", "é", "e\u0301", "東京", "\x00", "\xff", "A", "-", "_", "%2E", "/"}

var oneToken = regexp.MustCompile(`^[A-Za-z0-9_=-]+$`)

func TestHostileTextsBecomeDifferentTokens(t *testing.T) {
	from := map[string]string{}
	for _, s := range hostile {
		token := schemas.Token(s)
		if !oneToken.MatchString(token) {
			t.Errorf("Token(%q) = %q is not one token", s, token)
		}
		if other, taken := from[token]; taken {
			t.Errorf("%q and %q both become %q", s, other, token)
		}
		from[token] = s
	}
}

func TestHostileNamesStayOnTheirOwnSubject(t *testing.T) {
	push := schemas.ImagePushed{Source: "distribution", Delivery: "1", Registry: "r", Repository: "a.b", Tag: "*", Digest: digest, Verified: "bearer", At: at(0)}
	subject, data, err := schemas.ImagePushedTopic.Encode(push)
	if err != nil {
		t.Fatal(err)
	}
	if want := "leeward.image.pushed.v1.r.a=2Eb.=2A"; subject != want {
		t.Errorf("subject %s, want %s", subject, want)
	}
	for _, elsewhere := range []string{"leeward.image.pushed.v1.r.a.b.*", "leeward.image.pushed.v1.r.a=2Eb.latest", "leeward.image.pushed.v2.r.a=2Eb.=2A", ""} {
		if _, err := schemas.ImagePushedTopic.Decode(elsewhere, data); err == nil {
			t.Errorf("the payload was accepted on %q", elsewhere)
		}
	}
}

func TestHostileNamesOfThingsAreRefused(t *testing.T) {
	for _, s := range hostile {
		if wellFormed := s == "a" || s == "b"; schemas.ValidName(s) != wellFormed {
			t.Errorf("ValidName(%q) is not %v", s, wellFormed)
		}
	}
	for s, want := range map[string]bool{strings.Repeat("a", 63): true, strings.Repeat("a", 64): false, "a-": false, "-a": false, "a-b": true, "a\n": false} {
		if schemas.ValidName(s) != want {
			t.Errorf("ValidName(%q) is not %v", s, want)
		}
	}
}

func FuzzKeysOfDifferentTokensDiffer(f *testing.F) {
	f.Add("a", "b", "a.b", "")
	f.Add("", "", "=", "=")
	f.Add("=2E", ".", ".", "=2E")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		x, y := schemas.KeyOf(a, b), schemas.KeyOf(c, d)
		if (x == y) != (a == c && b == d) {
			t.Errorf("(%q, %q) is %s and (%q, %q) is %s", a, b, x, c, d, y)
		}
		if tokens := strings.Split(x, "."); len(tokens) != 2 || !oneToken.MatchString(tokens[0]) || !oneToken.MatchString(tokens[1]) {
			t.Errorf("(%q, %q) became %q", a, b, x)
		}
	})
}
