package schemas

import (
	"encoding/json"
	"fmt"
	"time"
)

// BucketContract is what a key-value bucket promises, apart from its value type.
type BucketContract struct {
	Name string
	// Writer is the only service that writes the bucket.
	Writer Service
	// Readers watch or read it. The gateway reads every bucket and is not listed.
	Readers []Service
	// Expires says that keys are written with a time to live.
	Expires bool
	Doc     string
}

// Value is what a bucket holds: it knows its key and whether it is well formed.
type Value interface {
	Validate() error
	// Key returns the tokens of the value's key.
	Key() []string
}

// Bucket binds a bucket to its value type.
type Bucket[V Value] struct{ contract BucketContract }

// Contract returns what the bucket promises.
func (b Bucket[V]) Contract() BucketContract { return b.contract }

// Name returns the bucket's name.
func (b Bucket[V]) Name() string { return b.contract.Name }

// Encode validates a value and returns its key and wire form.
func (b Bucket[V]) Encode(v V) (key string, data []byte, err error) {
	if err := v.Validate(); err != nil {
		return "", nil, fmt.Errorf("%s: %w", b.contract.Name, err)
	}
	if data, err = json.Marshal(v); err != nil {
		return "", nil, fmt.Errorf("%s: %w", b.contract.Name, err)
	}
	return joinTokens(v.Key()), data, nil
}

// Decode reads and validates a value and refuses one that is stored under a key that is not its own.
func (b Bucket[V]) Decode(key string, data []byte) (v V, err error) {
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("%s/%s: %w", b.contract.Name, key, err)
	}
	if err := v.Validate(); err != nil {
		return v, fmt.Errorf("%s/%s: %w", b.contract.Name, key, err)
	}
	if want := joinTokens(v.Key()); want != key {
		return v, fmt.Errorf("%s/%s: the value belongs under key %s", b.contract.Name, key, want)
	}
	return v, nil
}

// KeyOf makes a key from its tokens.
func KeyOf(tokens ...string) string { return joinTokens(tokens) }

// The buckets. A value's freshness is the reader's business: values that age carry their own time.
var (
	TopologyBucket = Bucket[TopologyPart]{BucketContract{Name: "topology", Writer: Gateway, Readers: []Service{Builder, Prober, Recorder, Ranker, Actuator, Runtime},
		Doc: "The accepted leeward.yaml: a key per region, vantage and app of it, then `current`, the content hash services switch at."}}
	BuildBucket = Bucket[BuildState]{BucketContract{Name: "builds", Writer: Builder,
		Doc: "Per app and variant: the newest build, and the image every region is to hold."}}
	ImageBucket = Bucket[ImageState]{BucketContract{Name: "images", Writer: Builder, Readers: []Service{Ranker, Actuator, Runtime},
		Doc: "Per app, variant and region: the digest that region should run, and whether its registry was seen to hold it."}}
	BenchmarkBucket = Bucket[BenchmarkState]{BucketContract{Name: "benchmarks", Writer: Builder, Readers: []Service{Ranker},
		Doc: "Per app, variant and region: how long the image took lately from the region's registry to its first healthy answer on the builder's machine."}}
	VerdictBucket = Bucket[Verdict]{BucketContract{Name: "verdicts", Writer: Prober, Readers: []Service{Ranker, Actuator}, Expires: true,
		Doc: "Per vantage, app and region: the latest judgement, rewritten every round, gone after three."}}
	VantageBucket = Bucket[Presence]{BucketContract{Name: "vantages", Writer: Prober, Readers: []Service{Ranker, Actuator}, Expires: true,
		Doc: "Per vantage: that it is there, and whether it reaches its anchors."}}
	RankingBucket = Bucket[Ranking]{BucketContract{Name: "rankings", Writer: Ranker, Readers: []Service{Actuator},
		Doc: "Per app: the last good ranking, one order per possible active region."}}
	AnomalyBucket = Bucket[Anomaly]{BucketContract{Name: "anomalies", Writer: Ranker,
		Doc: "Per anomaly: what was last told of it; those that ended stay for a day."}}
	RouteBucket = Bucket[Route]{BucketContract{Name: "routes", Writer: Actuator, Readers: []Service{Ranker},
		Doc: "Per app: where its traffic is sent, under which epoch, by which plan."}}
	LoadBucket = Bucket[Load]{BucketContract{Name: "loads", Writer: Actuator, Readers: []Service{Ranker},
		Doc: "Per app: the requests per second that its targets are asked for, and the requests of late by region."}}
	OverrideBucket = Bucket[Override]{BucketContract{Name: "overrides", Writer: Gateway, Readers: []Service{Ranker, Actuator}, Expires: true,
		Doc: "Per app and region, or region and variant: what a person ordered of it, why, and until when."}}
	PlanBucket = Bucket[Plan]{BucketContract{Name: "plans", Writer: Actuator,
		Doc: "Per app and plan: the plan with its step journal."}}
	LeaseBucket = Bucket[Lease]{BucketContract{Name: "leases", Writer: Actuator, Expires: true,
		Doc: "Per app: which actuator may act. Renewed by publishing with a time to live and the expected revision."}}
	ShareBucket = Bucket[Lease]{BucketContract{Name: "recorder-leases", Writer: Recorder, Expires: true,
		Doc: "Per partition: which recorder may write it; and per recorder: that it is there, which is how several share the partitions."}}
	IntentBucket = Bucket[InsertIntent]{BucketContract{Name: "recorder", Writer: Recorder,
		Doc: "Per stream partition: the block the recorder is inserting or has inserted."}}
)

// Buckets lists every bucket's contract.
func Buckets() []BucketContract {
	return []BucketContract{
		TopologyBucket.contract, BuildBucket.contract, ImageBucket.contract, BenchmarkBucket.contract, VerdictBucket.contract, VantageBucket.contract, RankingBucket.contract, AnomalyBucket.contract,
		RouteBucket.contract, LoadBucket.contract, OverrideBucket.contract, PlanBucket.contract, LeaseBucket.contract, ShareBucket.contract, IntentBucket.contract,
		DiscoveryBucket.contract, GatewayLeaseBucket.contract,
	}
}

// BucketStream is the name of the stream behind a bucket.
func BucketStream(bucket string) string { return "KV_" + bucket }

// VerdictRounds is how many rounds a verdict or a presence lives.
const VerdictRounds = 3

// TimeToLive is how long a verdict or presence of a given round length lives: three rounds, and at least the second that the bus counts in.
func TimeToLive(round time.Duration) time.Duration {
	return max(time.Second, (VerdictRounds*round + time.Second - 1).Truncate(time.Second))
}
