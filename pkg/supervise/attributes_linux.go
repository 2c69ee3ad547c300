package supervise

import "syscall"

// attributes give a child a group of its own, so that a Ctrl-C at the terminal reaches the supervisor alone; and no program outlives a supervisor that is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
