package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/factory"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// copyCommand is the hidden subcommand that copies like the init, in a process of
// its own, as cp is one.
const copyCommand = "copy-tree"

// copyTree does the subcommand's work: WORKERS SOURCE TARGET.
func copyTree(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("%s: want WORKERS SOURCE TARGET", copyCommand)
	}
	workers, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	src, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Open(args[2])
	if err != nil {
		return err
	}
	defer dst.Close()
	unix.Umask(0) // as in the init
	_, err = factory.Copy(dst, src, factory.Options{Workers: workers})
	return err
}

// manyFiles is the large factory: directories, and files in each.
const manyDirs, manyPerDir = 500, 100

// makeMany makes a tree of 50,000 files of up to a page.
func makeMany(dir string) error {
	content := make([]byte, 4096)
	for d := range manyDirs {
		sub := filepath.Join(dir, "var/lib", fmt.Sprintf("dir%03d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return err
		}
		for i := range manyPerDir {
			name := filepath.Join(sub, fmt.Sprintf("file%03d", i))
			size := 1 + (d*manyPerDir+i)*977%len(content)
			if err := os.WriteFile(name, content[:size], 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// copySection compares the copy of the factory with cp, here and not in a machine.
func copySection(ctx context.Context, l *lab, w io.Writer) error {
	many := l.path("many")
	if err := makeMany(many); err != nil {
		return err
	}
	disk := l.path("copy.img")
	err := image.Create(disk, image.Spec{SizeMiB: 4096, Partitions: []image.Partition{
		image.Pool(func(top string) error {
			return errors.Join(os.Mkdir(filepath.Join(top, "small"), 0o755),
				image.CopyTree(filepath.Join(top, "small"), l.factory),
				os.Mkdir(filepath.Join(top, "many"), 0o755),
				image.CopyTree(filepath.Join(top, "many"), many))
		})}})
	if err != nil {
		return err
	}
	t := newTable("factory", "from btrfs to", "cp -a ms", "one worker ms", "ratio",
		"a worker per CPU ms", "ratio", "goal 1.0")
	err = image.Mount(disk, 1, false, func(top string) error {
		return l.compareCopies(ctx, t, top)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "## The copy of the factory, against cp -a\n\n%s\n", t)
	return err
}

func (l *lab) compareCopies(ctx context.Context, t *table, top string) error {
	for _, tree := range []struct{ name, dir string }{
		{"Debian's", "small"}, {"50,000 files", "many"},
	} {
		src := filepath.Join(top, tree.dir)
		for _, target := range []string{"tmpfs", "the same btrfs"} {
			times, err := l.timeCopies(ctx, src, target == "tmpfs")
			if err != nil {
				return err
			}
			cp, one, all := median(times[0]), median(times[1]), median(times[2])
			t.row(tree.name, target, ms(cp), ms(one), ratio(one, cp), ms(all),
				ratio(all, cp), verdict(max(one, all) <= cp))
		}
	}
	return nil
}

// timeCopies runs the three in turns.
func (l *lab) timeCopies(ctx context.Context, src string, tmpfs bool) (times [3][]time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return times, err
	}
	commands := [3]func(dst string) *exec.Cmd{
		func(dst string) *exec.Cmd { return exec.CommandContext(ctx, "cp", "-a", src+"/.", dst) },
		func(dst string) *exec.Cmd { return exec.CommandContext(ctx, self, copyCommand, "1", src, dst) },
		func(dst string) *exec.Cmd { return exec.CommandContext(ctx, self, copyCommand, "0", src, dst) },
	}
	for range l.repeats.host {
		for i, command := range commands {
			took, err := timeCopy(filepath.Dir(src), tmpfs, command)
			if err != nil {
				return times, err
			}
			times[i] = append(times[i], took)
		}
	}
	progress("copied %s, tmpfs %v: %s", filepath.Base(src), tmpfs, ms(median(times[0])))
	return times, nil
}

// timeCopy copies once, to a new directory that is removed again.
func timeCopy(top string, tmpfs bool, command func(dst string) *exec.Cmd) (took time.Duration, err error) {
	dst, err := os.MkdirTemp(top, "target")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dst)) }()
	if tmpfs {
		if err := unix.Mount("tmpfs", dst, "tmpfs", 0, "mode=0755"); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, unix.Unmount(dst, 0)) }()
	}
	cmd := command(dst)
	begin := time.Now()
	err = runQuiet(cmd)
	return time.Since(begin), err
}
