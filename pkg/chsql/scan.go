// Package chsql reads the surface of ClickHouse SQL: tokens, statement boundaries, where the data of an INSERT begins
// and which output format a query names. It knows no grammar; that stays with ClickHouse.
package chsql

import (
	"fmt"
	"strings"
)

// Kind says what a Token is.
type Kind int

// The kinds of tokens. Comments and white space are skipped, they are no tokens.
const (
	Word   Kind = iota // keyword, bare identifier or number
	Quoted             // string literal, quoted identifier or heredoc
	Mark               // one byte of anything else
)

// Token is one piece of a statement: text[Start:End].
type Token struct {
	Kind       Kind
	Text       string
	Start, End int
	Depth      int // how many parentheses, brackets and braces are open around it
}

// Is tells whether the token is the keyword, in any case.
func (t Token) Is(keyword string) bool {
	return t.Kind == Word && strings.EqualFold(t.Text, keyword)
}

// Scanner cuts a text into tokens, lazily: what follows the last token asked for is never looked at, so that binary
// data behind an INSERT does no harm.
type Scanner struct {
	text  string
	pos   int
	depth int
}

// NewScanner starts at the beginning of text.
func NewScanner(text string) *Scanner { return &Scanner{text: text} }

// Next gives the next token; ok is false at the end of the text.
func (s *Scanner) Next() (t Token, ok bool, err error) {
	if err := s.skipBlank(); err != nil {
		return Token{}, false, err
	}
	if s.pos >= len(s.text) {
		return Token{}, false, nil
	}
	start, c := s.pos, s.text[s.pos]
	t = Token{Start: start, Depth: s.depth}
	switch {
	case c == '\'' || c == '"' || c == '`':
		t.Kind = Quoted
		err = s.skipQuoted(c)
	case c == '$' && s.heredocTag() != "":
		t.Kind = Quoted
		err = s.skipHeredoc(s.heredocTag())
	case wordByte(c):
		t.Kind = Word
		for s.pos < len(s.text) && wordByte(s.text[s.pos]) {
			s.pos++
		}
	default:
		t.Kind = Mark
		s.pos++
		switch c {
		case '(', '[', '{':
			s.depth++
		case ')', ']', '}':
			s.depth--
			t.Depth = s.depth
		}
	}
	t.End = s.pos
	t.Text = s.text[start:s.pos]
	return t, err == nil, err
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func (s *Scanner) skipBlank() error {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			s.pos++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			s.pos += lineLength(rest)
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return s.unclosed("comment", s.pos)
			}
			s.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func lineLength(text string) int {
	if end := strings.IndexByte(text, '\n'); end >= 0 {
		return end + 1
	}
	return len(text)
}

func (s *Scanner) skipQuoted(quote byte) error {
	start := s.pos
	for i := start + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case quote:
			if i+1 < len(s.text) && s.text[i+1] == quote { // doubled: the quote itself
				i++
				continue
			}
			s.pos = i + 1
			return nil
		}
	}
	return s.unclosed("quote "+string(quote), start)
}

// heredocTag gives "$tag$" when one opens here.
func (s *Scanner) heredocTag() string {
	rest := s.text[s.pos:]
	for i := 1; i < len(rest); i++ {
		if rest[i] == '$' {
			return rest[:i+1]
		}
		if !wordByte(rest[i]) {
			return ""
		}
	}
	return ""
}

func (s *Scanner) skipHeredoc(tag string) error {
	body := s.text[s.pos+len(tag):]
	end := strings.Index(body, tag)
	if end < 0 {
		return s.unclosed("heredoc "+tag, s.pos)
	}
	s.pos += len(tag) + end + len(tag)
	return nil
}

func (s *Scanner) unclosed(what string, at int) error {
	return fmt.Errorf("line %d: %s is not closed", strings.Count(s.text[:at], "\n")+1, what)
}
