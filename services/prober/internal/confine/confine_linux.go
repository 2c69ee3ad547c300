// Package confine gives up what a process may do that others of its user may not.
package confine

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// ErrBuild says that the runtime can not reach all threads, as in the binary leeward, which can load ClickHouse. Nothing was given up then.
var ErrBuild = errors.New("this program can not give up its capabilities, because it can load C code: the prober's own binary can")

// Drop takes every capability from every thread of this process, and the way to gain one again from it and from all it starts. Files and sockets that are open stay open.
// There is no way back: it is for a process's main alone.
func Drop() error {
	if err := drop(); !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return ErrBuild
}

func drop() error {
	had := cap.GetProc()
	// Who is root gets at the start of another program what the bounding set holds. It can be emptied only by who may; for others no_new_privs has to do.
	if may, err := had.GetFlag(cap.Effective, cap.SETPCAP); err == nil && may {
		for v := range cap.MaxBits() {
			if err := cap.DropBound(v); err != nil {
				return fmt.Errorf("drop %s from the bounding set: %w", v, err)
			}
		}
	}
	if err := cap.ResetAmbient(); err != nil {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	if err := cap.NewSet().SetProc(); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}
