package wan

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Serve answers commands on a unix socket until ctx ends: "cut NAME", "heal NAME" and "rtt". One line asks, one line
// answers: "ok", "error: …" or, for rtt, the links as JSON. When the answer to cut arrives, the site is cut.
func (w *WAN) Serve(ctx context.Context, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("listen for commands: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept a command: %w", err)
		}
		line, _ := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintln(conn, w.answer(strings.Fields(line)))
		_ = conn.Close()
	}
}

func (w *WAN) answer(words []string) string {
	var err error
	switch {
	case len(words) == 2 && words[0] == "cut":
		err = w.Cut(words[1])
	case len(words) == 2 && words[0] == "heal":
		err = w.Heal(words[1])
	case len(words) == 1 && words[0] == "rtt":
		text, err := json.Marshal(w.Links())
		if err != nil {
			return "error: " + err.Error()
		}
		return string(text)
	default:
		err = errors.New("commands are: cut NAME, heal NAME, rtt")
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return "ok"
}

// Send sends a command to the network that serves on the socket and returns its answer.
func Send(ctx context.Context, socket, command string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("reach the network (is the world up?): %w", err)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return "", fmt.Errorf("send %q: %w", command, err)
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("send %q: %w", command, err)
	}
	answer = strings.TrimSpace(answer)
	if reason, failed := strings.CutPrefix(answer, "error: "); failed {
		return "", errors.New(reason)
	}
	return answer, nil
}
