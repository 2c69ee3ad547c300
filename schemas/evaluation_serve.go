package schemas

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field of a row that says how long its candidate takes to serve. Those between are left to others.
const rowServeMS protowire.Number = 20

func appendServe(w []byte, ms *float64) []byte {
	if ms == nil {
		return w
	}
	return appendFloat(w, rowServeMS, *ms)
}

func decodeServe(f field) *float64 {
	ms := f.float()
	return &ms
}

func (c *check) serve(ms *float64) {
	if ms != nil {
		c.that(*ms >= 0 && !math.IsInf(*ms, 0) && !math.IsNaN(*ms), "serve_ms %v is no time", *ms)
	}
}
