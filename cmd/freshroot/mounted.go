package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/btrfs"
)

// notMounted protects a member that this machine has mounted, or something in it: who
// works there would see it become empty.
func (m *openedPool) notMounted(found member) error {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	pool, err := btrfs.UUID(m.top)
	if err != nil {
		return err
	}
	for _, mounted := range mountsOf(string(mountinfo), found.entry) {
		// Another pool may have a member of this name. In doubt it is this one.
		if uuid, err := readUUID(mounted.source); err == nil && uuid != pool {
			continue
		}
		return fmt.Errorf("%q is mounted on %s: unmount it first",
			found.entry, printable(mounted.point))
	}
	return nil
}

// mounted is a line of mountinfo, as far as it matters.
type mounted struct{ point, source string }

// mountsOf finds in a mountinfo (proc_pid_mountinfo(5)) where a member of some pool is
// mounted, or what is in it.
func mountsOf(mountinfo, entry string) (list []mounted) {
	const root, point = 3, 4 // the fields; the source is the second one behind a dash
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash <= point || len(fields) <= dash+2 {
			continue
		}
		if strings.HasPrefix(fields[root]+"/", "/"+entry+"/") {
			list = append(list, mounted{fields[point], fields[dash+2]})
		}
	}
	return list
}

// readUUID reads the UUID of the btrfs on a device.
func readUUID(device string) (string, error) {
	f, err := os.Open(device)
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	superblock, err := btrfs.ReadSuperblock(f, size)
	if err != nil {
		return "", err
	}
	return superblock.UUID, nil
}
