package loopback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// path is the way of one connection from a place to another.
type path struct {
	network  *Network
	from, to Site
}

// connect takes as long as a TCP handshake, then reaches the target. It gives up when the client does.
func (p path) connect(ctx context.Context, client *net.TCPConn, target string) (conn *net.TCPConn, early []byte, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	// A client that hangs up is noticed by reading; what it says too early is kept.
	var watch sync.WaitGroup
	var first [1]byte
	var n int
	watch.Go(func() {
		var err error
		if n, err = client.Read(first[:]); err != nil {
			cancel()
		}
	})
	arrived := p.network.cross(waiting, p.from, p.to, time.Now(), p.network.RTT(p.from, p.to))
	_ = client.SetReadDeadline(time.Unix(1, 0))
	watch.Wait()
	if !arrived {
		return nil, nil, errHungUp
	}
	if err := client.SetReadDeadline(time.Time{}); err != nil {
		return nil, nil, err
	}
	to, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, nil, err
	}
	return to.(*net.TCPConn), first[:n], nil //nolint:forcetypeassert // "tcp" was asked for
}

var errHungUp = errors.New("the client hung up")

// carry carries bytes both ways, each after its time, until both sides have ended or ctx has.
func (p path) carry(ctx context.Context, client, target *net.TCPConn, early []byte) {
	shut := func() { _ = client.Close(); _ = target.Close() }
	defer shut()
	defer context.AfterFunc(ctx, shut)()
	var both sync.WaitGroup
	both.Go(func() { p.pump(ctx, client, target, early) })
	both.Go(func() { path{p.network, p.to, p.from}.pump(ctx, target, client, nil) })
	both.Wait()
}

// chunk is bytes on their way; nil ends the stream.
type chunk struct {
	data []byte
	sent time.Time
}

// onTheWay is how many chunks of at most chunkSize a direction holds before the sender has to wait: 4 MiB, as a socket's buffer would.
const onTheWay, chunkSize = 1024, 4 << 10

// pump reads from one side and writes to the other half a round trip later.
func (p path) pump(ctx context.Context, from, to *net.TCPConn, early []byte) {
	chunks := make(chan chunk, onTheWay)
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer stop()
	reading.Go(func() { read(ctx, from, early, chunks) })
	half := p.network.RTT(p.from, p.to) / 2
	for c := range chunks {
		if !p.network.cross(ctx, p.from, p.to, c.sent, half) {
			break
		}
		if c.data == nil {
			_ = to.CloseWrite()
			return
		}
		if _, err := to.Write(c.data); err != nil {
			break
		}
	}
	_ = from.Close()
}

func read(ctx context.Context, from io.Reader, early []byte, chunks chan<- chunk) {
	defer close(chunks)
	pass := func(data []byte) bool {
		select {
		case chunks <- chunk{data, time.Now()}:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if len(early) > 0 && !pass(early) {
		return
	}
	buffer := make([]byte, chunkSize)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !pass(bytes.Clone(buffer[:n])) {
			return
		}
		if err != nil {
			pass(nil)
			return
		}
	}
}
