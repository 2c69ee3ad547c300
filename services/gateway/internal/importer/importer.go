// Package importer turns the results of load generators and of other people's monitors into samples of kind bench. It reads; sending them is for others.
package importer

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// Auto is the format of results that are to be recognised by their content.
const Auto = "auto"

// Target is what the results are about where they do not say so themselves.
type Target struct {
	App, Region, Variant string
	// From is the region that the load came from, if any.
	From string
	// Time is when the run began, for results that count from there, or when it was measured, for results that have no time at all.
	Time time.Time
}

// Report is what became of the rows of a file.
type Report struct {
	// Import names the results: the same results imported again have the same name.
	Import  string `json:"import" doc:"Name of the import: the same results for the same target have the same one"`
	Format  string `json:"format" doc:"Format of the results"`
	Samples int    `json:"samples" doc:"Samples made of them"`
	LeftOut int    `json:"left_out" doc:"Rows that are no samples"`
	// Reasons are those of the first rows that were left out.
	Reasons []string `json:"reasons,omitempty" doc:"Why, of the first of those, with their lines"`
}

// maxReasons is how many rows that were left out are told of one by one.
const maxReasons = 10

// shape is one way that results may be written.
type shape struct {
	format string
	// from says where it comes from, in the user's words.
	from string
	is   func(head) bool
	read func(*bufio.Reader, *rows) error
}

// shapes are tried one after the other; of one that is written in many ways, the surest sign comes first.
var shapes = slices.Concat(leewardShapes, k6Shapes, jmeterShapes, vegetaShapes, heyShapes, ohaShapes, wrk2Shapes,
	atlasShapes, pingdomShapes, newrelicShapes, dynatraceShapes, datadogShapes, cloudproberShapes, prometheusShapes, remoteWriteShapes)

// Formats are the names of the formats.
func Formats() []string {
	names := []string{}
	for _, s := range shapes {
		if !slices.Contains(names, s.format) {
			names = append(names, s.format)
		}
	}
	return names
}

// refuse is the reader of what holds no requests.
func refuse(why string) func(*bufio.Reader, *rows) error {
	return func(*bufio.Reader, *rows) error { return errors.New(why) }
}

// recognise finds the shape of results that are said to be of a format.
func recognise(format string, h head) (shape, error) {
	if names := Formats(); format != Auto && !slices.Contains(names, format) {
		return shape{}, fmt.Errorf("there is no format %q; the formats are %s, and %s finds out which it is", format, strings.Join(names, ", "), Auto)
	}
	var expected []string
	var other *shape
	for _, s := range shapes {
		mine := format == Auto || format == s.format
		switch {
		case s.is(h) && mine:
			return s, nil
		case s.is(h) && other == nil:
			other = &s
		case mine:
			expected = append(expected, s.from)
		}
	}
	begins := fmt.Sprintf("it begins with %.60q", h.first)
	switch {
	case len(h.text) == 0:
		return shape{}, errors.New("it is empty")
	case other != nil:
		return shape{}, fmt.Errorf("these are no results of %s: %s, which is %s; import it as %s", format, begins, other.from, other.format)
	case format == Auto:
		return shape{}, fmt.Errorf("the format is not recognised: %s; the formats are %s (docs/reference/import.md)", begins, strings.Join(Formats(), ", "))
	}
	return shape{}, fmt.Errorf("these are no results of %s: %s, where %s is expected", format, begins, strings.Join(expected, ", or "))
}

// Results are those of one file.
type Results struct {
	Report
	file   io.ReadSeeker
	shape  shape
	target Target
	boot   uint64
}

