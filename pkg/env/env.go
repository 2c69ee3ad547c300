// Package env reads a process's settings from LEEWARD_* variables and reports every problem at once. Secrets are read from files or variables by reference.
package env

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Reader reads settings and collects what is wrong with them.
type Reader struct {
	Getenv   func(string) string
	problems []error
}

// String returns a variable, or fallback when it is empty.
func (r *Reader) String(name, fallback string) string {
	if v := r.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// Required returns a variable that must not be empty.
func (r *Reader) Required(name string) string {
	v := r.Getenv(name)
	if v == "" {
		r.problems = append(r.problems, fmt.Errorf("%s: not set", name))
	}
	return v
}

// Duration returns a duration such as 800ms or 10m.
func (r *Reader) Duration(name string, fallback time.Duration) time.Duration {
	v := r.Getenv(name)
	if v == "" {
		return fallback
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		r.problems = append(r.problems, fmt.Errorf("%s: %q is not a duration such as 800ms or 10m", name, v))
	}
	return d
}

// Int returns a whole number.
func (r *Reader) Int(name string, fallback int) int {
	v := r.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s: %q is not a whole number", name, v))
		return fallback
	}
	return n
}

// Secret resolves the reference a variable holds, such as file:/run/secrets/token; an empty variable is an empty secret.
func (r *Reader) Secret(name string) string {
	ref := r.Getenv(name)
	if ref == "" {
		return ""
	}
	secret, err := Resolve(ref, r.Getenv)
	if err != nil {
		r.problems = append(r.problems, fmt.Errorf("%s: %w", name, err))
	}
	return secret
}

// Err returns every problem found so far.
func (r *Reader) Err() error { return errors.Join(r.problems...) }

// Resolve returns the secret a reference stands for: env:NAME or file:PATH. The secret itself is never part of an error.
func Resolve(ref string, getenv func(string) string) (string, error) {
	kind, rest, _ := strings.Cut(ref, ":")
	switch kind {
	case "env":
		if v := getenv(rest); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the variable %s is not set", rest)
	case "file":
		data, err := os.ReadFile(rest)
		if err != nil {
			return "", fmt.Errorf("secret file: %w", err)
		}
		if s := strings.TrimSpace(string(data)); s != "" {
			return s, nil
		}
		return "", fmt.Errorf("the secret file %s is empty", rest)
	default:
		return "", errors.New("a secret is a reference, env:NAME or file:PATH, never the value itself")
	}
}
