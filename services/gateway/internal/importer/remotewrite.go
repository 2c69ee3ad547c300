package importer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

var remoteWriteShapes = []shape{
	{"remote-write", "a request of Prometheus's remote write 1.0", isRemoteWrite, remoteWrite},
}

// isRemoteWrite says that a snappy block begins whose content begins with a message's series, or the symbols of remote write 2.0.
func isRemoteWrite(h head) bool {
	_, n := binary.Uvarint(h.text)
	if n <= 0 || len(h.text) <= n || h.text[n]&3 != 0 {
		return false
	}
	at := n + 1
	if long := int(h.text[n]>>2) - 59; long > 0 {
		at += long
	}
	return len(h.text) > at && (h.text[at] == 1<<3|2 || h.text[at] == 4<<3|2)
}

// maxWrite bounds a request before and after it is unpacked, many times what Prometheus sends at once.
const maxWrite = 64 << 20

func remoteWrite(in *bufio.Reader, out *rows) error {
	packed, err := io.ReadAll(io.LimitReader(in, maxWrite+1))
	if err != nil {
		return err
	}
	n, err := snappy.DecodedLen(packed)
	if err == nil && max(n, len(packed)) > maxWrite {
		return fmt.Errorf("a request of more than %d MiB; have Prometheus send less at once (queue_config: max_samples_per_send)", maxWrite>>20)
	}
	var message []byte
	if err == nil {
		message, err = snappy.Decode(nil, packed)
	}
	if err != nil {
		return fmt.Errorf("this is no snappy block: %w", err)
	}
	p := probes{}
	err = fields(message, func(number protowire.Number, series []byte, _ uint64) error {
		switch number {
		case 1:
			return p.addSeries(series)
		case 4:
			return errors.New("this is remote write 2.0; have Prometheus send 1.0 (remote_write: protobuf_message: prometheus.WriteRequest)")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.end(out)
}

// addSeries reads a series: its labels, then its values with their times in milliseconds.
func (p probes) addSeries(series []byte) error {
	labels := map[string]string{}
	return fields(series, func(number protowire.Number, inner []byte, _ uint64) error {
		switch number {
		case 1:
			var pair [3]string
			err := fields(inner, func(number protowire.Number, text []byte, _ uint64) error {
				if number == 1 || number == 2 {
					pair[number] = string(text)
				}
				return nil
			})
			labels[pair[1]] = pair[2]
			return err
		case 2:
			var value float64
			var at int64
			err := fields(inner, func(number protowire.Number, _ []byte, bits uint64) error {
				switch number {
				case 1:
					value = math.Float64frombits(bits)
				case 2:
					at = int64(bits)
				}
				return nil
			})
			p.add(labels["__name__"], labels, time.UnixMilli(at), value)
			return err
		}
		return nil
	})
}

// fields calls f for each field of a message with its bytes or its number.
func fields(message []byte, f func(number protowire.Number, inner []byte, bits uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("this is no request of remote write: %w", protowire.ParseError(n))
		}
		message = message[n:]
		var inner []byte
		var bits uint64
		switch kind {
		case protowire.BytesType:
			inner, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			bits, n = protowire.ConsumeVarint(message)
		case protowire.Fixed64Type:
			bits, n = protowire.ConsumeFixed64(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("this is no request of remote write: %w", protowire.ParseError(n))
		}
		if err := f(number, inner, bits); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
