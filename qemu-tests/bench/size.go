package main

import (
	"context"
	"fmt"
	"io"
)

// sizeSection measures what is small: the archives, and the memory of PID 1.
func sizeSection(ctx context.Context, l *lab, w io.Writer) error {
	sizes, err := l.sizes(ctx)
	if err != nil {
		return err
	}
	memory, err := l.memory(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "## Size and memory\n\n%s\n%s\n", sizes, memory)
	return err
}

// sizes builds initramfs files.
func (l *lab) sizes(ctx context.Context) (*table, error) {
	t := newTable("initramfs, zstd -19", "modules", "MB", "goal", "")
	for _, s := range []struct {
		name, modules string
		most          int64 // bytes; 0 is no goal
	}{
		{"the init alone", "none", 1_000_000},
		{"for a virtio disk", "btrfs,virtio_pci,virtio_blk", 1_700_000},
		{"virtio: block, SCSI, MMIO, overlay", "virtio", 0},
		{"default: PCs, VMs, boards", "default", 0},
	} {
		r, err := l.build(ctx, "size", "", s.modules)
		if err != nil {
			return nil, err
		}
		goal, met := "", ""
		if s.most > 0 {
			goal, met = megabytes(s.most), verdict(r.Size <= s.most)
		}
		t.row(s.name, fmt.Sprint(r.Modules), megabytes(r.Size), goal, met)
		progress("%s: %d bytes", s.name, r.Size)
	}
	return t, nil
}

// memoryMost is the goal for the peak of PID 1.
const memoryMost = 16 << 10 // KiB

// memory boots with a small and with a large factory. Two CPUs, as each has a worker
// with buffers of its own.
func (l *lab) memory(ctx context.Context) (*table, error) {
	many := l.path("many-memory")
	if err := makeMany(many); err != nil {
		return nil, err
	}
	initramfs, err := l.initramfs(ctx, "freshroot", "")
	if err != nil {
		return nil, err
	}
	t := newTable("peak memory of PID 1", "mode", "MB", "goal", "")
	for _, f := range []struct{ name, file, dir string }{
		{"Debian's factory", "pool-small", l.factory},
		{"50,000 files", "pool-large", many},
	} {
		disk, err := l.makeDisk(f.file, f.dir, 2048)
		if err != nil {
			return nil, err
		}
		for _, words := range []string{"volatile=yes", "volatile=no"} {
			r, err := l.bootCopy(ctx, disk, initramfs, large, words)
			if err != nil {
				return nil, err
			}
			progress("%s, %s: peak of %d KiB", f.name, words, r.MaxRSS)
			t.row(f.name, words, megabytes(int64(r.MaxRSS)<<10), megabytes(memoryMost<<10),
				verdict(r.MaxRSS < memoryMost))
		}
	}
	return t, nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
