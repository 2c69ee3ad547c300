// Package git asks a git server over HTTP which commit a branch is at. It fetches nothing; whoever builds does.
package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/leeward-failover/leeward/schemas"
)

// ErrNotFound says that the server answered, and that there is no such repository or branch, or that the token does not open it.
var ErrNotFound = errors.New("not on the git server")

// maxAnswer is how much of a server's list of branches is read: a quarter of a million of them.
const maxAnswer = 16 << 20

// Head asks the server of a repository for the commit a branch is at. token may be empty.
func Head(ctx context.Context, repository, branch, token string) (commit string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(repository, "/")+"/info/refs?service=git-upload-pack", nil)
	if err != nil {
		return "", fmt.Errorf("repository %s: %w", repository, err)
	}
	req.Header.Set("User-Agent", "git/leeward")
	if token != "" {
		req.SetBasicAuth("x-access-token", token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for %s of %s: %w", branch, repository, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		return "", fmt.Errorf("%s answered %d: %w", repository, resp.StatusCode, ErrNotFound)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answered %d", repository, resp.StatusCode)
	}
	commit, err = find(io.LimitReader(resp.Body, maxAnswer), "refs/heads/"+branch)
	if err != nil {
		return "", fmt.Errorf("branch %s of %s: %w", branch, repository, err)
	}
	return commit, nil
}

// find reads what a server announces of its references (gitprotocol-http, "smart" replies) until it finds one.
func find(r io.Reader, reference string) (commit string, err error) {
	lines := bufio.NewReader(r)
	for first, flushes := true, 0; flushes < 2; first = false {
		line, flush, err := packet(lines)
		switch {
		case err != nil:
			return "", err
		case flush:
			flushes++
			continue
		case first && line != "# service=git-upload-pack":
			return "", errors.New("the server does not speak git's smart protocol")
		}
		// The first reference carries the server's abilities behind a zero byte.
		line, _, _ = strings.Cut(line, "\x00")
		if hash, name, ok := strings.Cut(line, " "); ok && name == reference {
			if !schemas.ValidCommit(hash) {
				return "", fmt.Errorf("%.80q is not a commit", hash)
			}
			return hash, nil
		}
	}
	return "", ErrNotFound
}

// packet reads one line of the protocol: four hexadecimal digits with its whole length, then the text; 0000 ends a list.
func packet(r *bufio.Reader) (line string, flush bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", false, fmt.Errorf("the answer ends too soon: %w", err)
	}
	size, err := strconv.ParseUint(string(head[:]), 16, 16)
	if err != nil || size > 0 && size < 4 {
		return "", false, fmt.Errorf("%.8q is not the length of a line", head)
	}
	if size == 0 {
		return "", true, nil
	}
	text := make([]byte, size-4)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", false, fmt.Errorf("the answer ends too soon: %w", err)
	}
	return strings.TrimSuffix(string(text), "\n"), false, nil
}
