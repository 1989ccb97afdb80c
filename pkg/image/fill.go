package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// FillOptions say what becomes of a source.
type FillOptions struct {
	Usr      subvol.Member // the golden master that is made, with its tries
	Instance string        // that is made ready, such as "default"; "" for none
	Factory  golden.Options

	// Kernel is the release to boot with; the newest that the source has if empty.
	// KernelFrom, if set, is a directory that it is taken from instead, with
	// boot/vmlinuz-RELEASE and lib/modules/RELEASE, as in an unpacked package.
	Kernel, KernelFrom string

	// Initramfs is a ready-made one. If it is empty, one is built with Modules and
	// with Init, or with an init that is compiled from the checkout InitSource.
	Initramfs, Init, InitSource string
	Modules                     archive.Modules

	Tool     string   // the program that becomes usr/bin/freshroot; "" for none
	Progress Progress `json:"-"` // may be nil
}

// Progress is told what is being done: the name of a step, and how many bytes of how
// many are done, 0 of 0 where that is not known.
type Progress func(step string, done, total int64)

// report tells of a step that begins.
func (p Progress) report(step string) {
	if p != nil {
		p(step, 0, 0)
	}
}

// Filled says what was put into a pool.
type Filled struct {
	Usr      string `json:"usr"`                // the name of the member
	Kernel   string `json:"kernel"`             // its release
	Instance string `json:"instance,omitempty"` // the name of the member
	// Warnings are what a person should know, in whole sentences.
	Warnings []string `json:"warnings,omitempty"`
}

// Fill puts an OS into a mounted pool: pool is the top level. The member appears whole
// or not at all, by one rename, and is on the disk when the function returns.
//
// It needs root. What the source lacks to be booted is a *[CheckError].
func Fill(ctx context.Context, pool *os.File, src *source.Source, o FillOptions) (Filled, error) {
	if err := isFree(pool, o.Usr); err != nil {
		return Filled{}, err
	}
	return fillStage(ctx, &stage{pool: pool, options: o}, src)
}

// fillStage fills a pool by way of a stage that is not open yet.
func fillStage(ctx context.Context, s *stage, src *source.Source) (Filled, error) {
	defer unix.Umask(unix.Umask(0)) // modes are what they are asked to be
	err := s.begin()
	if err != nil {
		return Filled{}, err
	}
	err = s.fill(ctx, src)
	if err := errors.Join(err, s.discard()); err != nil {
		return Filled{}, err
	}
	return s.filled, s.sync()
}

// isFree makes sure that there is no such version yet, with or without a counter.
func isFree(top *os.File, usr subvol.Member) error {
	entries, err := pool.Entries(top)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		m, err := subvol.Parse(entry)
		m.Tries = usr.Tries
		if err == nil && m == usr {
			return fmt.Errorf("the pool has %q already: give another version", entry)
		}
	}
	return nil
}

// fill goes from step to step, and stops between them if it is told to.
func (s *stage) fill(ctx context.Context, src *source.Source) error {
	if err := s.unpack(ctx, src); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"add kernel", s.addKernel},
		{"check", s.check},
		{"install tool", s.installTool},
		{"make factory", s.makeFactory},
		{"build initramfs", s.addInitramfs},
		{"make member", s.commit},
		{"make instance", s.makeInstance},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.options.Progress.report(step.name)
		if err := step.do(ctx); errors.Is(err, unix.ENOSPC) {
			return fmt.Errorf("%s: %w", step.name, s.noSpace(err, s.additions()))
		} else if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (s *stage) unpack(ctx context.Context, src *source.Source) error {
	var last int64
	s.options.Progress.report("unpack")
	_, err := src.Unpack(ctx, s.tree, source.Options{
		Arch: s.options.Usr.Arch,
		Progress: func(read int64) {
			last = read
			if s.options.Progress != nil {
				s.options.Progress("unpack", read, src.Size())
			}
		},
	})
	if errors.Is(err, unix.ENOSPC) {
		return s.noSpace(err, s.missing(src, last))
	}
	return err
}

// makeFactory makes the factory, unless the source is a golden master that has one.
func (s *stage) makeFactory(context.Context) error {
	if !exists(s.root, "etc") {
		return nil
	}
	if !exists(s.root, "var") {
		if err := s.root.Mkdir("var", 0o755); err != nil {
			return err
		}
	}
	_, _, err := golden.Build(s.root, s.options.Factory)
	return err
}

// commit gives the subvolume its name. A read-only one could not be moved any more.
func (s *stage) commit(context.Context) error {
	if err := s.stamp(); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	name := s.options.Usr.String()
	err := unix.Renameat2(int(s.tree.Fd()), usrDir, int(s.pool.Fd()), name, unix.RENAME_NOREPLACE)
	if err != nil {
		return fmt.Errorf("rename to %q: %w", name, err)
	}
	usr, err := rootfs.OpenDir(s.pool, name)
	if err != nil {
		return err
	}
	defer usr.Close()
	if s.filled.Usr = name; s.plain {
		return nil
	}
	return btrfs.SetReadOnly(usr, true)
}

// stamp sets the times. That of /usr itself tells stock systemd that it is another one
// (ConditionNeedsUpdate=).
func (s *stage) stamp() error {
	now := s.options.Factory.Epoch
	if now.IsZero() {
		now = time.Now()
	} else if err := golden.Clamp(s.root, usrDir, now); err != nil {
		return err
	}
	return s.root.Chtimes(usrDir, now, now)
}

func (s *stage) makeInstance(context.Context) error {
	if s.options.Instance == "" {
		return nil
	}
	usr, err := rootfs.OpenDir(s.pool, s.filled.Usr)
	if err != nil {
		return err
	}
	defer usr.Close()
	m := s.options.Usr
	root := subvol.Member{Kind: subvol.Root, Name: s.options.Instance, Vendor: m.Vendor, Arch: m.Arch}
	s.filled.Instance = root.String()
	target := instance.Target{Pool: s.pool, Name: root.String(), Usr: m, Golden: usr}
	_, err = target.Ensure()
	return err
}

// sync writes a pool to its disk.
func sync(top *os.File) error {
	if err := unix.Syncfs(int(top.Fd())); err != nil {
		return fmt.Errorf("sync pool: %w", err)
	}
	return nil
}
