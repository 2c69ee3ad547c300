//go:build !linux

// Package confine gives up what a process may do that others of its user may not.
package confine

import "errors"

// ErrBuild is what Drop never returns here.
var ErrBuild = errors.New("")

// Drop does nothing: only Linux has capabilities.
func Drop() error { return nil }
