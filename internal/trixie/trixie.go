// Package trixie brings programs of Debian 13, for tests and benchmarks that compare with them
// or need them as new as that: systemd-tmpfiles and systemd-sysusers 257, and mkfs.btrfs 6.14.
//
// They come with the libraries they need, and run on any distribution: Debian's own dynamic
// loader starts them. They are downloaded once, by apt with a configuration of its own, and
// kept in the cache of the virtual machines' tests. That needs apt, dpkg-deb, Debian's keyring
// and a Debian mirror.
package trixie

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// packages are the programs and what they are linked with.
var packages = []string{
	"systemd-standalone-tmpfiles", "systemd-standalone-sysusers", "btrfs-progs",
	"libc6", "libacl1", "libcap2", "libselinux1", "libpcre2-8-0", "libcrypt1",
	"libblkid1", "libuuid1", "libudev1", "zlib1g", "liblzo2-2", "libzstd1",
}

// programs are the paths of those that get a starter.
var programs = []string{
	"usr/bin/systemd-tmpfiles", "usr/bin/systemd-sysusers", "usr/sbin/mkfs.btrfs",
}

// patience bounds the download.
const patience = 3 * time.Minute

// Tmpfiles returns the path of a systemd-tmpfiles 257 that can be run. The test is
// skipped where there is none to be had; where CI is set, it fails.
func Tmpfiles(t testing.TB) string {
	t.Helper()
	return program(t, "systemd-tmpfiles")
}

// Sysusers is Tmpfiles for systemd-sysusers.
func Sysusers(t testing.TB) string {
	t.Helper()
	return program(t, "systemd-sysusers")
}

// MkfsBtrfs is Tmpfiles for mkfs.btrfs.
func MkfsBtrfs(t testing.TB) string {
	t.Helper()
	return program(t, "mkfs.btrfs")
}

func program(t testing.TB, name string) string {
	t.Helper()
	dir, err := Dir(t.Context())
	if err == nil {
		return filepath.Join(dir, name)
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// Dir returns a directory that holds the programs, by their names.
func Dir(ctx context.Context) (string, error) {
	cache, err := guest.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "trixie")
	_, err = os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = install(ctx, cache, dir)
	}
	if err != nil {
		return "", fmt.Errorf("get programs of Debian 13: %w", err)
	}
	return dir, nil
}

// Argv returns how to start one of the programs, without a shell, where the directory
// that [Dir] returned is seen as at: for a chroot that has it mounted.
func Argv(dir, at, name string) ([]string, error) {
	loader, err := findLoader(dir)
	if err != nil {
		return nil, err
	}
	lib := filepath.Join(at, filepath.Dir(loader))
	lib += ":" + filepath.Join(lib, "systemd") // where those that are not standalone share code
	return []string{
		filepath.Join(at, loader), "--library-path", lib,
		"--argv0", name, filepath.Join(at, "usr/bin", name),
	}, nil
}

// findLoader returns the path of the dynamic loader below dir.
func findLoader(dir string) (string, error) {
	loaders, err := filepath.Glob(filepath.Join(dir, "usr/lib/*-linux-*/ld-linux*"))
	if err != nil || len(loaders) != 1 {
		return "", fmt.Errorf("found loaders %q: %w", loaders, errors.Join(err, fs.ErrNotExist))
	}
	return filepath.Rel(dir, loaders[0])
}

// install renames a complete directory into place. Who comes second finds the
// first one's there, which is as good.
func install(ctx context.Context, cache, dir string) error {
	tmp, err := os.MkdirTemp(cache, "trixie-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// The programs are for others than root, too.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(ctx, tmp); err != nil {
		return err
	}
	err = os.Rename(tmp, dir)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// fill downloads, unpacks and writes the starters.
func fill(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := Unpack(ctx, dir, "trixie", packages...); err != nil {
		return err
	}
	return writeStarters(dir)
}

// Unpack downloads packages of a release of Debian and unpacks them into dir.
func Unpack(ctx context.Context, dir, suite string, packages ...string) error {
	scratch, err := os.MkdirTemp("", "trixie-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	debs, err := download(ctx, scratch, suite, packages)
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if err := run(ctx, scratch, "dpkg-deb", "-x", deb, dir); err != nil {
			return err
		}
	}
	return nil
}

// keyring is where Debian, and those who derive from it, keep their mirrors' keys.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// download gets packages of Debian, whatever the machine's own apt is set to.
func download(ctx context.Context, dir, suite string, packages []string) ([]string, error) {
	source := filepath.Join(dir, "sources.list")
	line := "deb [signed-by=" + keyring + "] http://deb.debian.org/debian " + suite + " main\n"
	if err := os.WriteFile(source, []byte(line), 0o644); err != nil {
		return nil, err
	}
	for _, name := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, err
	}
	apt := []string{
		"-q", "-o", "Dir::Etc::sourcelist=" + source, "-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State=" + dir, "-o", "Dir::State::lists=" + filepath.Join(dir, "lists"),
		"-o", "Dir::State::status=" + filepath.Join(dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(dir, "cache"), "-o", "APT::Sandbox::User=root",
	}
	if err := run(ctx, dir, "apt-get", append(apt, "update")...); err != nil {
		return nil, err
	}
	err := run(ctx, dir, "apt-get", append(append(apt, "download"), packages...)...)
	if err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

// starter runs a program with the loader and the libraries beside it. The last word
// keeps the name that the program answers to.
const starter = `#!/bin/sh
dir=${0%%/*}
exec "$dir/%[1]s" --library-path "$dir/%[2]s" --argv0 "$0" "$dir/%[3]s" "$@"
`

// writeStarters writes one for each of the programs, at the top of dir.
func writeStarters(dir string) error {
	loader, err := findLoader(dir)
	if err != nil {
		return err
	}
	for _, program := range programs {
		text := fmt.Sprintf(starter, loader, filepath.Dir(loader), program)
		path := filepath.Join(dir, filepath.Base(program))
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
