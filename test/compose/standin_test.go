package compose_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// engine is where `leeward up` keeps the library of the embedded ClickHouse.
func engine(ctx context.Context, root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(cache, "leeward/chdb/*/libchdb.so"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no libchdb.so below %s: start `leeward up` or the tests of pkg/chembed once, which fetch it: %w", cache, err)
	}
	return found[len(found)-1], nil
}

// standin writes the image that stands for those of others: their programs under the names that docker-compose.yml starts.
func standin(ctx context.Context, w io.Writer, root, bin string) error {
	library, err := engine(ctx, root)
	if err != nil {
		return err
	}
	r := newRootfs(w)
	r.busybox("wget", "sed", "mkdir")
	for name, source := range map[string]string{
		"registry": "/usr/bin/docker-registry", "haproxy": "/usr/sbin/haproxy", "prometheus": "/usr/bin/prometheus", "alertmanager": "/usr/bin/prometheus-alertmanager",
		"nats-server": filepath.Join(bin, "nats-server"), "leeward": filepath.Join(bin, "leeward"),
	} {
		r.program(ctx, "usr/bin/"+name, source)
	}
	r.program(ctx, "usr/lib/libchdb.so", library)
	r.file("usr/bin/clickhouse.sh", filepath.Join(root, "test/compose/clickhouse.sh"))
	// Debian's Alertmanager reads its own templates from a file where the official one has them inside.
	r.file("usr/share/prometheus/alertmanager/default.tmpl", "/usr/share/prometheus/alertmanager/default.tmpl")
	r.file("usr/share/prometheus/alertmanager/email.tmpl", "/usr/share/prometheus/alertmanager/email.tmpl")
	r.dir("tmp")
	r.dir("prometheus")
	r.dir("alertmanager")
	return r.close()
}

// programs compiles what the stand-in image holds of Go modules.
func programs(ctx context.Context, root, bin string) error {
	for _, args := range [][]string{
		{"-o", filepath.Join(bin, "nats-server"), "github.com/nats-io/nats-server/v2"},
		{"-o", filepath.Join(bin, "leeward"), "./cmd/leeward"},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w"}, args...)...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %v: %w: %s", args, err, out)
		}
	}
	return nil
}
