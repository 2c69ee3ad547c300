package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/pkg/supervise"
	"github.com/leeward-failover/leeward/test/world/runtime"
)

// AppCgroup is the parent of the app's containers.
const AppCgroup = Cgroup + "/app"

// App is the example app's name in leeward.yaml.
const App = "shop"

// Containers lists the app's containers with the numbers of their processes as this process sees them.
func Containers() map[string][]int {
	found := map[string][]int{}
	for _, folder := range cgroups() {
		parent, id := filepath.Split(folder)
		if !strings.HasSuffix(parent, AppCgroup+"/") || len(found[id]) > 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, "cgroup.procs"))
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				found[id] = append(found[id], pid)
			}
		}
	}
	return found
}

// KillApp kills the processes of the app's container in a region.
func KillApp(region, variant string) error {
	id := runtime.ContainerID(region, App, variant)
	pids := Containers()[id]
	if len(pids) == 0 {
		return fmt.Errorf("no container %s runs", id)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d of container %s: %w", pid, id, err)
		}
	}
	return nil
}

// Processes reads what the supervisor last said of its processes.
func (s State) Processes() ([]supervise.State, error) {
	text, err := os.ReadFile(s.Status())
	if err != nil {
		return nil, err
	}
	var states []supervise.State
	return states, json.Unmarshal(text, &states)
}
