package schemas_test

import (
	"strings"
	"testing"

	"github.com/leeward-failover/leeward/schemas"
)

func TestOutlineReadsABatchUpToWhatIsBroken(t *testing.T) {
	b := schemas.SampleBatch{Vantage: "tokyo", Boot: 7, Counter: 1}
	for range 3 {
		b.Append(schemas.Sample{App: "shop", Region: "london", Variant: "slim", Kind: schemas.KindTCP, Outcome: schemas.OK, DueUS: 1, LatencyUS: 300})
	}
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	outline := func(data []byte) (string, error) {
		fields, err := schemas.OutlineSampleBatch(data)
		var lines []string
		for _, f := range fields {
			lines = append(lines, f.Name+"="+f.Value)
		}
		return strings.Join(lines, ", "), err
	}
	const head = "vantage=tokyo, boot=7, counter=1, dictionary=shop, dictionary=london, dictionary=slim, due times=3 values, column 12=3 values"
	if got, err := outline(data); err != nil || !strings.HasPrefix(got, head) || !strings.Contains(got, "column 16=3 values") {
		t.Errorf("the whole is %s: %v", got, err)
	}
	if got, err := outline(append(data, 0xff)); err == nil || !strings.HasPrefix(got, head) {
		t.Errorf("with a broken end it is %s: %v", got, err)
	}
	if got, err := outline([]byte("no protobuf")); err == nil {
		t.Errorf("no protobuf is %q", got)
	}
}
