package wan

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/leeward-failover/leeward/test/world/netns"
)

// headerSize is the length of struct virtio_net_hdr, which goes before each packet unless a longer one is asked for.
const headerSize = 10

// The kernel leaves checksums and the cutting of large TCP segments to us; we hand both on to the receiving kernel
// untouched, so one read and one write move up to 64 kB.
const offloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4

// openTUN makes a TUN device in a network namespace and gives it an address. The device goes when the
// returned file descriptor is closed.
func openTUN(namespace, device string, addr netip.Prefix) (int, error) {
	fd := -1
	err := netns.Do(namespace, func() error {
		var err error
		fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		req, err := unix.NewIfreq(device)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return fmt.Errorf("make device %s: %w", device, err)
		}
		if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads); err != nil {
			return fmt.Errorf("set offloads of %s: %w", device, err)
		}
		return nil
	})
	if err == nil {
		err = configure(namespace, device, addr)
	}
	if err != nil {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		return -1, err
	}
	return fd, nil
}

// configure sets the address and brings the device up. The queue is long because a burst of a fast sender waits in it
// until our reader runs; the kernel drops what does not fit.
func configure(namespace, device string, addr netip.Prefix) error {
	script := fmt.Sprintf("link set %[1]s txqueuelen 10000 mtu 1500\naddr add %[2]s dev %[1]s\nlink set %[1]s up\n", device, addr)
	args := []string{"-4", "-batch", "-"}
	if namespace != "" {
		args = append([]string{"-netns", namespace}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = bytes.NewReader([]byte(script))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up device %s: %w: %s", device, err, bytes.TrimSpace(out))
	}
	return nil
}
