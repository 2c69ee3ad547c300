package schemas

import (
	"fmt"
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of a ranking's wire form on the EVALUATIONS stream. Numbers are never reused.
const (
	evaluationApp protowire.Number = iota + 1
	evaluationAtUS
	evaluationTopology
	evaluationQuantile
	evaluationWindow
	evaluationInputs
	evaluationRow
	evaluationOrder
	evaluationDigest
	evaluationPackedInputs
	evaluationWarning
)

// The fields of what is published of one order beside its candidates.
const (
	orderActive protowire.Number = iota + 1
	orderChoiceRegion
	orderChoiceVariant
	orderRawRegion
	orderRawVariant
	orderWarming
	orderReason
	orderStability
)

// The fields of one row: a candidate of one order.
const (
	rowActive protowire.Number = iota + 1
	rowRegion
	rowVariant
	rowRank
	rowCostMS
	rowLowMS
	rowHighMS
	rowSamples
	rowFailures
	rowFlags
	rowGate
	rowPBest
	rowRegretMS
	rowDoubt
)

// The fields of one gate of a row.
const (
	gateName protowire.Number = iota + 1
	gateResult
	gateEvidence
	gateEvidenceAtUS
	gateValue
	gateThreshold
)

// The flags of a row.
const (
	flagRunning = 1 << iota
	flagCensored
	flagEnough
	flagEligible
)

// EncodeEvaluation validates a ranking and returns its subject and its wire form on the EVALUATIONS stream.
func EncodeEvaluation(r Ranking) (subject string, data []byte, err error) {
	if err := r.Validate(); err != nil {
		return "", nil, fmt.Errorf("evaluation: %w", err)
	}
	var w []byte
	w = appendText(w, evaluationApp, r.App)
	w = appendNumber(w, evaluationAtUS, uint64(r.At.UnixMicro()))
	w = appendText(w, evaluationTopology, r.Topology)
	w = appendFloat(w, evaluationQuantile, r.Quantile)
	w = appendNumber(w, evaluationWindow, uint64(r.WindowSeconds))
	w = appendInputs(w, r.Inputs)
	w = appendText(w, evaluationDigest, r.Digest)
	for _, warning := range r.Warnings {
		w = appendText(w, evaluationWarning, warning)
	}
	for _, o := range r.Orders {
		if said := encodeOrder(o); said != nil {
			w = protowire.AppendBytes(protowire.AppendTag(w, evaluationOrder, protowire.BytesType), said)
		}
		for _, c := range o.Candidates {
			w = protowire.AppendBytes(protowire.AppendTag(w, evaluationRow, protowire.BytesType), encodeRow(o.Active, c))
		}
	}
	return EvaluationSubject(r.App), w, nil
}

// encodeOrder returns nothing for an order of which nothing is said: its candidates name the active region.
func encodeOrder(o Order) []byte {
	var w []byte
	w = appendText(w, orderChoiceRegion, o.Choice.Region)
	w = appendText(w, orderChoiceVariant, o.Choice.Variant)
	w = appendText(w, orderRawRegion, o.Raw.Region)
	w = appendText(w, orderRawVariant, o.Raw.Variant)
	if o.Warming {
		w = appendNumber(w, orderWarming, 1)
	}
	w = appendText(w, orderReason, o.Reason)
	w = appendText(w, orderStability, string(o.Stability))
	if w == nil {
		return nil
	}
	return appendText(w, orderActive, o.Active)
}

func encodeRow(active string, c RankedCandidate) []byte {
	var w []byte
	w = appendText(w, rowActive, active)
	w = appendText(w, rowRegion, c.Region)
	w = appendText(w, rowVariant, c.Variant)
	w = appendNumber(w, rowRank, uint64(c.Rank))
	w = appendFloat(w, rowCostMS, c.CostMS)
	w = appendFloat(w, rowLowMS, c.LowMS)
	w = appendFloat(w, rowHighMS, c.HighMS)
	w = appendNumber(w, rowSamples, c.Samples)
	w = appendNumber(w, rowFailures, c.Failures)
	var flags uint64
	for i, set := range []bool{c.Running, c.Censored, c.Enough, c.Eligible} {
		if set {
			flags |= 1 << i
		}
	}
	w = appendNumber(w, rowFlags, flags)
	w = appendServe(w, c.ServeMS)
	if c.PBest != 0 || c.RegretMS != 0 {
		w = appendFloat(appendFloat(w, rowPBest, c.PBest), rowRegretMS, c.RegretMS)
	}
	w = appendText(w, rowDoubt, c.Doubt)
	for _, g := range c.Gates {
		var x []byte
		x = appendText(x, gateName, g.Name)
		x = appendText(x, gateResult, string(g.Result))
		x = appendText(x, gateEvidence, g.Evidence)
		if !g.EvidenceAt.IsZero() {
			x = appendNumber(x, gateEvidenceAtUS, uint64(g.EvidenceAt.UnixMicro()))
		}
		x = appendText(x, gateValue, g.Value)
		x = appendText(x, gateThreshold, g.Threshold)
		w = protowire.AppendBytes(protowire.AppendTag(w, rowGate, protowire.BytesType), x)
	}
	return w
}

func appendNumber(w []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(w, n, protowire.VarintType), v)
}

func appendFloat(w []byte, n protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(w, n, protowire.Fixed64Type), math.Float64bits(v))
}

