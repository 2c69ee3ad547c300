package git_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/leeward-failover/leeward/pkg/git"
	"github.com/leeward-failover/leeward/pkg/gittest"
)

func TestHeadIsTheBranchsCommit(t *testing.T) {
	s := gittest.Start(t, "t0ken")
	for range 2 {
		want := s.Commit(map[string]string{"a": "1"})
		got, err := git.Head(t.Context(), s.URL, gittest.Branch, "t0ken")
		if err != nil || got != want {
			t.Errorf("Head = %s, %v, want %s", got, err, want)
		}
	}
	for what, c := range map[string]struct{ url, branch, token string }{
		"another branch":     {s.URL, "mai", "t0ken"},
		"another repository": {strings.Replace(s.URL, "shop", "shoe", 1), gittest.Branch, "t0ken"},
		"wrong token":        {s.URL, gittest.Branch, "token"},
		"no token":           {s.URL, gittest.Branch, ""},
	} {
		if got, err := git.Head(t.Context(), c.url, c.branch, c.token); !errors.Is(err, git.ErrNotFound) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %s, %v, want ErrNotFound", what, got, err)
		}
	}
	s.Close()
	if _, err := git.Head(t.Context(), s.URL, gittest.Branch, "t0ken"); err == nil || errors.Is(err, git.ErrNotFound) {
		t.Errorf("a server that is away: %v, want an error that says so", err)
	}
}

// line is a line of the protocol.
func line(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

const commit = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"

var announced = line("# service=git-upload-pack\n") + "0000" + line(commit+" HEAD\x00agent=git\n") + line(commit+" refs/heads/main\n") + "0000"

// FuzzAnswerOfAServer has a server answer anything: what comes of it is a commit or an error.
func FuzzAnswerOfAServer(f *testing.F) {
	for _, seed := range []string{
		announced, announced[:40], "", "0000", "zzzz", "0003x", "ffff", line("# service=git-upload-pack\n") + "0000" + line("short refs/heads/main\n") + "0000",
		"<html>no</html>", line("# service=git-upload-pack\n") + strings.Repeat("0004", 100),
	} {
		f.Add(seed)
	}
	var answer atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer.Load().(string))) }))
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, text string) {
		answer.Store(text)
		got, err := git.Head(t.Context(), server.URL, "main", "")
		if err == nil && (len(got) != 40 && len(got) != 64 || !strings.Contains(text, got+" refs/heads/main")) {
			t.Errorf("Head = %q of %q", got, text)
		}
		if text == announced && got != commit {
			t.Errorf("Head = %q, %v, want %s", got, err, commit)
		}
	})
}
