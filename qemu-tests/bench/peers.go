package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// contender is an initramfs to compare, and what it wants to be told.
type contender struct{ name, image, words string }

// peerWords tell another initramfs where the whole system is.
const peerWords = "root=UUID=" + poolUUID + " rootflags=subvol=" + peer + " rw"

// peersSection compares freshroot with the generators of the distribution.
func peersSection(ctx context.Context, l *lab, w io.Writer) error {
	disk, all, err := l.contenders(ctx)
	if err != nil {
		return err
	}
	results := make([]peerTimes, len(all))
	for _, c := range []clock{virtual, real1} {
		for range min(l.repeats.of(c), 5) {
			for i, p := range all {
				if err := l.samplePeer(ctx, disk, p, c, &results[i]); err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
			}
		}
	}
	t := newTable("initramfs", "size MB", "unpack ms V", "/init to OS ms V",
		"/init to OS ms R", "R, of freshroot's")
	for i, p := range all {
		info, err := os.Stat(p.image)
		if err != nil {
			return err
		}
		r := results[i]
		t.row(p.name, megabytes(info.Size()), ms(median(r.unpack)), ms(median(r.virtual)),
			ms(median(r.real)), ratio(median(r.real), median(results[0].real)))
	}
	_, err = fmt.Fprintf(w, "## Against the distribution's initramfs generators\n\n%s\n", t)
	return err
}

// peerTimes are the times of one contender.
type peerTimes struct{ unpack, virtual, real []time.Duration }

func (l *lab) samplePeer(ctx context.Context, disk string, p contender, c clock, t *peerTimes) error {
	r, err := l.bootCopy(ctx, disk, p.image, c, p.words)
	if err != nil {
		return err
	}
	total, err := r.between(runInit, switched)
	if err != nil {
		return err
	}
	progress("%s, %s: %s ms", c.name, p.name, ms(total))
	if !c.icount {
		t.real = append(t.real, total)
		return nil
	}
	unpack, err := r.between(unpackBegin, unpackEnd)
	t.virtual, t.unpack = append(t.virtual, total), append(t.unpack, unpack)
	return err
}

// contenders builds them all, freshroot first.
func (l *lab) contenders(ctx context.Context) (disk string, all []contender, err error) {
	ours, err := l.prepareRivals(ctx)
	if err != nil {
		return "", nil, err
	}
	for _, r := range ours {
		all = append(all, contender{"freshroot, " + r.name, r.fresh, r.words})
	}
	for _, b := range peerBuilds {
		image := l.path(b.file)
		progress("build %s", b.name)
		if err := b.build(ctx, l, image); err != nil {
			return "", nil, fmt.Errorf("build %s: %w", b.name, err)
		}
		all = append(all, contender{b.name, image, peerWords})
	}
	return ours[0].disk, all, nil
}

// peerBuilds are the usual ways to use the generators: made for any machine, as
// distributions do, and as small as they get for this one.
var peerBuilds = []struct {
	name, file string
	build      func(ctx context.Context, l *lab, image string) error
}{
	{"initramfs-tools, MODULES=list", "tools-list.img", initramfsTools("list")},
	{"initramfs-tools, MODULES=most", "tools-most.img", initramfsTools("most")},
	{"dracut, these modules only", "dracut-small.img", dracut(
		"--modules", "base systemd systemd-initrd dracut-systemd kernel-modules "+
			"rootfs-block udev-rules fs-lib btrfs",
		"--drivers", strings.Join(peerModules, " "))},
	{"dracut --no-hostonly", "dracut.img", dracut()},
}

// peerModules are the least that reach the disk; neither generator knows that
// btrfs needs crc32c.
var peerModules = []string{"virtio_pci", "virtio_blk", "crc32c_generic", "btrfs"}

// mkinitramfs knows only /lib/modules and /boot, so it sees the kernel there, in a
// mount namespace of its own.
const mkinitramfs = `set -e
mount -t overlay -o "lowerdir=$1/lib:/usr/lib" overlay /usr/lib
mount --bind "$1/boot" /boot
exec mkinitramfs -d "$2" -o "$3" "$4"`

func initramfsTools(modules string) func(context.Context, *lab, string) error {
	return func(ctx context.Context, l *lab, image string) error {
		conf, err := toolsConfig(ctx, image+".conf", modules)
		if err != nil {
			return err
		}
		return runQuiet(exec.CommandContext(ctx, "unshare", "--mount", "sh", "-c",
			mkinitramfs, "mkinitramfs", l.kernel.Dir, conf, image, l.kernel.Release))
	}
}

// toolsConfig makes a configuration of what the package brings; the last line of
// the file that sets a variable counts.
func toolsConfig(ctx context.Context, dir, modules string) (string, error) {
	cp := exec.CommandContext(ctx, "cp", "-a", "/etc/initramfs-tools", dir)
	if err := runQuiet(cp); err != nil {
		return "", err
	}
	list := strings.Join(peerModules, "\n") + "\n"
	conf, err := os.OpenFile(filepath.Join(dir, "initramfs.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer conf.Close()
	_, err = fmt.Fprintf(conf, "MODULES=%s\nCOMPRESS=zstd\n", modules)
	return dir, errors.Join(err,
		os.WriteFile(filepath.Join(dir, "modules"), []byte(list), 0o644))
}

func dracut(more ...string) func(context.Context, *lab, string) error {
	return func(ctx context.Context, l *lab, image string) error {
		args := []string{"--kver", l.kernel.Release, "--no-hostonly", "--zstd",
			"--kmoddir", filepath.Join(l.kernel.Dir, "lib/modules", l.kernel.Release)}
		return runQuiet(exec.CommandContext(ctx, "dracut", append(append(args, more...), image)...))
	}
}
