package schemas

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxInputs is the most that a ranking's inputs may unpack to: a message must not make its reader allocate without end.
const maxInputs = 16 << 20

// appendInputs writes a ranking's inputs packed by DEFLATE, or as they are when they are too short to gain from it.
func appendInputs(w []byte, inputs json.RawMessage) []byte {
	var packed bytes.Buffer
	// A buffer takes every write, and the level is one that there is.
	z, _ := flate.NewWriter(&packed, flate.BestSpeed)
	_, _ = z.Write(inputs)
	_ = z.Close()
	if packed.Len() >= len(inputs) {
		return appendText(w, evaluationInputs, string(inputs))
	}
	return protowire.AppendBytes(protowire.AppendTag(w, evaluationPackedInputs, protowire.BytesType), packed.Bytes())
}

func unpack(packed []byte) (json.RawMessage, error) {
	inputs, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxInputs+1))
	if err != nil {
		return nil, fmt.Errorf("packed inputs: %w", err)
	}
	if len(inputs) > maxInputs {
		return nil, errors.New("packed inputs: they are too long")
	}
	return inputs, nil
}
