//go:build !linux

package strain

func waits() (waited, bool) { return waited{}, false }
