package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/pkg/socks"
)

// resolver asks name servers: over UDP, and again over TCP what does not fit there. A proxy carries TCP only.
type resolver struct {
	// udp connects to a name server's port, so that only its own answers are heard and a closed port is noticed; nil is for none.
	udp, tcp Dial
}

func newResolver(network socks.Dialer) resolver {
	v := resolver{tcp: network.DialContext}
	if network.Proxy == "" {
		v.udp = func(ctx context.Context, _, server string) (net.Conn, error) {
			return network.DialContext(ctx, "udp", server)
		}
	}
	return v
}

// ask puts a question as leeward.yaml writes it. The answer must hold a record of the type that is asked for.
func (v resolver) ask(ctx context.Context, uri string) Result {
	r := begin()
	r.Err = v.resolve(ctx, &r, uri)
	if r.Err != nil {
		r.Ended = time.Now()
	}
	return r
}

func (v resolver) resolve(ctx context.Context, r *Result, uri string) error {
	asked, err := address.DNS(uri)
	if err != nil {
		return err
	}
	q, err := newQuery(asked)
	if err != nil {
		return err
	}
	if v.udp != nil {
		err := q.over(ctx, r, "udp", v.udp)
		if !errors.Is(err, errTruncated) {
			return err
		}
	}
	return q.over(ctx, r, "tcp", v.tcp)
}

// query is a question in its wire form.
type query struct {
	address.Question
	id     uint16
	packet []byte
}

func newQuery(asked address.Question) (query, error) {
	name, err := dnsmessage.NewName(asked.Name)
	if err != nil {
		return query{}, err
	}
	q := query{Question: asked, id: uint16(rand.Uint32())}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.Type(asked.Number), Class: dnsmessage.ClassINET}},
	}
	// TCP has the length in front.
	if q.packet, err = m.AppendPack(make([]byte, 2, 512)); err != nil {
		return query{}, fmt.Errorf("ask for %s: %w", asked.Name, err)
	}
	binary.BigEndian.PutUint16(q.packet, uint16(len(q.packet)-2))
	return q, nil
}

// over asks over a network.
func (q query) over(ctx context.Context, r *Result, network string, dial Dial) error {
	conn, err := dial.connect(ctx, r, q.Server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	packet := q.packet
	if network == "udp" {
		packet = packet[2:]
	}
	if _, err := conn.Write(packet); err != nil {
		return err
	}
	r.lap(&r.Write)
	for {
		answer, err := receive(conn, network)
		if err != nil {
			return err
		}
		if ours, err := q.read(answer); ours {
			r.lap(&r.FirstByte)
			return err
		}
	}
}

// udpLimit is more than a server sends that was offered no more than the 512 bytes of old.
const udpLimit = 4 << 10

func receive(conn io.Reader, network string) ([]byte, error) {
	if network == "udp" {
		packet := make([]byte, udpLimit)
		n, err := conn.Read(packet)
		return packet[:n], err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	packet := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(conn, packet)
	return packet, err
}

var errTruncated = errors.New("the answer is longer than UDP carries")

// read says whether a packet answers the question, and what is wrong with the answer.
func (q query) read(packet []byte) (ours bool, err error) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || header.ID != q.id || !header.Response {
		return false, err
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || !strings.EqualFold(asked[0].Name.String(), q.Name) || asked[0].Type != dnsmessage.Type(q.Number) {
		return false, err
	}
	if header.Truncated {
		return true, errTruncated
	}
	if header.RCode != dnsmessage.RCodeSuccess {
		return true, q.failf("%s", strings.ToUpper(strings.TrimPrefix(header.RCode.String(), "RCode")))
	}
	for {
		record, err := p.AnswerHeader()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return true, q.failf("no record of type %s", q.Type)
		case err != nil:
			return true, q.failf("an answer that can not be read: %v", err)
		case record.Type == dnsmessage.Type(q.Number):
			return true, nil
		}
		if err := p.SkipAnswer(); err != nil {
			return true, q.failf("an answer that can not be read: %v", err)
		}
	}
}

func (q query) failf(format string, args ...any) error {
	return &net.DNSError{Err: fmt.Sprintf(format, args...), Name: q.Name, Server: q.Server}
}
