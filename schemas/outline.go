package schemas

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// OutlinedField is a field of a sample batch as far as it can be read without the rest.
type OutlinedField struct {
	Name string `json:"field" doc:"Its name, or column and its number"`
	// Value is a text or a number; a column's values are only counted.
	Value string `json:"value"`
	Bytes int    `json:"bytes" doc:"Length of a text or a column on the wire"`
}

var outlineNames = map[protowire.Number]string{
	fieldVantage: "vantage", fieldBoot: "boot", fieldCounter: "counter", fieldVantageRegion: "vantage region", fieldDict: "dictionary", fieldTopology: "topology", fieldSpooled: "spooled", fieldDue: "due times",
}

// OutlineSampleBatch reads the fields of a batch that DecodeSampleBatch refuses, up to the first that is not protobuf, for people who look for the reason.
func OutlineSampleBatch(data []byte) (fields []OutlinedField, err error) {
	err = eachField(data, func(n protowire.Number, f field) error {
		name, single := outlineNames[n]
		if !single {
			name = "column " + strconv.Itoa(int(n))
		}
		o := OutlinedField{Name: name, Bytes: len(f.bytes)}
		switch {
		case f.bytes == nil:
			o.Value = strconv.FormatUint(f.number, 10)
		case single && n != fieldDue:
			o.Value = f.text()
		default:
			o.Value = strconv.Itoa(countVarints(f.bytes)) + " values"
		}
		fields = append(fields, o)
		return nil
	})
	return fields, err
}

// countVarints counts the numbers of a packed column by their last bytes.
func countVarints(packed []byte) int {
	n := 0
	for _, c := range packed {
		if c < 0x80 {
			n++
		}
	}
	return n
}
