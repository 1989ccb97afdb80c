package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/trixie"
)

// systemdPackages are systemd as Debian 13 installs it, and what it is linked with.
var systemdPackages = []string{
	"systemd", "libsystemd-shared", "libc6", "libacl1", "libapparmor1", "libaudit1", "libblkid1",
	"libcap-ng0", "libcap2", "libcrypt1", "libgcrypt20", "libgpg-error0", "libkmod2", "liblz4-1",
	"liblzma5", "libmount1", "libpam0g", "libpcre2-8-0", "libseccomp2", "libselinux1",
	"libssl3t64", "libsystemd0", "libzstd1",
}

// syntheticLines is how large the large configuration is.
const syntheticLines = 20_000

// populateSection compares what makes users and files with systemd's own programs.
func populateSection(ctx context.Context, l *lab, w io.Writer) error {
	theirs := l.path("systemd")
	if err := os.Mkdir(theirs, 0o755); err != nil {
		return err
	}
	if err := trixie.Unpack(ctx, theirs, "trixie", systemdPackages...); err != nil {
		return err
	}
	tool := l.path("freshroot")
	build := exec.CommandContext(ctx, "env", "CGO_ENABLED=0", "go", "build", "-o", tool, "./cmd/freshroot")
	if err := runQuiet(build); err != nil {
		return err
	}
	t := newTable("configuration", "systemd 257 ms", "freshroot ms", "ratio", "goal 1.0",
		"systemd KiB", "freshroot KiB", "ratio", "goal 0.25 if large")
	all, err := l.populates(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		their, our, err := p.compare(ctx, l, theirs, tool)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", p.kind, p.name, err)
		}
		t.row(p.kind+", "+p.name,
			ms(their.took), ms(our.took), ratio(our.took, their.took),
			verdict(our.took <= their.took), fmt.Sprint(their.peak), fmt.Sprint(our.peak),
			fmt.Sprintf("%.2f", float64(our.peak)/float64(their.peak)),
			p.memoryVerdict(our, their))
	}
	_, err = fmt.Fprintf(w, "## Users and files, against systemd's programs\n\n%s\n", t)
	return err
}

// memoryVerdict has a goal only where there is much to remember.
func (p populate) memoryVerdict(our, their cost) string {
	if p.config == "" {
		return ""
	}
	return verdict(our.peak*4 <= their.peak)
}

// populates prepares the roots and the configurations.
func (l *lab) populates(ctx context.Context) ([]populate, error) {
	empty := l.path("empty")
	if err := os.MkdirAll(filepath.Join(empty, "etc"), 0o755); err != nil {
		return nil, err
	}
	files, users := l.path("tmpfiles.conf"), l.path("sysusers.conf")
	if err := errors.Join(
		writeConfig(files, syntheticTmpfiles), writeConfig(users, syntheticSysusers),
	); err != nil {
		return nil, err
	}
	all := []populate{
		{"sysusers", "nothing", empty, ""}, {"tmpfiles", "nothing", empty, ""},
		{"sysusers", "20,000 lines", empty, users}, {"tmpfiles", "20,000 lines", empty, files},
	}
	for _, suite := range []string{"bookworm", "trixie"} {
		bare, populated, err := l.desktop(ctx, suite)
		if err != nil {
			return nil, err
		}
		all = append(all,
			populate{"sysusers", "desktop, " + suite, bare, ""},
			populate{"tmpfiles", "desktop, " + suite, populated, ""})
	}
	return all, nil
}

// desktopPackages are those of a Debian with a desktop that bring users and files.
var desktopPackages = []string{
	"systemd", "systemd-timesyncd", "udev", "dbus", "passwd", "sudo", "openssh-server", "man-db",
	"x11-common", "colord", "cups-daemon", "gdm3", "network-manager", "polkitd", "fwupd",
	"udisks2", "lvm2", "cryptsetup", "bluez", "speech-dispatcher", "exim4-base",
}

// desktop makes two roots with the configuration of a desktop: one without users and
// groups, and one that has those of the configuration, and of Debian's base-passwd.
func (l *lab) desktop(ctx context.Context, suite string) (bare, populated string, err error) {
	bare, populated = l.path("desktop-"+suite), l.path("populated-"+suite)
	packages := l.path("packages-" + suite)
	if err := os.Mkdir(packages, 0o755); err != nil {
		return "", "", err
	}
	names := append([]string{"base-passwd"}, desktopPackages...)
	if err := trixie.Unpack(ctx, packages, suite, names...); err != nil {
		return "", "", err
	}
	script := `set -e
mkdir -p "$2/etc" "$2/usr/lib"
for kind in tmpfiles.d sysusers.d; do cp -r "$1/usr/lib/$kind" "$2/usr/lib"; done
cp -r "$2" "$3"
cp "$1/usr/share/base-passwd/passwd.master" "$3/etc/passwd"
cp "$1/usr/share/base-passwd/group.master" "$3/etc/group"
systemd-sysusers --root="$3"`
	return bare, populated, runQuiet(exec.CommandContext(ctx,
		"sh", "-c", script, "sh", packages, bare, populated))
}

