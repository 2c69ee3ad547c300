package chsql

import "strings"

// Split cuts a script into its statements at the semicolons that are neither quoted nor commented out. Statements come
// without the semicolon and without surrounding white space; pieces of nothing but comments are left out.
func Split(script string) ([]string, error) {
	var statements []string
	s := NewScanner(script)
	begin, tokens := 0, 0
	cut := func(end int) {
		if tokens > 0 {
			statements = append(statements, strings.TrimSpace(script[begin:end]))
		}
		tokens = 0
	}
	for {
		t, ok, err := s.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			cut(len(script))
			return statements, nil
		}
		if t.Kind == Mark && t.Text == ";" {
			cut(t.Start)
			begin = t.End
			continue
		}
		tokens++
	}
}

// Insert is an INSERT whose rows come as data behind the statement.
type Insert struct {
	Statement string // up to FORMAT or VALUES, without it
	Format    string // the name after FORMAT, or Values
	Data      int    // where in the text the data begins
}

// ParseInsert tells whether text begins with an INSERT that carries, or waits for, data. INSERT … SELECT does not.
func ParseInsert(text string) (in Insert, ok bool) {
	s := NewScanner(text)
	before, ok, err := s.Next()
	if err != nil || !ok || !before.Is("INSERT") {
		return Insert{}, false
	}
	for {
		t, ok, err := s.Next()
		if err != nil {
			return Insert{}, false
		}
		if !ok {
			return Insert{Statement: text, Format: "Values", Data: len(text)}, true
		}
		// A table may be called format or values: a name stands behind INTO, TABLE or a dot.
		name := before.Is("INTO") || before.Is("TABLE") || before.Text == "."
		subquery := t.Depth == 1 && before.Text == "("
		switch {
		case name && !t.Is("TABLE") && !t.Is("FUNCTION"):
		case (t.Depth == 0 || subquery) && (t.Is("SELECT") || t.Is("WITH")), t.Depth == 0 && (t.Is("INFILE") || t.Text == ";"):
			return Insert{}, false
		case t.Depth == 0 && t.Is("VALUES"):
			return Insert{Statement: text[:t.Start], Format: "Values", Data: t.End}, true
		case t.Depth == 0 && t.Is("FORMAT"):
			f, ok, err := s.Next()
			if err != nil || !ok || f.Kind != Word {
				return Insert{}, false
			}
			return Insert{Statement: text[:t.Start], Format: f.Text, Data: f.End + dataGap(text[f.End:])}, true
		}
		before = t
	}
}

// dataGap is the length of what ClickHouse skips between a format's name and its data: blanks and one line break.
func dataGap(text string) int {
	rest := strings.TrimLeft(text, " \t\f")
	rest = strings.TrimPrefix(rest, "\r")
	rest = strings.TrimPrefix(rest, "\n")
	return len(text) - len(rest)
}

// Cut takes the statements that a semicolon ends off the front of a text that is still being written. rest is what is not
// ended yet, empty when that is nothing but white space and whole comments.
func Cut(text string) (statements []string, rest string) {
	s := NewScanner(text)
	begin, tokens := 0, 0
	for {
		t, ok, err := s.Next()
		switch {
		case err != nil:
			return statements, text[begin:]
		case !ok && tokens == 0:
			return statements, ""
		case !ok:
			return statements, text[begin:]
		case t.Kind != Mark || t.Text != ";":
			tokens++
			continue
		}
		if tokens > 0 {
			statements = append(statements, strings.TrimSpace(text[begin:t.Start]))
		}
		begin, tokens = t.End, 0
	}
}

// Query is what the text of a statement says about where its result goes.
type Query struct {
	Verb    string // its first word, in capitals
	Format  string // named by a FORMAT clause, or empty
	Bare    string // the statement without that clause
	Outfile bool   // reads or writes a file of the client: INTO OUTFILE or FROM INFILE
}

// ParseQuery looks a statement over.
func ParseQuery(text string) (Query, error) {
	q := Query{Bare: text}
	var before, format, name Token // format and name are what may be a FORMAT clause
	s := NewScanner(text)
	for {
		t, ok, err := s.Next()
		if err != nil {
			return q, err
		}
		if name.Text != "" {
			// The clause is the last but for the settings. Elsewhere the word is a column's name, as in ORDER BY format DESC NULLS LAST.
			if !ok || t.Text == ";" || t.Is("SETTINGS") {
				q.Format, q.Bare = name.Text, strings.TrimSpace(text[:format.Start]+text[name.End:])
			}
			format, name = Token{}, Token{}
		}
		if !ok {
			return q, nil
		}
		switch {
		case q.Verb == "" && t.Kind == Word:
			q.Verb = strings.ToUpper(t.Text)
		case t.Depth == 0 && (before.Is("INTO") && t.Is("OUTFILE") || before.Is("FROM") && t.Is("INFILE")):
			q.Outfile = true
		case format.Text != "" && t.Kind == Word && before == format:
			name = t
		case t.Depth == 0 && t.Is("FORMAT") && endsTerm(before):
			format = t
		}
		before = t
	}
}

// endsTerm tells whether a clause may begin behind the token: what asks for a name or an expression makes the next word one.
func endsTerm(t Token) bool {
	if t.Kind == Mark {
		return strings.Contains(")]}*", t.Text)
	}
	for _, keyword := range []string{"SELECT", "DISTINCT", "BY", "AS", "FROM", "JOIN", "WHERE", "PREWHERE", "HAVING", "QUALIFY", "AND", "OR", "NOT", "ON", "USING", "TABLE", "WITH", "LIMIT"} {
		if t.Is(keyword) {
			return false
		}
	}
	return true
}
