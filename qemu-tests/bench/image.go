package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// byHand makes the image of an OS as a person would: $1 is the tree, $2 the image, $3 the
// initramfs, $4 the release of the kernel. It leaves out the partition table, which takes
// no time, and the factory, for which there is no other program.
const byHand = `set -e
truncate -s 2G "$2"
mkfs.btrfs -q "$2"
mkdir "$2.mnt"
mount -o loop,compress=zstd "$2" "$2.mnt"
cp -a "$1" "$2.mnt/"
umount "$2.mnt"
rmdir "$2.mnt"
mkfs.fat -F 32 -C "$2.esp" 524288 >/dev/null
mmd -i "$2.esp" ::/EFI ::/EFI/BOOT ::/loader
mcopy -i "$2.esp" "$1/boot/vmlinuz-$4" "$3" ::/
sync "$2" "$2.esp"
rm "$2" "$2.esp"`

// imageSection compares building an image with doing the same by hand.
func imageSection(ctx context.Context, l *lab, w io.Writer) error {
	progress("building an image")
	tree, err := l.installed(ctx)
	if err != nil {
		return err
	}
	size, err := treeSize(tree)
	if err != nil {
		return err
	}
	times, err := l.timeImages(ctx, tree)
	if err != nil {
		return err
	}
	byHand, built, inMachine := median(times[0]), median(times[1]), median(times[2])
	t := newTable("tree MB", "by hand ms", "as root ms", "ratio", "goal 1.25",
		"without root ms", "ratio", "goal 4")
	t.row(fmt.Sprint(size/1e6), ms(byHand),
		ms(built), ratio(built, byHand), verdict(4*built <= 5*byHand),
		ms(inMachine), ratio(inMachine, byHand), verdict(inMachine <= 4*byHand))
	_, err = fmt.Fprintf(w, "## Building an image, against doing it by hand\n\n%s\n", t)
	return err
}

// timeImages makes the image in turns: by hand, by the tool as root, and by the tool in its
// helper machine. All get the initramfs.
func (l *lab) timeImages(ctx context.Context, tree string) (times [3][]time.Duration, err error) {
	tool := l.path("freshroot")
	c := exec.CommandContext(ctx, "go", "build", "-o", tool, "./cmd/freshroot")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := runQuiet(c); err != nil {
		return times, err
	}
	initramfs, err := l.build(ctx, "image", "", "default")
	if err != nil {
		return times, err
	}
	build := []string{
		tool, "image", "build", "--force", "--usr", tree, "--vendor", "org.example.bench",
		"--version", "1", "--initramfs", initramfs.Output, "-o", l.path("built.img"),
	}
	commands := [3][]string{
		{"sh", "-c", byHand, "sh", tree, l.path("hand.img"), initramfs.Output, l.kernel.Release},
		append(slices.Clone(build), "--builder", "loop"),
		append(slices.Clone(build), "--builder", "vm", "--helper-kernel", l.kernel.Dir),
	}
	for range l.repeats.real {
		for i, words := range commands {
			begin := time.Now()
			if err := runQuiet(exec.CommandContext(ctx, words[0], words[1:]...)); err != nil {
				return times, err
			}
			times[i] = append(times[i], time.Since(begin))
		}
	}
	return times, nil
}

// installed makes a Debian as it is after its installation: with a kernel, and without a
// factory.
func (l *lab) installed(ctx context.Context) (string, error) {
	tree := l.path("installed")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return "", err
	}
	usr := strings.TrimSuffix(l.factory, "/share/factory")
	image := filepath.Join(l.kernel.Dir, "boot", "vmlinuz-"+l.kernel.Release)
	boot := filepath.Join(tree, "boot")
	return tree, errors.Join(
		os.Mkdir(boot, 0o755),
		runQuiet(exec.CommandContext(ctx, "cp", "-a", usr, tree)),
		runQuiet(exec.CommandContext(ctx, "cp", "-a", image, boot)),
		os.Rename(filepath.Join(tree, "usr/share/factory/etc"), filepath.Join(tree, "etc")),
		os.Rename(filepath.Join(tree, "usr/share/factory/var"), filepath.Join(tree, "var")),
		os.Remove(filepath.Join(tree, "usr/share/factory")),
	)
}

// treeSize adds up the files of a tree.
func treeSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
