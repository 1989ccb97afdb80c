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

	"github.com/freshroot/freshroot/internal/trixie"
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
	byHand := median(times[0])
	t := newTable("tree MB", "how", "ms", "ratio", "goal")
	t.row(fmt.Sprint(size/1e6), "by hand", ms(byHand), "", "")
	for i, way := range []struct {
		name string
		goal float64
	}{{"loop, as root", 1.25}, {"rootdir, not as root", 4}, {"vm", 4}} {
		took := median(times[1+i])
		t.row("", way.name, ms(took), ratio(took, byHand),
			fmt.Sprintf("%v: %s", way.goal, verdict(float64(took) <= way.goal*float64(byHand))))
	}
	_, err = fmt.Fprintf(w, "## Building an image, against doing it by hand\n\n%s\n", t)
	return err
}

// asNobody runs the command behind it as somebody who is not root, and who has users of their
// own and a mkfs.btrfs that can make subvolumes, in the directory $1: to this process alone.
const asNobody = `set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work
echo nobody:100000:65536 | tee /mnt/upper/subuid >/mnt/upper/subgid
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work overlay /etc
export PATH="$1:$PATH"
shift
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"`

// timeImages makes the image in turns: by hand, and by the tool as root, in a user namespace and
// in its helper machine. All get the initramfs. What nobody reads and writes is in a directory
// of their own; their source is a tar, as its owners are root.
func (l *lab) timeImages(ctx context.Context, tree string) (times [4][]time.Duration, err error) {
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
	new, err := trixie.Dir(ctx)
	if err != nil {
		return times, err
	}
	theirs, err := nobodysDir(ctx, tree, tool, initramfs.Output)
	if err != nil {
		return times, err
	}
	defer os.RemoveAll(theirs)
	build := []string{
		tool, "image", "build", "--force", "--usr", tree, "--vendor", "org.example.bench",
		"--version", "1", "--initramfs", initramfs.Output, "-o", l.path("built.img"),
	}
	commands := [4][]string{
		{"sh", "-c", byHand, "sh", tree, l.path("hand.img"), initramfs.Output, l.kernel.Release},
		append(slices.Clone(build), "--builder", "loop"),
		{
			"unshare", "--mount", "--wd", theirs, "sh", "-c", asNobody, "sh", new, "env", "TMPDIR=" + theirs,
			"./freshroot", "image", "build", "--builder", "rootdir", "--force", "--usr", "tree.tar",
			"--vendor", "org.example.bench", "--version", "1", "--initramfs", "initramfs", "-o", "built.img",
		},
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

// nobodysDir makes a directory that is nobody's, with what they build of. It has to be where
// nobody can reach it.
func nobodysDir(ctx context.Context, tree, tool, initramfs string) (string, error) {
	dir, err := os.MkdirTemp("/var/tmp", "bench-rootless-")
	if err != nil {
		return "", err
	}
	const script = `set -e
tar --xattrs --xattrs-include='*' -C "$2" -cf "$1/tree.tar" .
cp "$3" "$1/freshroot"
cp "$4" "$1/initramfs"
chown -R 65534:65534 "$1"
chmod 755 "$1"`
	err = runQuiet(exec.CommandContext(ctx, "sh", "-c", script, "sh", dir, tree, tool, initramfs))
	if err != nil {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return dir, err
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