// DecodeEvaluation reads and validates a ranking from the EVALUATIONS stream and refuses one whose subject is another app's. Unknown fields are ignored.
func DecodeEvaluation(subject string, data []byte) (Ranking, error) {
	var r Ranking
	order := func(active string) *Order {
		i := slices.IndexFunc(r.Orders, func(o Order) bool { return o.Active == active })
		if i < 0 {
			i = len(r.Orders)
			r.Orders = append(r.Orders, Order{Active: active})
		}
		return &r.Orders[i]
	}
	err := eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case evaluationApp:
			r.App = f.text()
		case evaluationAtUS:
			r.At = time.UnixMicro(int64(f.number)).UTC()
		case evaluationTopology:
			r.Topology = f.text()
		case evaluationQuantile:
			r.Quantile = f.float()
		case evaluationWindow:
			r.WindowSeconds = int(f.number)
		case evaluationInputs:
			r.Inputs = append(r.Inputs, f.bytes...)
		case evaluationRow:
			active, c, err := decodeRow(f.bytes)
			if err != nil {
				return err
			}
			o := order(active)
			o.Candidates = append(o.Candidates, c)
		case evaluationOrder:
			said, err := decodeOrder(f.bytes)
			if err != nil {
				return err
			}
			o := order(said.Active)
			said.Candidates = o.Candidates
			*o = said
		case evaluationDigest:
			r.Digest = f.text()
		case evaluationWarning:
			r.Warnings = append(r.Warnings, f.text())
		case evaluationPackedInputs:
			inputs, err := unpack(f.bytes)
			if err != nil {
				return err
			}
			r.Inputs = inputs
		}
		return nil
	})
	if err == nil {
		err = r.Validate()
	}
	if err != nil {
		return Ranking{}, fmt.Errorf("%s: %w", subject, err)
	}
	if want := EvaluationSubject(r.App); want != subject {
		return Ranking{}, fmt.Errorf("subject %s disagrees with its payload, which belongs on %s", subject, want)
	}
	return r, nil
}

func decodeOrder(data []byte) (o Order, err error) {
	err = eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case orderActive:
			o.Active = f.text()
		case orderChoiceRegion:
			o.Choice.Region = f.text()
		case orderChoiceVariant:
			o.Choice.Variant = f.text()
		case orderRawRegion:
			o.Raw.Region = f.text()
		case orderRawVariant:
			o.Raw.Variant = f.text()
		case orderWarming:
			o.Warming = f.number != 0
		case orderReason:
			o.Reason = f.text()
		case orderStability:
			o.Stability = append(o.Stability, f.bytes...)
		}
		return nil
	})
	return o, err
}

func decodeRow(data []byte) (active string, c RankedCandidate, err error) {
	err = eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case rowActive:
			active = f.text()
		case rowRegion:
			c.Region = f.text()
		case rowVariant:
			c.Variant = f.text()
		case rowRank:
			c.Rank = int(f.number)
		case rowCostMS:
			c.CostMS = f.float()
		case rowLowMS:
			c.LowMS = f.float()
		case rowHighMS:
			c.HighMS = f.float()
		case rowSamples:
			c.Samples = f.number
		case rowFailures:
			c.Failures = f.number
		case rowFlags:
			c.Running, c.Censored = f.number&flagRunning != 0, f.number&flagCensored != 0
			c.Enough, c.Eligible = f.number&flagEnough != 0, f.number&flagEligible != 0
		case rowServeMS:
			c.ServeMS = decodeServe(f)
		case rowPBest:
			c.PBest = f.float()
		case rowRegretMS:
			c.RegretMS = f.float()
		case rowDoubt:
			c.Doubt = f.text()
		case rowGate:
			g, err := decodeGate(f.bytes)
			if err != nil {
				return err
			}
			c.Gates = append(c.Gates, g)
		}
		return nil
	})
	return active, c, err
}

func decodeGate(data []byte) (g Gate, err error) {
	err = eachField(data, func(n protowire.Number, f field) error {
		switch n {
		case gateName:
			g.Name = f.text()
		case gateResult:
			g.Result = GateResult(f.text())
		case gateEvidence:
			g.Evidence = f.text()
		case gateEvidenceAtUS:
			g.EvidenceAt = time.UnixMicro(int64(f.number)).UTC()
		case gateValue:
			g.Value = f.text()
		case gateThreshold:
			g.Threshold = f.text()
		}
		return nil
	})
	return g, err
}

// field is the value of one protobuf field: a number (also a float's bits) or bytes.
type field struct {
	number uint64
	bytes  []byte
}

func (f field) text() string   { return string(f.bytes) }
func (f field) float() float64 { return math.Float64frombits(f.number) }

// eachField calls visit for every field of a protobuf message.
func eachField(data []byte, visit func(protowire.Number, field) error) error {
	for len(data) > 0 {
		n, t, size := protowire.ConsumeTag(data)
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		var f field
		switch t {
		case protowire.VarintType:
			f.number, size = protowire.ConsumeVarint(data)
		case protowire.Fixed64Type:
			f.number, size = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			f.bytes, size = protowire.ConsumeBytes(data)
		default:
			size = protowire.ConsumeFieldValue(n, t, data)
		}
		if size < 0 {
			return fmt.Errorf("field %d: %w", n, protowire.ParseError(size))
		}
		data = data[size:]
		if err := visit(n, f); err != nil {
			return err
		}
	}
	return nil
}