// syntheticTmpfiles writes what packages of a large system might ship.
func syntheticTmpfiles(w io.Writer) {
	const perDir = 40
	for i := range syntheticLines {
		dir := fmt.Sprintf("/var/lib/service%04d", i/perDir)
		switch n := i % perDir; {
		case n == 0:
			fmt.Fprintf(w, "d %s 0750 root root -\n", dir)
		case n%5 == 1:
			fmt.Fprintf(w, "d %s/dir%d 0755 - - 10d\n", dir, n)
		case n%5 == 2:
			fmt.Fprintf(w, "f %s/file%d 0644 root root - content of %d\n", dir, n, i)
		case n%5 == 3:
			fmt.Fprintf(w, "L %s/link%d - - - - ../../target%d\n", dir, n, n)
		case n%5 == 4:
			fmt.Fprintf(w, "z %s/file%d 0640 root 1\n", dir, n-2)
		default:
			fmt.Fprintf(w, "d %s/sub%d/deep 0700 1000 1000 -\n", dir, n)
		}
	}
}

// syntheticSysusers writes groups with users in them, with numbers of their own.
func syntheticSysusers(w io.Writer) {
	for i := range syntheticLines / 2 {
		fmt.Fprintf(w, "g group%d %d\nu user%d %d:group%d \"User %d\" /var/lib/user%d\n",
			i, 100_000+i, i, 100_000+i, i, i, i)
	}
}

// populate is one configuration, applied to a new copy of a root again and again.
type populate struct {
	kind, name string
	root       string
	config     string // a file; "" for the configuration of the root
}

// cost is what a run took.
type cost struct {
	took time.Duration
	peak int64 // KiB of memory
}

// compare runs both in turns, and returns the medians of the times.
func (p populate) compare(
	ctx context.Context, l *lab, theirs, tool string,
) (their, our cost, err error) {
	target := l.path("target")
	args := []string{"--root=" + target}
	if p.kind == "tmpfiles" {
		args = append(args, "--create", "--boot", "-E")
	}
	if p.config != "" {
		args = append(args, p.config)
	}
	argv, err := trixie.Argv(theirs, theirs, "systemd-"+p.kind)
	if err != nil {
		return their, our, err
	}
	var times [2][]time.Duration
	for range l.repeats.host {
		for i, command := range [][]string{
			append(argv, args...),
			append([]string{tool, p.kind}, args...),
		} {
			c, err := populateOnce(ctx, p.root, target, command)
			if err != nil {
				return their, our, err
			}
			times[i] = append(times[i], c.took)
			of := []*cost{&their, &our}[i]
			of.peak = max(of.peak, c.peak)
		}
	}
	their.took, our.took = median(times[0]), median(times[1])
	progress("%s, %s: %s, %s", p.kind, p.name, ms(their.took), ms(our.took))
	return their, our, nil
}

func writeConfig(path string, write func(io.Writer)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(f)
	write(b)
	return errors.Join(b.Flush(), f.Close())
}

// unknownOwner is the exit status for lines that cannot be used (EX_DATAERR).
const unknownOwner = 65

// populateOnce runs a program on a copy of a root, in memory.
func populateOnce(ctx context.Context, root, target string, command []string) (c cost, err error) {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return c, err
	}
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, "mode=0755"); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, unix.Unmount(target, 0)) }()
	if err := runQuiet(exec.CommandContext(ctx, "cp", "-a", root+"/.", target)); err != nil {
		return c, err
	}
	// The kernel counts the memory of who starts a program as the program's. time(1) has
	// little.
	peak := target + ".peak"
	args := append([]string{"-f", "%M", "-o", peak}, command...)
	begin := time.Now()
	err = runQuiet(exec.CommandContext(ctx, "/usr/bin/time", args...))
	c.took = time.Since(begin)
	// Debian makes some users by other means, and so some files have no owner here.
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == unknownOwner) {
		return c, err
	}
	text, err := os.ReadFile(peak)
	if err != nil {
		return c, err
	}
	// Before it, time(1) says so if the program fails.
	words := strings.Fields(string(text))
	c.peak, err = strconv.ParseInt(words[len(words)-1], 10, 64)
	return c, err
}
