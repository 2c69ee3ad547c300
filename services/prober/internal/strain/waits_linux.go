package strain

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// waits reads the kernel's statistics of the process' threads; they are missing where the kernel keeps none.
func waits() (w waited, known bool) {
	files, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil {
		return w, false
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		var ran, wait, runs int64
		if n, _ := fmt.Sscan(string(text), &ran, &wait, &runs); n == 3 {
			w.total, w.runs, known = w.total+time.Duration(wait), w.runs+runs, true
		}
	}
	return w, known
}
