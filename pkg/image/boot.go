package image

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// BootOptions say how the firmware comes to the kernel.
type BootOptions struct {
	Style   esp.Style   // as it is in an image that is there, else systemd-boot, if empty
	Cmdline string      // the kernel's options
	Timeout int         // seconds that the menu is shown; as it is if negative
	Sign    *esp.Signer // nil: nothing is signed
}

// espLabel is what the FAT is called.
const espLabel = "ESP"

// bootPartition is an EFI system partition of an image.
type bootPartition struct {
	image      *os.File
	extent     disk.Extent
	sectorSize int
	id         uint32 // of the FAT
}

// bootable is what a boot partition is made of.
type bootable struct {
	arch         string
	versions     []esp.Version
	loader, stub esp.File // systemd's
	warnings     []string
}

// ofPool is what a pool has to boot, of which a member is new. Both have to stay open while
// it is used.
func ofPool(top, member *os.File, usr subvol.Member, o BootOptions) (b bootable, err error) {
	versions, skipped, err := esp.Versions(top, usr.Arch)
	if err != nil {
		return b, err
	}
	for _, s := range skipped {
		b.warnings = append(b.warnings, fmt.Sprintf("%q is not for the boot loader: %s.", s.Entry, s.Reason))
	}
	for i := range versions {
		if versions[i].Is(usr) {
			versions[i].Options = o.Cmdline
		}
	}
	b.arch, b.versions = usr.Arch, versions
	b.loader, b.stub = esp.Programs(rootfs.FS(member), usr.Arch)
	return b, nil
}

// fill makes the partition match a pool: what was in it comes from a directory, and the
// whole of it is made anew. usr is the version that is new. It returns warnings.
func (b bootPartition) fill(ctx context.Context, tree string, top *os.File, usr subvol.Member,
	o BootOptions,
) (warnings []string, err error) {
	member, err := rootfs.OpenDir(top, usr.String())
	if err != nil {
		return nil, err
	}
	defer member.Close() // when all has been read
	from, err := ofPool(top, member, usr, o)
	if err != nil {
		return nil, err
	}
	return b.fillWith(ctx, tree, from, o)
}

// fillWith is fill with what is bootable.
func (b bootPartition) fillWith(ctx context.Context, tree string, from bootable, o BootOptions) (
	warnings []string, err error,
) {
	plan, err := from.plan(tree, o)
	warnings = append(from.warnings, plan.Warnings...)
	if err != nil {
		return warnings, err
	}
	dir, err := os.Open(tree)
	if err != nil {
		return warnings, err
	}
	defer dir.Close()
	if err := plan.Apply(ctx, dir); err != nil {
		return warnings, err
	}
	if err := b.check(tree); err != nil {
		return warnings, err
	}
	return warnings, esp.MakeFAT(ctx, b.image, b.extent.Offset, b.extent.Size, b.sectorSize,
		tree, b.id, espLabel)
}

// plan says what makes a directory with the content of the partition match. What the OS has
// not of systemd's boot loader is taken from this machine.
func (b bootable) plan(tree string, o BootOptions) (esp.Plan, error) {
	state, err := esp.Look(os.DirFS(tree))
	if err != nil {
		return esp.Plan{}, err
	}
	loader, stub := esp.Programs(os.DirFS("/usr"), b.arch)
	if b.loader.Open != nil {
		loader = b.loader
	}
	if b.stub.Open != nil {
		stub = b.stub
	}
	return esp.Decide(state, b.versions, esp.Config{
		Arch: b.arch, Style: cmp.Or(o.Style, state.UsedStyle()), Timeout: o.Timeout,
		Sign: o.Sign, Loader: loader, Stub: stub,
	})
}

// check makes sure that a directory fits into the partition.
func (b bootPartition) check(tree string) error {
	var need int64
	err := filepath.WalkDir(tree, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			need += info.Size() + 8<<10 // its last cluster, and its name
		}
		return err
	})
	if err != nil {
		return err
	}
	// The two tables of a FAT32 with clusters of 4 KiB take a five-hundredth.
	need += need/500 + mib
	if size := b.extent.Size; need > size {
		return &BootSpaceError{Size: size, Need: need}
	}
	return nil
}

// separate makes the partition of a disk a device of its own, which done closes: mkfs.fat
// wants a device for itself, and the disk is ours.
func (b *bootPartition) separate() (done func() error, err error) {
	info, err := b.image.Stat()
	if err != nil || info.Mode()&os.ModeDevice == 0 {
		return func() error { return nil }, err
	}
	loop, err := device.AttachLoop(b.image, device.Range{
		Offset: b.extent.Offset, Size: b.extent.Size, SectorSize: b.sectorSize, Writable: true,
	})
	if err != nil {
		return nil, err
	}
	b.image, b.extent.Offset = loop, 0
	return func() error { return device.DetachLoop(loop) }, nil
}

// extract copies what is in the partition to a directory.
func (b bootPartition) extract(ctx context.Context, tree string) error {
	return esp.ReadFAT(ctx, b.image, b.extent.Offset, tree)
}

// readID reads the volume ID of the FAT, from its boot sector.
func (b *bootPartition) readID() error {
	const offset = 67 // FAT32 File System Specification, BS_VolID
	raw := make([]byte, 4)
	_, err := b.image.ReadAt(raw, b.extent.Offset+offset)
	b.id = binary.LittleEndian.Uint32(raw)
	return err
}

// withTree gives f an empty directory, which is gone afterwards.
func withTree(f func(tree string) error) (err error) {
	tree, err := os.MkdirTemp("", "freshroot-esp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tree)) }()
	return f(tree)
}
