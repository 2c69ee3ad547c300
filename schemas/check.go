package schemas

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"
)

var (
	digestPattern = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
	commitPattern = regexp.MustCompile(`^([a-f0-9]{40}|[a-f0-9]{64})$`)
)

// ValidName says whether s can name an app, region, vantage or variant: lower-case letters, digits and inner hyphens, at most 63.
//
// It is asked some thirty times for every batch of samples, which is why it is no regular expression.
func ValidName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// ValidDigest says whether s is a sha256 digest in the form registries use.
func ValidDigest(s string) bool { return digestPattern.MatchString(s) }

// ValidCommit says whether s is the hash of a git commit: 40 hexadecimal digits, or 64 in a repository that hashes with SHA-256.
func ValidCommit(s string) bool { return commitPattern.MatchString(s) }

// check collects what is wrong with a value, so that all of it is reported at once.
type check struct{ problems []error }

func (c *check) name(field, value string) {
	if !ValidName(value) {
		c.failf("%s %q is not a name (lower-case letters, digits and inner hyphens, at most 63)", field, value)
	}
}

func (c *check) optionalName(field, value string) {
	if value != "" {
		c.name(field, value)
	}
}

func (c *check) text(field, value string) {
	if value == "" {
		c.failf("%s is empty", field)
	}
}

func (c *check) digest(field, value string) {
	if !ValidDigest(value) {
		c.failf("%s %q is not a sha256 digest", field, value)
	}
}

func (c *check) time(field string, value time.Time) {
	if value.IsZero() {
		c.failf("%s is missing", field)
	}
	c.optionalTime(field, value)
}

// optionalTime refuses what JSON or ClickHouse could not hold.
func (c *check) optionalTime(field string, value time.Time) {
	if !value.IsZero() && (value.Year() < 1970 || value.Year() > 2200) {
		c.failf("%s is in the year %d", field, value.Year())
	}
}

func (c *check) finite(field string, values ...float64) {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.failf("%s is %g, not a number", field, v)
		}
	}
}

func (c *check) that(ok bool, format string, args ...any) {
	if !ok {
		c.failf(format, args...)
	}
}

func (c *check) failf(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

func (c *check) err() error { return errors.Join(c.problems...) }
