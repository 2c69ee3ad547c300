package schemas

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Service is the name of a process that speaks on the bus: also its image, its module folder and its bus user.
type Service string

// The services, and the two users that are not services: Setup creates streams and buckets, Runtime starts containers.
const (
	Gateway  Service = "gateway"
	Builder  Service = "builder"
	Prober   Service = "prober"
	Recorder Service = "recorder"
	Ranker   Service = "ranker"
	Actuator Service = "failover-actuator"
	Runtime  Service = "runtime"
	Setup    Service = "setup"
)

// Event is a payload that knows whether it is well formed, which identifier tokens its subject ends in, and what makes it the same event again.
type Event interface {
	Validate() error
	// Key returns the identifier tokens of the subject, at least one.
	Key() []string
	// Identity is equal for two deliveries of one event; it becomes the message id that JetStream de-duplicates by.
	Identity() string
}

// Deliver says where a new reader of a topic starts.
type Deliver string

const (
	// DeliverAll starts at the oldest event the stream holds.
	DeliverAll Deliver = "all"
	// DeliverNew starts at the first event published after the reader was created.
	DeliverNew Deliver = "new"
)

// Contract is what a topic promises, apart from its payload type.
type Contract struct {
	// Name is the subject without its identifier tokens: leeward.<noun>.<past participle>.v<N>.
	Name string
	// Stream holds the topic's events.
	Stream string
	// Producer is the only service that publishes the topic.
	Producer Service
	// Readers act on the topic through a durable consumer each. The recorder and the gateway read whole streams and are not listed.
	Readers []Service
	// Deliver is where a new reader starts.
	Deliver Deliver
	// ActWithin is how old an event may be and still be acted on; an older one is recorded as expired.
	ActWithin time.Duration
	// Doc says in a sentence what has happened.
	Doc string
}

// Filter is the subject filter that matches every event of the topic.
func (c Contract) Filter() string { return c.Name + ".>" }

// Durable is the name of the durable consumer through which a service reads the topic; an instance sets apart readers that each get every event.
func (c Contract) Durable(s Service, instance string) string {
	noun := strings.Split(c.Name, ".")
	name := string(s) + "-" + noun[1] + "-" + noun[2]
	if instance != "" {
		name += "-" + instance
	}
	return name
}

// Topic binds a contract to its payload type, so that the wrong payload does not compile.
type Topic[E Event] struct{ contract Contract }

// Contract returns what the topic promises.
func (t Topic[E]) Contract() Contract { return t.contract }

// Encode validates an event and returns its subject and wire form.
func (t Topic[E]) Encode(e E) (subject string, data []byte, err error) {
	if err := e.Validate(); err != nil {
		return "", nil, fmt.Errorf("%s: %w", t.contract.Name, err)
	}
	if data, err = json.Marshal(e); err != nil {
		return "", nil, fmt.Errorf("%s: %w", t.contract.Name, err)
	}
	return t.Subject(e), data, nil
}

// Subject returns the subject an event is published on.
func (t Topic[E]) Subject(e E) string {
	return t.contract.Name + "." + joinTokens(e.Key())
}

// Decode reads and validates the wire form of an event and refuses one whose subject disagrees with its payload. Unknown fields are ignored.
func (t Topic[E]) Decode(subject string, data []byte) (e E, err error) {
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("%s: %w", subject, err)
	}
	if err := e.Validate(); err != nil {
		return e, fmt.Errorf("%s: %w", subject, err)
	}
	if want := t.Subject(e); want != subject {
		return e, fmt.Errorf("subject %s disagrees with its payload, which belongs on %s", subject, want)
	}
	return e, nil
}

func joinTokens(tokens []string) string {
	escaped := make([]string, len(tokens))
	for i, t := range tokens {
		escaped[i] = Token(t)
	}
	return strings.Join(escaped, ".")
}

// Token makes one subject token or key token of any text: what has a meaning there, and the escape itself, becomes =XX in hex.
func Token(s string) string {
	if s == "" {
		return "="
	}
	if ValidName(s) {
		return s // as nearly every text is
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}
