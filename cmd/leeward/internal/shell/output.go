package shell

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Clean keeps a terminal's commands out of what others wrote: control characters other than line breaks and tabs, and those that turn
// the direction of text, are written as U+FFFD, and so is what is not UTF-8.
type Clean struct {
	Out io.Writer
	// held is the beginning of a character whose rest has not come yet.
	held []byte
}

// Write never holds back more than a character.
func (c *Clean) Write(p []byte) (int, error) {
	text := append(c.held, p...)
	var out bytes.Buffer
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		out.WriteRune(shown(r))
		text = text[size:]
	}
	c.held = bytes.Clone(text)
	if _, err := c.Out.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what is held.
func (c *Clean) Close() error {
	if len(c.held) == 0 {
		return nil
	}
	c.held = nil
	_, err := io.WriteString(c.Out, "\uFFFD")
	return err
}

// Cleaned is a text without what a terminal would obey.
func Cleaned(s string) string { return strings.Map(shown, s) }

func shown(r rune) rune {
	switch {
	case r == '\n', r == '\t':
		return r
	case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return '\uFFFD'
	}
	return r
}

// counter counts the lines that begin a row.
type counter struct {
	row *regexp.Regexp
	n   int
	// begun is the beginning of the line that is being written, as far as the pattern needs it.
	begun []byte
}

// What a row begins with. The tables of ClickHouse number their rows; a value of several lines has no number on the others.
var (
	numberedRow = regexp.MustCompile(`^ *\d+\. [│┃|]`)
	verticalRow = regexp.MustCompile(`^Row \d+:$`)
	lineRow     = regexp.MustCompile(``)
)

// counterOf counts the rows of a format; nil for one whose rows can not be told apart.
func counterOf(format string) *counter {
	switch name := strings.ToLower(format); {
	case strings.HasPrefix(name, "prettyjson"), strings.Contains(name, "noescapes"):
		return nil
	case strings.HasPrefix(name, "pretty"):
		return &counter{row: numberedRow}
	case name == "vertical":
		return &counter{row: verticalRow}
	case name == "tabseparated", name == "tsv", name == "jsoneachrow", name == "jsonlines", name == "ndjson", name == "jsoncompacteachrow":
		return &counter{row: lineRow}
	}
	return nil
}

// enough is how much of a line tells whether it begins a row.
const enough = 64

func (c *counter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		c.begun = append(c.begun, line[:min(len(line), max(0, enough-len(c.begun)))]...)
		if ended {
			if c.row.Match(c.begun) {
				c.n++
			}
			c.begun = c.begun[:0]
		}
		rest = after
	}
	return len(p), nil
}

// lines reads lines of any length.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) lines { return lines{bufio.NewReader(r)} }

func (l lines) next() (string, error) { return l.r.ReadString('\n') }
