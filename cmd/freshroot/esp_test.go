package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// bootablePool is a pool with golden masters, whose newest kernel is 6.12.10.
func bootablePool(t *testing.T, versions ...string) string {
	t.Helper()
	dir := testfs.Btrfs(t, 128)
	for _, version := range versions {
		addMaster(t, dir, version, map[string]string{
			"lib/modules/6.12.10/vmlinuz":       "kernel " + version,
			"lib/modules/6.12.10/initramfs.img": "init " + version,
			"lib/modules/6.12.9/vmlinuz":        "old", "lib/modules/6.12.9/initramfs.img": "old",
			"lib/os-release": "NAME=Example\nPRETTY_NAME=\"Example OS\"\n",
			"lib/systemd/boot/efi/systemd-bootx64.efi":    "MZ #### LoaderInfo: systemd-boot 257 ####",
			"lib/systemd/boot/efi/linuxx64.efi.stub":      "of no use",
			"lib/systemd/boot/efi/systemd-bootaa64.efi":   "MZ",
			"lib/systemd/boot/efi/systemd-bootia32.efi":   "MZ",
			"share/factory/etc/hosts":                     "",
			"lib/modules/6.12.11-removed/kernel/left.txt": "",
		})
	}
	return dir
}

func addMaster(t *testing.T, pool, version string, files map[string]string) {
	t.Helper()
	usr := filepath.Join(pool, "usr:org.example.os:"+subvol.HostArch()+":"+version)
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", usr)
	if err := writeTree(usr, files); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "property", "set", usr, "ro", "true")
}

// TestIntegrationEspSync syncs a directory with a pool: what there is no kernel for is
// named, and a version that was marked bad is so for the boot loader too.
func TestIntegrationEspSync(t *testing.T) {
	pool, dir := bootablePool(t, "1.0", "1.1+3"), t.TempDir()
	addMaster(t, pool, "1.2", map[string]string{"lib/os-release": ""})
	out := mustTool(t, pool, "esp", "sync", "--esp", dir, "--dry-run")
	if !strings.Contains(out, "loader/entries/org.example.os-1.1+3.conf") || len(list(t, dir)) > 0 {
		t.Errorf("dry run: %s\n%q", out, list(t, dir))
	}
	out = mustTool(t, pool, "esp", "sync", "--esp", dir, "--cmdline", "quiet", "--timeout", "0")
	if !strings.Contains(out, ":1.2: no lib/modules: ") || !strings.Contains(out, "the pool now") {
		t.Errorf("sync: %s", out)
	}
	want := []string{"EFI", "freshroot", "loader"}
	if diff := cmp.Diff(want, list(t, dir)); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"freshroot/org.example.os/1.1/linux":  "kernel 1.1+3",
		"freshroot/org.example.os/1.1/initrd": "init 1.1+3",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	name := filepath.Join(pool, "usr:org.example.os:"+subvol.HostArch()+":1.1")
	testfs.Run(t, "btrfs", "property", "set", name+"+3", "ro", "false")
	out = mustTool(t, pool, "esp", "sync", "--esp", dir)
	if !strings.Contains(out, "1.1+3: writable") || strings.Contains(out, "remove") {
		t.Errorf("with a version that is being changed: %s", out)
	}
	testfs.Run(t, "btrfs", "property", "set", name+"+3", "ro", "true")
	if err := os.Rename(name+"+3", name+"+0-1"); err != nil {
		t.Fatal(err)
	}
	mustTool(t, pool, "esp", "sync", "--esp", dir)
	wantEntries := []espEntry{
		{"loader/entries/org.example.os-1.0.conf", "org.example.os", "1.0", nil, "quiet"},
		{"loader/entries/org.example.os-1.1+0.conf", "org.example.os", "1.1", &tries{0, 0}, "quiet"},
	}
	var got []espEntry
	text, err := run(t, "esp", "list", "--json", "--esp", dir)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantEntries, got); diff != "" || err != nil {
		t.Errorf("entries: %v (-want +got):\n%s", err, diff)
	}
	out = mustTool(t, pool, "esp", "sync", "--esp", dir, "--json")
	if !strings.Contains(out, `"operations": []`) {
		t.Errorf("again: %s", out)
	}
}

// TestIntegrationEspNewest leaves out what is older.
func TestIntegrationEspNewest(t *testing.T) {
	pool, dir := bootablePool(t, "1.0", "1.1", "1.2"), t.TempDir()
	mustTool(t, pool, "esp", "sync", "--esp", dir, "--newest", "1")
	out, err := run(t, "esp", "list", "--esp", dir)
	want := "ENTRY                    BOOTS\n" +
		"org.example.os-1.1.conf  org.example.os 1.1\norg.example.os-1.2.conf  org.example.os 1.2\n"
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("the newest and a fallback: %v (-want +got):\n%s", err, diff)
	}
}

// TestIntegrationEspOfImage takes the pool out of the image of a disk.
func TestIntegrationEspOfImage(t *testing.T) {
	image := newPool(t, 512, v+"1")
	out, err := tool(image, "esp", "sync", "--esp", t.TempDir())
	if want := "no golden master of the pool has a kernel"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q\n%s", err, want, out)
	}
}

// TestIntegrationEspRunning names the pool that this machine runs from, or another one. What
// runs stays, though it is old.
func TestIntegrationEspRunning(t *testing.T) {
	pool := bootablePool(t, "1.0", "1.1", "1.2")
	uuid, err := btrfs.UUID(testfs.Open(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	running := "usr:org.example.os:" + subvol.HostArch() + ":1.0"
	for uuid, want := range map[string][]string{
		uuid:                                   {"org.example.os-1.0.conf", "org.example.os-1.2.conf"},
		"12345678-90ab-cdef-1234-567890abcdef": {"org.example.os-1.1.conf", "org.example.os-1.2.conf"},
	} {
		dir := t.TempDir()
		record, err := json.Marshal(bootRecord{Usr: running, Pool: bootPool{UUID: uuid}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := toolBooted(record, pool, "esp", "sync", "--esp", dir, "--newest", "1")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(want, list(t, filepath.Join(dir, "loader/entries"))); diff != "" {
			t.Errorf("running from %s (-want +got):\n%s", uuid, diff)
		}
	}
}

// toolBooted runs the tool on a machine whose boot has left a record.
func toolBooted(record []byte, pool string, args ...string) (out string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with the goroutine, and what is mounted for it too.
		runtime.LockOSThread()
		for _, step := range []func() error{
			func() error { return unix.Unshare(unix.CLONE_NEWNS) },
			func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") },
			func() error { return unix.Mount("run", "/run", "tmpfs", 0, "") },
			func() error { return os.Mkdir(filepath.Dir(bootFile), 0o755) },
			func() error { return os.WriteFile(bootFile, record, 0o644) },
		} {
			if err = step(); err != nil {
				return
			}
		}
		out, err = tool(pool, args...)
	}()
	<-done
	return out, err
}

func TestIntegrationEspRefuses(t *testing.T) {
	pool, dir := bootablePool(t), t.TempDir()
	addMaster(t, pool, "1.0", map[string]string{"lib/modules/6.1/vmlinuz": "k"})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--esp", dir}, "no golden master of the pool has a kernel"},
		{[]string{"--esp", dir}, "1.0: no lib/modules/6.1/initramfs.img"},
		{[]string{"--esp", dir + "/none"}, "no such file"},
		{[]string{"--bootloader", "lilo"}, "is none of systemd-boot"},
		{[]string{"--sign-key", "x"}, "go together"},
	} {
		out, err := tool(pool, append([]string{"esp", "sync"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v\n%s", c.args, err, out)
		}
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
