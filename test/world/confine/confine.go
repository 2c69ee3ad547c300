// Package confine runs programs as the system users that Debian made for them.
package confine

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// Confined returns argv to run as a system user, in a mount namespace of its own in which the folder at source is seen
// at target. So the user reaches its folder wherever the state folder lies, below /root too, and nothing else changes.
func Confined(username, source, target string, argv ...string) []string {
	const script = `mount --bind "$2" "$3" && user=$1 && shift 3 && cd / && ` +
		`exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --no-new-privs -- "$@"`
	return append([]string{"unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", username, source, target}, argv...)
}

// Folder makes a folder that only a system user can read.
func Folder(username, path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return Own(username, path)
}

// Own gives a file to a system user.
func Own(username, path string) error {
	u, err := user.Lookup(username)
	if err != nil {
		return fmt.Errorf("is the package installed (tools/install.sh)? %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// Powerless returns argv to run as root without root's powers, except to read what others own: for what must read files of the state folder and of this checkout.
func Powerless(argv ...string) []string {
	return append([]string{"setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+dac_read_search", "--"}, argv...)
}
