package console_test

import (
	"testing"

	"github.com/leeward-failover/leeward/schemas"
	"github.com/leeward-failover/leeward/services/gateway/internal/console"
)

func TestTextFromOutsideIsMadeVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain, ünïcödé, 日本, שלום":  "plain, ünïcödé, 日本, שלום",
		"a\u202egnp.exe":            "a⟨U+202E⟩gnp.exe",
		"\u2066x\u2069":             "⟨U+2066⟩x⟨U+2069⟩",
		"\x1b[31mred\x1b[0m":        "⟨U+001B⟩[31mred⟨U+001B⟩[0m",
		"nul\x00bel\x07c1\u009b":    "nul⟨U+0000⟩bel⟨U+0007⟩c1⟨U+009B⟩",
		"zero\u200bwidth\ufeff":     "zero⟨U+200B⟩width⟨U+FEFF⟩",
		"line\u2028separator":       "line⟨U+2028⟩separator",
		"two\nlines\tand a tab\rcr": "two\nlines\tand a tab⟨U+000D⟩cr",
		"<script>alert(1)</script>": "<script>alert(1)</script>",
	} {
		if got := console.Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEveryTopicHasASentence(t *testing.T) {
	for _, c := range schemas.Catalog() {
		if !console.Knows(c.Name) {
			t.Errorf("the page of events has no sentence for %s: add a reader in fact.go", c.Name)
		}
	}
}
