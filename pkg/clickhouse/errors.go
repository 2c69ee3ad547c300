package clickhouse

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/sethvargo/go-retry"
)

// Code is ClickHouse's number for an error, 0 for an error that is not ClickHouse's.
func Code(err error) int {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return int(e.Code)
	}
	return 0
}

// Message is what ClickHouse said about an error, without what stands around it; empty for an error that is not ClickHouse's.
func Message(err error) string {
	var e *clickhouse.Exception
	if !errors.As(err, &e) {
		return ""
	}
	text := version.ReplaceAllString(e.Message, "")
	for again := doubled.FindStringSubmatch(text); again != nil && strings.HasSuffix(text, again[1]+again[1]); {
		text = strings.TrimSuffix(text, again[1])
	}
	return text
}

// What servers put behind a message, and again when they pass an error on.
var (
	version = regexp.MustCompile(` \(version [^()]*( \([^()]*\))?\)`)
	doubled = regexp.MustCompile(`(\.? \([A-Z0-9_]+\))$`)
)

// Retryable tells whether the same call may do better later: ClickHouse could not be reached, broke off, or was too
// busy. After an Insert it says nothing about whether the rows are in; the same token makes a second try safe.
func Retryable(err error) bool {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case Code(err) != 0:
		return retryableCode(Code(err))
	}
	var answer *clickhouse.HTTPError
	if errors.As(err, &answer) { // not ClickHouse's answer but a proxy's
		return answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, clickhouse.ErrAcquireConnTimeout) || errors.Is(err, context.DeadlineExceeded)
}

func retryableCode(code int) bool {
	switch code {
	case 3, 32, 33, // the data broke off on its way
		159, 160, 209, 210, // time-outs and the network
		202, 203, 439, // too many statements, connections or threads at the moment
		236, 394, 735, // aborted or killed
		241, 243, 252, // short of memory or disk, too many parts
		225, 242, 285, 319, 999: // replication has no quorum for now, or does not know how the insert ended
		return true
	}
	return false
}

// mark makes go-retry try again what is worth it.
func mark(err error) error {
	if Retryable(err) {
		return retry.RetryableError(err)
	}
	return err
}
