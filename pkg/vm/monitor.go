package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// AddDisk plugs a disk into the running machine. Each takes one of the ports that
// Config.Hotplug provides.
func (v *VM) AddDisk(ctx context.Context, d Disk) error {
	if err := v.addDisk(ctx, d); err != nil {
		return fmt.Errorf("add disk %q: %w", d.Path, err)
	}
	return nil
}

func (v *VM) addDisk(ctx context.Context, d Disk) error {
	v.monitor.mu.Lock()
	defer v.monitor.mu.Unlock()
	if v.hotplugs == 0 {
		return fmt.Errorf("no hot-plug port is left")
	}
	if d.Volatile {
		return errors.New("a disk that is plugged in cannot be volatile")
	}
	block, devices, err := d.objects("disk"+strconv.Itoa(v.disks), hotplugPort(v.hotplugs-1))
	if err != nil {
		return err
	}
	if err := v.monitor.command(ctx, "blockdev-add", block); err != nil {
		return err
	}
	for _, dev := range devices {
		if err := v.monitor.command(ctx, "device_add", dev); err != nil {
			return err
		}
	}
	v.hotplugs--
	v.disks++
	return nil
}

// monitor speaks QEMU's machine protocol (QMP): one JSON object per command and
// per answer, with events in between.
type monitor struct {
	mu      sync.Mutex // held around a sequence of commands
	conn    *os.File
	decoder *json.Decoder
	ready   bool // the handshake was done
}

func newMonitor(conn *os.File) *monitor {
	return &monitor{conn: conn, decoder: json.NewDecoder(conn)}
}

func (m *monitor) close() { m.conn.Close() }

// command runs one command, after the handshake if it is the first.
func (m *monitor) command(ctx context.Context, name string, args props) error {
	if err := m.conn.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	// A past deadline is the way to interrupt a blocked read of a file.
	stop := context.AfterFunc(ctx, func() { _ = m.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if !m.ready {
		if err := m.execute("qmp_capabilities", nil); err != nil {
			return err
		}
		m.ready = true
	}
	return m.execute(name, args)
}

func (m *monitor) execute(name string, args props) error {
	request := props{"execute": name}
	if args != nil {
		request["arguments"] = args
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("monitor %s: %w", name, err)
	}
	for {
		var answer struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		if err := m.decoder.Decode(&answer); err != nil {
			return fmt.Errorf("monitor %s: %w", name, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("monitor %s: %s", name, answer.Error.Desc)
		case answer.Return != nil:
			return nil
		} // else the greeting or an event: not for us
	}
}

// socketPairs makes a pair for each name, or none.
func socketPairs(names []string) (ours, theirs []*os.File, err error) {
	for _, name := range names {
		our, their, err := socketPair(name)
		if err != nil {
			closeAll(append(ours, theirs...))
			return nil, nil, err
		}
		ours, theirs = append(ours, our), append(theirs, their)
	}
	return ours, theirs, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// socketPair connects us with QEMU, for a purpose that names the files. Our end is
// non-blocking, which is what makes deadlines work on it.
func socketPair(name string) (ours, theirs *os.File, err error) {
	fds, err := syscall.Socketpair(
		syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), name+" of qemu")
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		theirs.Close()
		syscall.Close(fds[0])
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), name), theirs, nil
}
