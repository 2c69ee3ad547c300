package shell_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/cmd/leeward/internal/shell"
)

// pieces writes a text byte by byte, as a network may deliver it.
func pieces(t *testing.T, w interface{ Write([]byte) (int, error) }, text string) {
	t.Helper()
	for i := range len(text) {
		if n, err := w.Write([]byte{text[i]}); n != 1 || err != nil {
			t.Fatalf("wrote %d: %v", n, err)
		}
	}
}

func TestCleanKeepsTextAndNoCommands(t *testing.T) {
	for text, want := range map[string]string{
		"a\tb\nZürich 東京 🚢":   "a\tb\nZürich 東京 🚢",
		"│ 1. ┌─x─┐":          "│ 1. ┌─x─┐",
		"\x1b[2J\x07\r\b\x00": "\uFFFD[2J\uFFFD\uFFFD\uFFFD\uFFFD",
		"\u009b2J\x7f":        "\uFFFD2J\uFFFD",
		"\x9b2J":              "\uFFFD2J",
		"a\u202eb\u2066c":     "a\uFFFDb\uFFFDc",
		"cut off \xf0\x9f":    "cut off \uFFFD",
		"\xff\xfe":            "\uFFFD\uFFFD",
	} {
		var out strings.Builder
		c := &shell.Clean{Out: &out}
		pieces(t, c, text)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%q is shown as %q, want %q", text, out.String(), want)
		}
	}
}

func TestRowsAreCountedWhereTheFormatTells(t *testing.T) {
	var long strings.Builder
	for i := range 12 {
		fmt.Fprintf(&long, "%3d. │ %s │\n", i+1, strings.Repeat("x", 500))
	}
	for _, c := range []struct {
		format, text string
		want         int
	}{
		{"PrettyCompact", "   ┌─x─┐\n1. │ a↴│\n   │↳1. │ b │\n2. │ c │\n   └───┘\n", 2},
		{"Pretty", "   ┏━━━┓\n   ┃ x ┃\n   ┡━━━┩\n1. │ 1 │\n   └───┘\n", 1},
		{"PrettyCompact", long.String(), 12},
		{"PrettyCompact", "", 0},
		{"Vertical", "Row 1:\n──────\nx: Row 2:\n\nRow 2:\n──────\nx: 1\n", 2},
		{"JSONEachRow", "{\"x\":1}\n{\"x\":2}\n", 2},
		{"TabSeparated", "1\n\n", 2},
	} {
		rows := shell.CounterOf(c.format)
		pieces(t, rows, c.text)
		if rows.Rows() != c.want {
			t.Errorf("%s: %d rows in\n%s\nwant %d", c.format, rows.Rows(), c.text, c.want)
		}
	}
	for _, format := range []string{"JSON", "CSVWithNames", "Parquet", "PrettyJSONEachRow"} {
		if shell.CounterOf(format) != nil {
			t.Errorf("the rows of %s are counted", format)
		}
	}
}
