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

// Query is what the text of a statement says about where its result goes.
type Query struct {
	Verb    string // its first word, in capitals
	Format  string // named by a FORMAT clause, or empty
	Outfile bool   // reads or writes a file of the client: INTO OUTFILE or FROM INFILE
}

// ParseQuery looks a statement over.
func ParseQuery(text string) (Query, error) {
	var q Query
	var before Token
	s := NewScanner(text)
	for {
		t, ok, err := s.Next()
		if err != nil || !ok {
			return q, err
		}
		switch {
		case q.Verb == "" && t.Kind == Word:
			q.Verb = strings.ToUpper(t.Text)
		case t.Depth == 0 && (before.Is("INTO") && t.Is("OUTFILE") || before.Is("FROM") && t.Is("INFILE")):
			q.Outfile = true
		case t.Depth == 0 && before.Is("FORMAT") && t.Kind == Word:
			q.Format = t.Text
		}
		before = t
	}
}
