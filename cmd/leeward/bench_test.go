package main_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestBenchShowsItsProgressAndEndsOnCtrlC(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(5 * time.Millisecond) }))
	defer server.Close()
	term := open(t, binary(t), append(os.Environ(), "TERM=xterm"), "bench", "http", "shop", "--no-store", "--url", server.URL, "--rate", "50", "--duration", "1m")
	term.shows("1s of 1m0s: ")
	line := term.shows("\r")
	if !strings.Contains(line, " requests ended, ") || !strings.Contains(line, " 0 failed, p50 ") || strings.Contains(line, "\n") {
		t.Errorf("progress is shown as %q", line)
	}
	began := time.Now()
	term.types("\x03")
	term.shows("Ended before its time: interrupted.")
	term.shows("service time")
	if code := term.ends(); code != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("exit code %d after %s, want 0 at once", code, time.Since(began))
	}
}
