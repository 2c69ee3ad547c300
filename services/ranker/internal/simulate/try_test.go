package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/leeward-failover/leeward/services/ranker/internal/backtest"
)

func TestTry(t *testing.T) {
	f, _ := os.Open("/work/shared/data/region-latency/inter-region.csv")
	m, err := backtest.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), m, Options{Seed: 100, Windows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.Coverage {
		b, _ := json.Marshal(x)
		fmt.Println(string(b))
	}
	for _, x := range r.Bins {
		b, _ := json.Marshal(x)
		fmt.Println(string(b))
	}
	r.Coverage, r.Bins = nil, nil
	b, _ := json.MarshalIndent(r, "", " ")
	fmt.Println(string(b))
}
