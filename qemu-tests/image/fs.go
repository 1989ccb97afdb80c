package image

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
)

// fill makes the partition's file system and populates it.
func (p Partition) fill(f *os.File, e extent) error {
	switch p.FS {
	case "":
		return nil
	case "vfat":
		return p.fillFAT(f, e)
	case "btrfs", "ext4":
		return p.fillLoop(f, e)
	}
	return fmt.Errorf("unknown file system %q", p.FS)
}

// fillLoop lets mkfs and the kernel do it, on a loop device: mkfs --rootdir would need no
// privileges, but cannot make subvolumes.
func (p Partition) fillLoop(f *os.File, e extent) error {
	dev, err := attach(f, e, false)
	if err != nil {
		return err
	}
	defer dev.Close()
	mkfs := p.mkfs()
	if err := run(mkfs[0], append(mkfs[1:], dev.Name())...); err != nil {
		return err
	}
	if p.Populate == nil {
		return nil
	}
	return mounted(dev.Name(), p.FS, false, p.Populate)
}

// mkfs returns the command that makes the file system, without the device.
func (p Partition) mkfs() []string {
	command := []string{"mkfs.ext4", "-q", "-F"}
	if p.FS == "btrfs" {
		// One copy of the metadata leaves more room in a small image.
		command = []string{"mkfs.btrfs", "-q", "-m", "single", "--csum", cmp.Or(p.Checksum, "crc32c")}
	}
	if p.FSUUID != "" {
		command = append(command, "-U", p.FSUUID)
	}
	if p.FSLabel != "" {
		command = append(command, "-L", p.FSLabel)
	}
	return command
}

// run runs a program; the error has what it printed.
func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
