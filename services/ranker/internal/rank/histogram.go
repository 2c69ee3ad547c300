package rank

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// maxBins is one more than the highest bin that a latency of 32 bits can be in.
const maxBins = 32 * BinsPerOctave

// Histogram counts what failed, and what went well by latency: bin b holds the latencies from 2^(b/32) µs up to the next bin.
type Histogram struct {
	Failures uint64
	// First is the bin of the first count.
	First  int
	Counts []uint64
}

// NewHistogram makes a histogram of failures and pairs of a bin and its count.
func NewHistogram(failures uint64, bins []int32, counts []uint64) (Histogram, error) {
	h := Histogram{Failures: failures}
	if len(bins) != len(counts) {
		return h, errors.New("there are not as many counts as bins")
	}
	for i, b := range bins {
		if b < 0 || b >= maxBins {
			return h, errors.New("a bin is out of range")
		}
		h.add(int(b), counts[i])
	}
	return h, nil
}

// add counts n latencies into a bin and keeps the counts free of zeroes at both ends.
func (h *Histogram) add(bin int, n uint64) {
	switch {
	case n == 0:
		return
	case len(h.Counts) == 0:
		h.First = bin
	case bin < h.First:
		h.Counts = append(make([]uint64, h.First-bin, h.First-bin+len(h.Counts)), h.Counts...)
		h.First = bin
	}
	for len(h.Counts) <= bin-h.First {
		h.Counts = append(h.Counts, 0)
	}
	h.Counts[bin-h.First] += n
}

// at is the count of a bin.
func (h Histogram) at(bin int) uint64 {
	if i := bin - h.First; i >= 0 && i < len(h.Counts) {
		return h.Counts[i]
	}
	return 0
}

// Samples is how many measurements the histogram holds, failures included.
func (h Histogram) Samples() uint64 {
	n := h.Failures
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// extent is the lowest bin that any of the histograms counts in, and how many there are up to the highest.
func extent(all []Histogram) (first, bins int) {
	first, end := maxBins, 0
	for i := range all {
		if h := &all[i]; len(h.Counts) > 0 {
			first, end = min(first, h.First), max(end, h.First+len(h.Counts))
		}
	}
	if end == 0 {
		return 0, 0
	}
	return first, end - first
}

func merge(all []Histogram) Histogram {
	if len(all) == 1 {
		return all[0]
	}
	first, bins := extent(all)
	sum := Histogram{First: first}
	if bins > 0 {
		sum.Counts = make([]uint64, bins)
	}
	for _, h := range all {
		sum.Failures += h.Failures
		for i, n := range h.Counts {
			sum.Counts[h.First-first+i] += n
		}
	}
	return sum
}

// quantile is a latency in microseconds, and whether it lies among the failures: then it is the time-out, and the truth is at least that.
type quantile struct {
	us       float64
	censored bool
}

// quantile returns the q-quantile by rank. Failures count as slower than everything that went well; nothing at all counts as failed.
func (h Histogram) quantile(q float64, timeoutUS int64) quantile {
	rank := max(1, uint64(math.Ceil(q*float64(h.Samples())-1e-9)))
	for i, n := range h.Counts {
		if n >= rank {
			return quantile{us: binCentre(h.First + i)}
		}
		rank -= n
	}
	return quantile{us: float64(timeoutUS), censored: true}
}

// binCentre is the geometric middle of a bin, in microseconds.
func binCentre(bin int) float64 {
	return math.Exp2((float64(bin) + 0.5) / BinsPerOctave)
}

// Histograms are those of a cell's blocks.
type Histograms []Histogram

// MarshalJSON writes all at once, which encoding/json takes several times as long for one by one.
func (all Histograms) MarshalJSON() ([]byte, error) {
	data := append(make([]byte, 0, 2+32*len(all)), '[')
	for i := range all {
		if i > 0 {
			data = append(data, ',')
		}
		data = all[i].append(data)
	}
	return append(data, ']'), nil
}

// UnmarshalJSON reads what MarshalJSON writes. It is called with what is JSON.
func (all *Histograms) UnmarshalJSON(data []byte) error {
	if *all = nil; string(data) == "null" {
		return nil
	}
	body, err := list(data)
	for err == nil && len(body) > 0 {
		end := bytes.IndexByte(body, ']') + 1
		if end == 0 {
			return fmt.Errorf("histograms: %.20q is no histogram", body)
		}
		var h Histogram
		err = h.UnmarshalJSON(body[:end])
		*all = append(*all, h)
		body = bytes.TrimLeft(body[end:], ", \t\r\n")
	}
	return err
}

// MarshalJSON writes [failures, first bin, count, count, …]; a negative number stands for that many empty bins. An empty histogram is [].
func (h Histogram) MarshalJSON() ([]byte, error) { return h.append(nil), nil }

func (h *Histogram) append(data []byte) []byte {
	if h.Failures == 0 && len(h.Counts) == 0 {
		return append(data, "[]"...)
	}
	data = strconv.AppendUint(append(data, '['), h.Failures, 10)
	if len(h.Counts) > 0 {
		data = strconv.AppendInt(append(data, ','), int64(h.First), 10)
	}
	for i := 0; i < len(h.Counts); i++ {
		n := int64(h.Counts[i])
		for ; h.Counts[i] == 0; i++ {
			n--
		}
		if n < 0 {
			i--
		}
		data = strconv.AppendInt(append(data, ','), n, 10)
	}
	return append(data, ']')
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Histogram) UnmarshalJSON(data []byte) error {
	numbers, err := integers(data)
	if err != nil {
		return err
	}
	*h = Histogram{}
	if len(numbers) == 0 {
		return nil
	}
	if numbers[0] < 0 {
		return errors.New("histogram: a negative number of failures")
	}
	h.Failures = uint64(numbers[0])
	if len(numbers) == 1 {
		return nil
	}
	bin := numbers[1]
	for _, n := range numbers[2:] {
		if bin < 0 || bin >= maxBins || n < -maxBins {
			return errors.New("histogram: a bin is out of range")
		}
		if n < 0 {
			bin -= n
			continue
		}
		h.add(int(bin), uint64(n))
		bin++
	}
	return nil
}

// integers reads a list of whole numbers. A ranking has thousands of short ones, for which encoding/json takes four times as long.
func integers(data []byte) ([]int64, error) {
	body, err := list(data)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	all := make([]int64, 0, 1+bytes.Count(body, []byte(",")))
	for word := range bytes.SplitSeq(body, []byte(",")) {
		n, err := strconv.ParseInt(string(bytes.TrimSpace(word)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("histogram: %w", err)
		}
		all = append(all, n)
	}
	return all, nil
}

// list is what stands between the brackets.
func list(data []byte) ([]byte, error) {
	body, opened := bytes.CutPrefix(bytes.TrimSpace(data), []byte("["))
	body, closed := bytes.CutSuffix(body, []byte("]"))
	if !opened || !closed {
		return nil, fmt.Errorf("histogram: %.20q is no list", data)
	}
	return bytes.TrimSpace(body), nil
}
