// Package device finds the hardware of a machine: it listens to the kernel's
// uevents, reads sysfs, loads modules, and looks at what is on the disks.
//
// It is the part of udev that an initramfs needs, without rules. Listening and
// loading need root; looking at a disk needs to be allowed to read it.
package device

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Event is a uevent of the kernel (kernel Documentation/ABI/testing/sysfs-uevent).
type Event struct {
	Action    string // "add", "remove", "change", ...
	Subsystem string // "block"
	DevType   string // "disk", "partition"
	DevName   string // "vda"
	Modalias  string
}

// ErrLost is returned when the kernel had more events than the socket could hold:
// the caller must look at sysfs anew.
var ErrLost = errors.New("uevents were lost")

// maxEvent is more than the kernel puts in one message (UEVENT_BUFFER_SIZE).
const maxEvent = 8 << 10

// Listener receives the kernel's uevents. It is not for concurrent use.
type Listener struct {
	fd  int
	buf []byte
}

// Listen starts to receive uevents. Those from before are not seen.
func Listen() (*Listener, error) {
	const kind = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	fd, err := unix.Socket(unix.AF_NETLINK, kind, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	// A pool of disks may announce thousands of events while one module loads.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	const kernelGroup = 1
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	return &Listener{fd, make([]byte, maxEvent)}, nil
}

// Close stops listening.
func (l *Listener) Close() error { return unix.Close(l.fd) }

// Next returns the next event. ok is false if none came within the wait. After
// ErrLost it can be called again.
func (l *Listener) Next(wait time.Duration) (e Event, ok bool, err error) {
	deadline := time.Now().Add(wait)
	for {
		n, from, err := unix.Recvfrom(l.fd, l.buf, 0)
		switch {
		case err == unix.ENOBUFS:
			return Event{}, false, ErrLost
		case err == unix.EAGAIN:
			if ready, err := l.poll(time.Until(deadline)); !ready || err != nil {
				return Event{}, false, err
			}
		case err == unix.EINTR:
		case err != nil:
			return Event{}, false, fmt.Errorf("receive uevent: %w", err)
		case fromKernel(from):
			return parseEvent(string(l.buf[:n])), true, nil
		}
	}
}

// fromKernel says that a message is not one that a process has sent.
func fromKernel(from unix.Sockaddr) bool {
	address, ok := from.(*unix.SockaddrNetlink)
	return ok && address.Pid == 0
}

func (l *Listener) poll(wait time.Duration) (ready bool, err error) {
	if wait <= 0 {
		return false, nil
	}
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(wait.Milliseconds())+1)
	if err == unix.EINTR {
		return true, nil
	}
	return n > 0, err
}

// parseEvent reads "add@/devices/..." and the variables behind it, each ended by a
// NUL.
func parseEvent(message string) Event {
	var e Event
	for _, variable := range strings.Split(message, "\x00") {
		key, value, _ := strings.Cut(variable, "=")
		switch key {
		case "ACTION":
			e.Action = value
		case "SUBSYSTEM":
			e.Subsystem = value
		case "DEVTYPE":
			e.DevType = value
		case "DEVNAME":
			e.DevName = value
		case "MODALIAS":
			e.Modalias = value
		}
	}
	return e
}
