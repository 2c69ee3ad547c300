//go:build !linux

package processtest

import "syscall"

func dieWithTest(*syscall.SysProcAttr) {}
