// Package directboot takes out of a disk image what its boot loader would start, so that a
// virtual machine can be given the kernel without firmware and boot loader: sooner, and with
// another command line.
//
// It looks into the EFI system partition, with the mtools (no mount, no privileges beyond
// reading the image), for entries of the Boot Loader Specification, of type 1 and unified
// kernel images, and takes the one that systemd-boot would take by itself: what is set by
// loader.conf, or in the firmware's variables, is not looked at.
//
// It reads images as they are on a disk ("raw"). Sizes are bounded; names that come from
// the image go to mtools as arguments below "::/", which it cannot leave.
//
// See https://uapi-group.org/specifications/specs/boot_loader_specification/.
package directboot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/uki"
)

// Boot is what QEMU takes to boot a kernel by itself.
type Boot struct {
	Entry     string // the file name of the boot entry
	Kernel    string // path of a file
	Initramfs string // path of a file; empty if there is none
	Cmdline   string
}

// ErrNoEntry is returned for an image without an entry for this architecture.
var ErrNoEntry = errors.New("no boot entry in its EFI system partition")

const (
	// maxFile bounds a kernel, an initramfs and a unified kernel image.
	maxFile = 1 << 30
	// maxCmdline is more than any kernel takes.
	maxCmdline = 64 << 10
)

// Extract writes the kernel and the initramfs that an image of an architecture (systemd's
// name of it) would boot into a directory.
func Extract(ctx context.Context, image, arch, dir string) (Boot, error) {
	b, err := extract(ctx, image, arch, dir)
	if err != nil {
		return Boot{}, fmt.Errorf("find what %q boots: %w", image, err)
	}
	return b, nil
}

func extract(ctx context.Context, image, arch, dir string) (Boot, error) {
	f, err := os.Open(image)
	if err != nil {
		return Boot{}, err
	}
	defer f.Close()
	e, err := openESP(f)
	if err != nil {
		return Boot{}, err
	}
	entries, err := e.entries(ctx, bls.Arch(arch))
	if err != nil {
		return Boot{}, err
	}
	if len(entries) == 0 {
		return Boot{}, ErrNoEntry
	}
	best := slices.MinFunc(entries, func(a, b entry) int { return bls.Compare(a.Named, b.Named) })
	return best.extract(ctx, e, dir)
}

// entry is a boot entry, and its path on the partition.
type entry struct {
	bls.Named
	path string
}

// entries returns the entries that can be booted here. Others are passed over, as the
// boot loader does.
func (e esp) entries(ctx context.Context, arch string) (list []entry, err error) {
	files, err := e.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name, err := bls.ParseName(path.Base(file))
		if err != nil {
			continue
		}
		found := entry{bls.Named{Name: name}, file}
		switch dir := strings.TrimPrefix(path.Dir(file), "/"); {
		case strings.EqualFold(dir, bls.UnifiedDir) && name.Suffix == bls.EFISuffix:
		case strings.EqualFold(dir, bls.EntriesDir) && name.Suffix == bls.ConfSuffix:
			if found.Entry, err = e.parse(ctx, file); err != nil {
				return nil, err
			}
		default:
			continue
		}
		if a := found.Architecture; a == "" || strings.EqualFold(a, arch) {
			list = append(list, found)
		}
	}
	return list, nil
}

// parse reads an entry of type 1.
func (e esp) parse(ctx context.Context, file string) (bls.Entry, error) {
	var text bytes.Buffer
	if err := e.read(ctx, file, &text, bls.MaxEntry); err != nil {
		return bls.Entry{}, err
	}
	parsed, err := bls.Parse(text.Bytes())
	if err != nil {
		return bls.Entry{}, fmt.Errorf("entry %q: %w", file, err)
	}
	return parsed, nil
}

// extract writes the files of an entry into a directory.
func (n entry) extract(ctx context.Context, e esp, dir string) (Boot, error) {
	b := Boot{
		Entry: path.Base(n.path), Cmdline: n.Options,
		Kernel: filepath.Join(dir, "linux"), Initramfs: filepath.Join(dir, "initrd"),
	}
	if unified := n.unified(); unified != "" {
		return b, b.extractUnified(ctx, e, unified, dir)
	}
	if err := e.copy(ctx, b.Kernel, n.Linux); err != nil {
		return b, err
	}
	if len(n.Initrd) == 0 {
		b.Initramfs = ""
		return b, nil
	}
	return b, e.copy(ctx, b.Initramfs, n.Initrd...)
}

// unified returns the path of the unified kernel image, if that is what is booted.
func (n entry) unified() string {
	if n.Name.Suffix == bls.EFISuffix {
		return n.path
	}
	return n.EFI
}

// extractUnified takes a unified kernel image apart. Options of an entry take the place of
// those in the image.
func (b *Boot) extractUnified(ctx context.Context, e esp, file, dir string) error {
	whole := filepath.Join(dir, "uki")
	if err := e.copy(ctx, whole, file); err != nil {
		return err
	}
	defer os.Remove(whole)
	f, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if b.Cmdline == "" {
		text, err := uki.Read(f, ".cmdline", maxCmdline)
		if err != nil {
			return fmt.Errorf("%q: %w", file, err)
		}
		b.Cmdline = strings.TrimSpace(strings.TrimRight(string(text), "\x00"))
	}
	return errors.Join(writeSection(b.Kernel, f, ".linux", info.Size()),
		writeSection(b.Initramfs, f, ".initrd", info.Size()))
}

// writeSection writes a section of a unified kernel image of some bytes to a file.
func writeSection(to string, image *os.File, name string, size int64) error {
	content, err := uki.Read(image, name, size)
	if err != nil {
		return fmt.Errorf("unified kernel image: %w", err)
	}
	return os.WriteFile(to, content, 0o600)
}
