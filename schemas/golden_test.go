package schemas_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

// update writes the golden files that are missing. One that exists is a promise to whatever is stored somewhere, and is never written again.
var update = flag.Bool("update", false, "write missing golden files")

// golden is a value whose wire form is kept in a file.
type golden struct {
	file  string
	value any
	// encode returns what the file should hold, decode what a file's content means.
	encode func() ([]byte, error)
	decode func([]byte) (any, error)
	// refused decodes the value's wire form from a place that belongs to another.
	refused func() error
}

// envelope is a golden file: a payload with the place it belongs to, a subject or a key.
type envelope struct {
	Place    string          `json:"place"`
	Identity string          `json:"identity,omitempty"`
	Payload  json.RawMessage `json:"payload"`
}

func (e envelope) write() ([]byte, error) {
	data, err := json.MarshalIndent(e, "", "  ")
	return append(data, '\n'), err
}

func readEnvelope(data []byte) (envelope, error) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		return e, err
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, e.Payload)
	e.Payload = compact.Bytes()
	return e, err
}

func event[E schemas.Event](topic schemas.Topic[E], value E) golden {
	noun := strings.Split(topic.Contract().Name, ".")
	return golden{
		file: noun[1] + "_" + noun[2] + "." + noun[3] + ".json", value: value,
		encode: func() ([]byte, error) {
			subject, data, err := topic.Encode(value)
			if err != nil {
				return nil, err
			}
			return envelope{subject, value.Identity(), data}.write()
		},
		decode: func(data []byte) (any, error) {
			e, err := readEnvelope(data)
			if err != nil {
				return nil, err
			}
			return topic.Decode(e.Place, e.Payload)
		},
		refused: func() error {
			subject, data, _ := topic.Encode(value)
			_, err := topic.Decode(subject+"-2", data)
			return err
		},
	}
}

// variant is another value of the same payload, with a file of its own.
func (g golden) variant(suffix string) golden {
	g.file = strings.TrimSuffix(g.file, ".json") + suffix + ".json"
	return g
}

func entry[V schemas.Value](bucket schemas.Bucket[V], suffix string, value V) golden {
	return golden{
		file: bucket.Name() + suffix + ".json", value: value,
		encode: func() ([]byte, error) {
			key, data, err := bucket.Encode(value)
			if err != nil {
				return nil, err
			}
			return envelope{Place: key, Payload: data}.write()
		},
		decode: func(data []byte) (any, error) {
			e, err := readEnvelope(data)
			if err != nil {
				return nil, err
			}
			return bucket.Decode(e.Place, e.Payload)
		},
		refused: func() error {
			key, data, _ := bucket.Encode(value)
			_, err := bucket.Decode(key+"-2", data)
			return err
		},
	}
}

// batch is a protobuf payload: its file holds the subject, then the bytes in hex.
func batch(file string, value any, encode func() (string, []byte, error), decode func(string, []byte) (any, error)) golden {
	return golden{
		file: file, value: value,
		encode: func() ([]byte, error) {
			subject, data, err := encode()
			if err != nil {
				return nil, err
			}
			text := subject + "\n"
			for line := range slices.Chunk(data, 32) {
				text += hex.EncodeToString(line) + "\n"
			}
			return []byte(text), nil
		},
		decode: func(text []byte) (any, error) {
			subject, digits, _ := strings.Cut(string(text), "\n")
			data, err := hex.DecodeString(strings.ReplaceAll(digits, "\n", ""))
			if err != nil {
				return nil, err
			}
			return decode(subject, data)
		},
		refused: func() error {
			subject, data, _ := encode()
			_, err := decode(subject+"-2", data)
			return err
		},
	}
}

func TestWireFormsAreTheGoldenOnes(t *testing.T) {
	for _, g := range goldens() {
		t.Run(g.file, func(t *testing.T) {
			path := filepath.Join("testdata", g.file)
			got, err := g.encode()
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(path)
			if os.IsNotExist(err) && *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				want, err = got, nil
			}
			if err != nil {
				t.Fatalf("%v; a new payload's file is written by go test -run Golden -update", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("encoded\n%s\nwant\n%s\nWhat is stored and what older services send looks like the file: a changed payload needs a new version.", got, want)
			}
			value, err := g.decode(want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(value, g.value) {
				t.Errorf("decoded\n%+v\nwant\n%+v", value, g.value)
			}
			if err := g.refused(); err == nil {
				t.Error("the payload was accepted on a subject or key that is not its own")
			}
		})
	}
}

func TestEveryContractHasAGoldenFileAndEveryFileAContract(t *testing.T) {
	known := map[string]bool{}
	covered := map[string]bool{}
	for _, g := range goldens() {
		known[g.file] = true
		base, _, _ := strings.Cut(g.file, ".")
		covered[base] = true
	}
	for _, c := range schemas.Catalog() {
		if noun := strings.Split(c.Name, "."); !known[fmt.Sprintf("%s_%s.%s.json", noun[1], noun[2], noun[3])] {
			t.Errorf("%s has no golden value", c.Name)
		}
	}
	for _, b := range schemas.Buckets() {
		if !covered[b.Name] {
			t.Errorf("bucket %s has no golden value", b.Name)
		}
	}
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[filepath.Base(f)] {
			t.Errorf("%s is read by no test: payloads that were ever sent stay readable", f)
		}
	}
}

// TestReadersIgnoreFieldsTheyDoNotKnow is what lets readers ship after writers of a new optional field.
func TestReadersIgnoreFieldsTheyDoNotKnow(t *testing.T) {
	for _, g := range goldens() {
		if !strings.HasSuffix(g.file, ".json") {
			continue
		}
		data, err := g.encode()
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.Replace(data, []byte(`"payload": {`), []byte(`"payload": {"from_the_future": {"x": [1]},`), 1)
		if value, err := g.decode(data); err != nil || !reflect.DeepEqual(value, g.value) {
			t.Errorf("%s with an unknown field: %v", g.file, err)
		}
	}
}

// TestGoldenValuesLeaveNoFieldOut keeps the files telling: a field that is zero everywhere is a field whose wire form nothing holds still.
func TestGoldenValuesLeaveNoFieldOut(t *testing.T) {
	set, all := map[string]bool{}, map[string]bool{}
	for _, g := range goldens() {
		visit(reflect.ValueOf(g.value), set, all)
	}
	for name := range all {
		if !set[name] {
			t.Errorf("%s is zero in every golden value", name)
		}
	}
}

func visit(v reflect.Value, set, all map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Elem(), set, all)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), set, all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				name := v.Type().Name() + "." + f.Name
				all[name] = true
				set[name] = set[name] || !v.Field(i).IsZero()
				visit(v.Field(i), set, all)
			}
		}
	}
}
