package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxRow bounds a row, and so the memory of an import: a row may hold an answer's whole body, not a film.
const maxRow = 16 << 20

var (
	errTooLong = fmt.Errorf("a row is longer than %d MiB; is a quote or a bracket never closed", maxRow>>20)
	errCutOff  = errors.New("the file ends in the middle of a row, as one does whose writer was killed")
)

// source hands out a file to a decoder that looks ahead, never more than maxRow for one row, and knows the line of a place in it.
type source struct {
	in     io.Reader
	given  int64
	row    int64 // where the row begins
	line   int   // of the row
	breaks []int64
}

func newSource(in io.Reader) *source { return &source{in: in, line: 1} }

func (s *source) Read(p []byte) (int, error) {
	if s.given-s.row > maxRow {
		return 0, errTooLong
	}
	n, err := s.in.Read(p[:min(len(p), headSize)])
	for i, c := range p[:n] {
		if c == '\n' {
			s.breaks = append(s.breaks, s.given+int64(i))
		}
	}
	s.given += int64(n)
	return n, err
}

// next says where a row begins and returns its line.
func (s *source) next(at int64) int {
	n := 0
	for n < len(s.breaks) && s.breaks[n] < at {
		n++
	}
	s.row, s.line, s.breaks = at, s.line+n, slices.Delete(s.breaks, 0, n)
	return s.line
}

// lines calls f for each line that is not blank.
func lines(in *bufio.Reader, out *rows, f func(number int, line []byte) error) error {
	var line []byte
	for number := 1; ; number++ {
		line = line[:0]
		long := false
		part, err := in.ReadSlice('\n')
		for ; errors.Is(err, bufio.ErrBufferFull); part, err = in.ReadSlice('\n') {
			if long = long || len(line) > maxRow; !long {
				line = append(line, part...)
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		line = bytes.TrimSpace(append(line, part...))
		var failed error
		switch {
		case long:
			failed = out.row(number, result{}, errTooLong)
		case len(line) > 0:
			failed = f(number, line)
		}
		if failed != nil {
			return failed
		}
		if err != nil {
			return nil
		}
	}
}

// table calls f for each row of a CSV file, whose columns are names or, where there are none, those of its first row.
func table(in io.Reader, comma rune, names []string, out *rows, f func(line int, c *cells) error) error {
	from := newSource(in)
	records := csv.NewReader(from)
	records.Comma, records.ReuseRecord, records.FieldsPerRecord = comma, true, len(names)
	var record []string
	c := cells{get: func(column string) string {
		if i := slices.Index(names, column); i >= 0 {
			return record[i]
		}
		return ""
	}}
	for {
		var err error
		from.next(records.InputOffset())
		record, err = records.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			err = wrong.Err
			if errors.Is(err, csv.ErrFieldCount) {
				err = fmt.Errorf("%d fields, where there are %d columns", len(record), len(names))
			}
			if err := out.row(wrong.StartLine, result{}, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return fmt.Errorf("line %d: %w", from.line, err)
		case names == nil:
			names = slices.Clone(record)
			continue
		}
		line, _ := records.FieldPos(0)
		c.problems = nil
		if err := f(line, &c); err != nil {
			return err
		}
	}
}

// objects calls f for each element of the arrays at these paths of keys, one after the other, however large the file is. The path "" is a file that is an array itself,
// or holds one object after the other.
func objects(in *bufio.Reader, paths []string, out *rows, f func(line int, object json.RawMessage) error) error {
	from := newSource(in)
	w := walker{from: from, json: json.NewDecoder(from), paths: paths, f: f}
	first := bytes.TrimSpace(headOf(in).text)
	var err error
	for err == nil {
		if slices.Contains(paths, "") && !bytes.HasPrefix(first, []byte("[")) {
			err = w.element()
		} else {
			err = w.value("", 0)
		}
	}
	var syntax *json.SyntaxError
	switch {
	case w.failed != nil:
		return w.failed
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF) && w.depth > 0:
		return out.row(from.next(from.given), result{}, errCutOff)
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d is not JSON: %w", from.next(syntax.Offset), err)
	}
	return fmt.Errorf("line %d: %w", from.line, err)
}

// walker goes through JSON of any depth.
type walker struct {
	from  *source
	json  *json.Decoder
	paths []string
	f     func(line int, object json.RawMessage) error
	// depth is how many objects and arrays are open; failed is what f returned.
	depth  int
	failed error
}

// deepest is how deep the arrays may lie.
const deepest = 32

var errTooDeep = fmt.Errorf("JSON that is nested more than %d deep", deepest)

// value goes through the next value, or the one that begins with a token that was read already.
func (w *walker) value(path string, depth int) error {
	if depth > deepest {
		return errTooDeep
	}
	w.from.next(w.json.InputOffset())
	token, err := w.json.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	w.depth++
	wanted := delim == '[' && slices.Contains(w.paths, path)
	for w.json.More() {
		inner := path
		switch {
		case wanted:
			if err := w.element(); err != nil {
				return err
			}
			continue
		case delim == '{':
			key, err := w.json.Token()
			if err != nil {
				return err
			}
			inner, _ = key.(string)
			if path != "" {
				inner = path + "." + inner
			}
		}
		if err := w.value(inner, depth+1); err != nil {
			return err
		}
	}
	if _, err := w.json.Token(); err != nil {
		return err
	}
	w.depth--
	return nil
}

func (w *walker) element() error {
	w.from.next(w.json.InputOffset())
	var object json.RawMessage
	if err := w.json.Decode(&object); err != nil {
		return err
	}
	w.failed = w.f(w.from.next(w.json.InputOffset()-int64(len(object))), object)
	return w.failed
}

// keysOf are the paths of keys in the JSON that a text begins with, as far as it goes.
func keysOf(text []byte) map[string]bool {
	keys := map[string]bool{}
	tokens := json.NewDecoder(bytes.NewReader(text))
	var value func(path string, depth int) bool
	value = func(path string, depth int) bool {
		token, err := tokens.Token()
		if err != nil || depth > deepest {
			return false
		}
		delim, ok := token.(json.Delim)
		for ok && tokens.More() {
			inner := path
			if delim == '{' {
				key, err := tokens.Token()
				if err != nil {
					return false
				}
				inner, _ = key.(string)
				if path != "" {
					inner = path + "." + inner
				}
				keys[inner] = true
			}
			if !value(inner, depth+1) {
				return false
			}
		}
		if ok {
			_, err = tokens.Token()
		}
		return err == nil
	}
	value("", 0)
	return keys
}