// Read reads the whole file once and keeps nothing of it: what can not be imported is known before the first sample is sent.
func Read(file io.ReadSeeker, format string, t Target) (*Results, error) {
	r := &Results{file: file, target: t}
	hash := sha256.New()
	// Everything that decides what is stored is in the name, so that the bus can tell a repeated import.
	fmt.Fprintf(hash, "%q", []string{t.App, t.Region, t.Variant, t.From, t.Time.UTC().Format(time.RFC3339Nano)})
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	sum := hash.Sum(nil)
	r.Import, r.boot = hex.EncodeToString(sum[:8]), binary.BigEndian.Uint64(sum)>>1|1
	in, err := r.rewind()
	if err != nil {
		return nil, err
	}
	h := headOf(in)
	if r.shape, err = recognise(format, h); err != nil {
		return nil, err
	}
	r.Format = r.shape.format
	if err := r.pass(in, func(*schemas.SampleBatch) error { return nil }); err != nil {
		return nil, err
	}
	if r.Samples == 0 && r.LeftOut == 0 {
		return nil, errors.New("there is no result in it")
	}
	if r.Samples == 0 {
		return nil, fmt.Errorf("not one of %d rows is a sample; %s", r.LeftOut, r.Reasons[0])
	}
	return r, nil
}

// Send reads the file again and hands its samples over in batches, which are those of the import however often it is done.
func (r *Results) Send(send func(*schemas.SampleBatch) error) error {
	in, err := r.rewind()
	if err != nil {
		return err
	}
	return r.pass(in, send)
}

func (r *Results) rewind() (*bufio.Reader, error) {
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(r.file, headSize)
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.Discard(3)
	}
	return in, nil
}

func (r *Results) pass(in *bufio.Reader, send func(*schemas.SampleBatch) error) error {
	out := &rows{target: r.target, send: send}
	out.batch = schemas.SampleBatch{Vantage: schemas.ImportVantage, VantageRegion: r.target.From, Boot: r.boot, Counter: 1}
	err := r.shape.read(in, out)
	if err == nil {
		err = out.flush()
	}
	r.Samples, r.LeftOut, r.Reasons = out.samples, out.leftOut, out.reasons
	return err
}

// perBatch is how many samples travel together.
const perBatch = 1000

// rows takes what a reader finds.
type rows struct {
	target           Target
	send             func(*schemas.SampleBatch) error
	batch            schemas.SampleBatch
	samples, leftOut int
	reasons          []string
}

// row takes one row: a result, or why it is none, which leaves it out. An error ends the import.
func (r *rows) row(line int, res result, err error) error {
	s, invalid := res.sample(r.target)
	switch {
	case err == nil && errors.Is(invalid, errNowhere):
		if line == 0 { // of a format without lines
			return invalid
		}
		return fmt.Errorf("line %d: %w", line, invalid)
	case err == nil && invalid != nil:
		err = invalid
	}
	if err != nil {
		r.leftOut++
		if len(r.reasons) < maxReasons {
			reason := strings.ReplaceAll(err.Error(), "\n", "; ")
			if line > 0 {
				reason = fmt.Sprintf("line %d: %s", line, reason)
			}
			r.reasons = append(r.reasons, reason)
		}
		return nil
	}
	r.samples++
	r.batch.Append(s)
	if r.batch.Len() < perBatch {
		return nil
	}
	return r.flush()
}

// flush sends the open batch and begins the next.
func (r *rows) flush() error {
	if r.batch.Len() == 0 {
		return nil
	}
	if err := r.batch.Validate(); err != nil {
		return err
	}
	if err := r.send(&r.batch); err != nil {
		return err
	}
	r.batch = schemas.SampleBatch{Vantage: r.batch.Vantage, VantageRegion: r.batch.VantageRegion, Boot: r.batch.Boot, Counter: r.batch.Counter + 1}
	return nil
}

// headSize is how much of a file is looked at to recognise it.
const headSize = 64 << 10

// head is the beginning of a file.
type head struct {
	text []byte
	// first is the first line.
	first string
	// keys are the paths of keys in the JSON that it begins with, such as data.value; arrays are no part of a path.
	keys map[string]bool
}

func headOf(in *bufio.Reader) head {
	text, _ := in.Peek(headSize)
	first, _, _ := bytes.Cut(bytes.TrimLeft(text, " \t\r\n"), []byte("\n"))
	return head{text: text, first: strings.TrimSpace(string(first)), keys: keysOf(text)}
}

// has says that all of these keys are there.
func (h head) has(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return !h.keys[k] })
}
