package qemutests_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/dist"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

var openrc = share(func(ctx context.Context) (*guest.Tree, error) {
	return guest.OpenRC(ctx, "bookworm")
})

// debianDisk is enough MiB for a Debian and what it writes.
const debianDisk = 768

// What a vendor has beside the factory, and what has to come of it.
const (
	sysusersConf = `
u guest-daemon 471 "A daemon" /var/lib/guest-daemon
u guest-any -
g guest-data 472
m guest-daemon guest-data
`
	tmpfilesConf = `
d  /var/lib/guest-daemon 0750 guest-daemon guest-data -
f  /etc/guest-made 0640 root guest-data - made by a line\n
L  /etc/guest-link - - - - guest-made
r! /var/lib/guest-stale
`
	lookAtPopulated = `
id guest-daemon
id -un guest-any
stat -c '%A %U:%G %n' /var/lib/guest-daemon /etc/guest-made
cat /etc/guest-link
ls /var/lib/guest-stale 2>/dev/null
true
`
	populated = "uid=471(guest-daemon) gid=471(guest-daemon) " +
		"groups=471(guest-daemon),472(guest-data)" + `
guest-any
drwxr-x--- guest-daemon:guest-data /var/lib/guest-daemon
-rw-r----- root:guest-data /etc/guest-made
made by a line
`
)

// addPopulation gives a golden master lines of sysusers.d and tmpfiles.d.
func addPopulation(root string) error {
	return writeTree(root, map[string]string{
		"lib/sysusers.d/guest.conf":         sysusersConf,
		"lib/tmpfiles.d/guest.conf":         tmpfilesConf,
		"share/factory/var/lib/guest-stale": "of the image",
	})
}

// writeTree writes files with their directories.
func writeTree(root string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// addScripts installs a tool and the scripts that have an init without systemd run it.
func addScripts(root, tool string) error {
	const etc = "share/factory/etc"
	scripts, err := fs.ReadDir(dist.Sysv, "sysv")
	for _, script := range scripts {
		path := filepath.Join(root, etc, "init.d", script.Name())
		err = errors.Join(err, copyProgram(path, "../dist/sysv/"+script.Name()))
		for link, target := range dist.Links(os.DirFS(root), etc, script.Name()) {
			err = errors.Join(err, os.Symlink(target, filepath.Join(root, link)))
		}
	}
	return errors.Join(err, copyProgram(filepath.Join(root, "bin/freshroot"), tool))
}

// productUUID makes a machine that says who it is, as real ones do.
var productUUID = []string{"-uuid", "3f0cbd1a-7b1e-4c39-9d5a-52d6b0a6f9c4"}

const (
	lookAtIdentity = "cat /etc/machine-id; hostname"
	hostname       = "rack-7"
)

// machineID is a valid one, with the hostname that we set behind.
var machineID = regexp.MustCompile(`^([0-9a-f]{32})\n` + hostname + `\n$`)

// identity cuts what lookAtIdentity printed off the end of the output, and returns it.
func identity(t *testing.T, r *report) (id string) {
	t.Helper()
	head, tail, _ := strings.Cut(r.RunOutput, "---\n")
	r.RunOutput = head
	match := machineID.FindStringSubmatch(tail)
	if match == nil || strings.Trim(match[1], "0") == "" {
		t.Fatalf("machine-id and hostname: %q", tail)
	}
	return match[1]
}

// TestIntegrationOpenRC boots a real distribution without systemd in each mode on one disk,
// each time the other of two versions. All that systemd would do before its first service
// is ours to do, and what its units would do after the last one is our scripts'.
func TestIntegrationOpenRC(t *testing.T) {
	t.Parallel()
	const (
		entry    = "usr:org.debian.openrc:x86-64:"
		instance = "root:default:org.debian.openrc:x86-64"
	)
	tool, versions := tool.get(t), []string{"12.0", "12.1"}
	var members []guest.Member
	for _, version := range versions {
		members = append(members, guest.Member{
			Name: entry + version, Usr: openrc.get(t), Edit: func(root string) error {
				return errors.Join(addPopulation(root), addScripts(root, tool))
			},
		})
	}
	spec := pool(guest.Pool(members...))
	spec.SizeMiB = 2 * debianDisk
	m := newMachine(t, disk(t, spec))
	m.ExtraArgs = productUUID
	var ids []string
	for i, l := range lived {
		version := versions[i%2]
		r := m.boot("systemd.hostname=" + hostname + " volatile=" + l.mode +
			" freshroot.usr=" + version + " " +
			guest.RunArg(lookAtPopulated+"echo ---;"+lookAtIdentity))
		id := identity(t, r)
		if l.mode != "yes" { // which shows nothing of the instance
			ids = append(ids, id)
		}
		modeOf(instance, l.mode).check(t, r, entry+version, l.etc, l.variable)
		checkOpenRC(t, r)
		if done := entry + version + " stays as it is"; !strings.Contains(r.console, done) {
			t.Errorf("%s is not blessed:\n%s", version, r.console)
		}
	}
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("machine-ids of the instance: %q", ids)
	}
}

// checkOpenRC wants the default runlevel, with nothing that failed, and what the lines
// of sysusers.d and tmpfiles.d make.
func checkOpenRC(t *testing.T, r *report) {
	t.Helper()
	got := []string{r.Init, r.State, strings.Join(r.Failed, " ")}
	if diff := cmp.Diff([]string{"openrc", "default", ""}, got); diff != "" {
		t.Errorf("openrc (-want +got):\n%s\n%s", diff, r.console)
	}
	if diff := cmp.Diff(populated, r.RunOutput); diff != "" {
		t.Errorf("sysusers.d and tmpfiles.d (-want +got):\n%s", diff)
	}
	if len(r.boot.Warnings) > 0 {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
	t.Logf("%s: up after %v s", r.boot.Mode, r.Uptime)
}
