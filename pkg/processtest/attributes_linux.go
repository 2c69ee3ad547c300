package processtest

import "syscall"

// dieWithTest makes the kernel end a program whose test was killed.
func dieWithTest(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
