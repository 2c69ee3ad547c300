package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/leeward-failover/leeward/pkg/address"
	"github.com/leeward-failover/leeward/services/prober/internal/target"
)

// Checks runs programs that stand in one folder. Who may change leeward.yaml can name them and give them arguments, and run nothing else.
type Checks struct {
	// Folder is where they are; without one nothing runs.
	Folder string
	// Path is the PATH they get.
	Path    string
	Vantage string
}

// reply is what a check prints.
type reply struct {
	OK        *bool  `json:"ok"`
	LatencyUS int64  `json:"latency_us"`
	Error     string `json:"error"`
}

// outputLimit is how much a check may print.
const outputLimit = 64 << 10

// run runs a check. Its own latency counts if it tells one, else the time that it ran.
func (c Checks) run(ctx context.Context, t target.Target) Result {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	r := begin()
	v, err := c.ask(ctx, t)
	r.lap(&r.FirstByte)
	said := time.Duration(v.LatencyUS) * time.Microsecond
	switch {
	case err != nil:
		r.Err = err
	case !*v.OK:
		r.Err = answerError(excerpt(v.Error))
	case v.LatencyUS < 0 || said > r.FirstByte:
		r.Err = fmt.Errorf("it tells a latency of %s, and ran for %s", said, r.FirstByte)
	}
	if r.Err == nil && said > 0 {
		r.FirstByte, r.Ended = said, r.Sent.Add(said)
	}
	return r
}

func (c Checks) ask(ctx context.Context, t target.Target) (reply, error) {
	program, arguments, err := address.Exec(t.Address)
	if err != nil {
		return reply{}, err
	}
	if c.Folder == "" {
		return reply{}, fmt.Errorf("%s is not run: LEEWARD_PROBE_CHECKS names no folder of checks on this machine", program)
	}
	path := filepath.Join(c.Folder, program)
	if info, err := os.Stat(path); err != nil {
		return reply{}, fmt.Errorf("the folder of LEEWARD_PROBE_CHECKS: %w", err)
	} else if !info.Mode().IsRegular() {
		return reply{}, fmt.Errorf("%s is no file", path)
	}
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Dir = c.Folder
	cmd.Env = []string{"PATH=" + c.Path, "LEEWARD_APP=" + t.App, "LEEWARD_REGION=" + t.Region, "LEEWARD_VARIANT=" + t.Variant, "LEEWARD_VANTAGE=" + c.Vantage}
	out, trouble := bounded{limit: outputLimit}, bounded{limit: 1 << 10}
	cmd.Stdout, cmd.Stderr = &out, &trouble
	// What it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 100 * time.Millisecond
	err = cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		_ = cmd.Cancel()
	}
	if ctx.Err() != nil {
		return reply{}, ctx.Err()
	}
	return read(out, trouble, err)
}

// read reads what a check printed, and how it ended.
func read(out, trouble bounded, ended error) (v reply, err error) {
	said, _, _ := strings.Cut(strings.TrimSpace(trouble.text.String()), "\n")
	switch {
	case out.cut:
		return v, fmt.Errorf("it printed more than %d bytes", outputLimit)
	case json.Unmarshal(out.text.Bytes(), &v) == nil && v.OK != nil && (ended == nil || !*v.OK):
		if !*v.OK && v.Error == "" {
			v.Error = "it says that this is not ok, and not why"
		}
		return v, nil
	case ended != nil && said != "":
		return v, fmt.Errorf("%w: %s", ended, excerpt(said))
	case ended != nil:
		return v, ended
	}
	return v, errors.New(`it did not print one JSON object such as {"ok": true}, but ` + excerpt(fmt.Sprintf("%q", out.text.String())))
}

// bounded keeps the beginning of what is written to it.
type bounded struct {
	limit int
	text  bytes.Buffer
	cut   bool
}

// Write keeps what there is room for.
func (b *bounded) Write(p []byte) (int, error) {
	room := min(len(p), b.limit-b.text.Len())
	b.text.Write(p[:room])
	b.cut = b.cut || room < len(p)
	return len(p), nil
}
