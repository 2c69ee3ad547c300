package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Until tries for a while until something works.
func Until(ctx context.Context, what string, try func() error) error {
	deadline := time.Now().Add(60 * time.Second)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := Pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// Pause waits, or returns early when ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// FreeAddr is an address on the loopback that nobody listens at.
func FreeAddr(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Machine is the processor and how many of it there are.
func Machine() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	model, cores := "unknown", 0
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model, cores = strings.TrimSpace(value), cores+1
		}
	}
	return fmt.Sprintf("%d x %s", cores, model)
}

// LoadAverage is the load average of the last minute.
func LoadAverage() (average float64) {
	text, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscan(string(text), &average)
	return average
}
