package qemutests_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// syncedMachine has firmware, and one disk: a pool and an EFI system partition that was
// synced with it, whose entries have these options.
func syncedMachine(
	t *testing.T, style esp.Style, options string, members ...guest.Member,
) *machine {
	t.Helper()
	m := firmwareOnly(t)
	pool := image.Pool(guest.Pool(members...))
	pool.SizeMiB = poolSize
	m.Disks = append(m.Disks, disk(t, image.Spec{
		SizeMiB:    poolSize + 130,
		Partitions: []image.Partition{pool, syncedESP(t, style, options, members)},
	}))
	return m
}

// syncedESP is an EFI system partition that was synced with a pool of these members.
func syncedESP(
	t *testing.T, style esp.Style, options string, members []guest.Member,
) image.Partition {
	t.Helper()
	var versions []esp.Version
	for _, member := range members {
		versions = append(versions, bootable(t, member.Name, options))
	}
	return image.Partition{
		Type: image.TypeESP, Label: "esp", SizeMiB: 128, FS: "vfat",
		Populate: func(root string) error { return syncESP(t.Context(), root, style, versions) },
	}
}

// bootable is a golden master with the tests' kernel and an initramfs.
func bootable(t *testing.T, name, options string) esp.Version {
	t.Helper()
	m, err := subvol.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	k := kernel.get(t)
	return esp.Version{
		Usr: m, Release: k.Release, Title: "Busybox guest", Options: "console=ttyS0 panic=1 " + options,
		Kernel: readFile(t, k.Image), Initramfs: readFile(t, everywhere.get(t).Output),
	}
}

func readFile(t *testing.T, path string) esp.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return esp.Bytes(data)
}

// timeouts let those menus be seen that are text. The others would only take time.
var timeouts = map[esp.Style]int{esp.Extlinux: 1, esp.Grub: 1}

// syncESP does to a directory what "freshroot esp sync" does.
func syncESP(ctx context.Context, root string, style esp.Style, versions []esp.Version) error {
	state, err := esp.Look(os.DirFS(root))
	if err != nil {
		return err
	}
	c := esp.Config{Arch: subvol.HostArch(), Style: style, Timeout: timeouts[style]}
	c.Loader, c.Stub = esp.Programs(os.DirFS("/usr"), c.Arch)
	plan, err := esp.Decide(state, versions, c)
	if err != nil {
		return err
	}
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	return plan.Apply(ctx, dir)
}

// wantEntries compares the names of the boot loader's entries with those that there
// are, in a directory of the second partition. Not every kernel can mount it.
func wantEntries(t *testing.T, m *machine, dir string, want ...string) {
	t.Helper()
	fat := m.Disks[0].Path + "@@161M"
	out, err := exec.Command("mdir", "-b", "-i", fat, "::"+dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range strings.Fields(string(out)) {
		got = append(got, filepath.Base(path))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries of the boot loader (-want +got):\n%s", diff)
	}
}

// TestIntegrationImageFallback has an update that never boots, in a unified kernel
// image: systemd-boot counts its tries down, and then boots the version before.
func TestIntegrationImageFallback(t *testing.T) {
	t.Parallel()
	m := syncedMachine(t, esp.UKI, "volatile=yes", broken(t, "2.0+2"), master(t, "1.0", nil))
	for _, want := range []string{"+1-1", "+0-2"} {
		s := m.start("")
		s.expect("2.0.* has no init that can be executed")
		s.wait()
		wantEntries(t, m, "EFI/Linux", vendor+"_1.0.efi", vendor+"_2.0"+want+".efi")
	}
	r := m.boot("")
	want := []any{usr + "1.0", false, "", 0}
	got := []any{r.boot.Usr, r.boot.Degraded, r.boot.CountedBy, len(r.boot.Warnings)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(r.Cmdline, "freshroot.usr="+vendor+":1.0 console=ttyS0") {
		t.Errorf("command line: %q", r.Cmdline)
	}
	wantVersions(t, m, "1.0", "2.0+2") // the boot loader alone has counted
}

// TestIntegrationEntries leaves the counting to systemd-boot. From within the guest, the
// version is then blessed and another one marked bad, for the boot loader as well, and
// the partition is found to match the pool.
func TestIntegrationEntries(t *testing.T) {
	t.Parallel()
	script := strings.Join([]string{
		insertFAT, "export NO_COLOR=1", "freshroot bless", "freshroot mark-bad 1.0",
		"freshroot esp sync", "freshroot esp list",
	}, "; ")
	m := syncedMachine(t, esp.Entries, "volatile=yes "+guest.RunArg(script),
		withKernel(t, "2.0+3"), withKernel(t, "1.0"))
	r := m.boot("")
	want := []any{usr + "2.0+3", "boot loader", tries{3, 0}}
	got := []any{r.boot.Usr, r.boot.CountedBy, r.boot.Tries}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("boot.json (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"renamed loader/entries/" + vendor + "-2.0+2-1.conf to loader/entries/" + vendor + "-2.0.conf",
		" matches the pool\n", vendor + " 1.0, no tries left",
	} {
		if !strings.Contains(r.RunOutput, want) {
			t.Errorf("the tool does not say %q:\n%s", want, r.RunOutput)
		}
	}
	wantEntries(t, m, "loader/entries", vendor+"-1.0+0.conf", vendor+"-2.0.conf")
	wantVersions(t, m, "1.0+0", "2.0")
}

// TestIntegrationEntryGiveBack leaves the counting to systemd-boot, and gives the try back
// from within the guest: once for each time that the entry was counted, and three times at
// most.
func TestIntegrationEntryGiveBack(t *testing.T) {
	t.Parallel()
	const counted = vendor + "-2.0+2-1.conf"
	script := strings.Join([]string{
		insertFAT, "export NO_COLOR=1", "mount -t vfat /dev/vda2 /mnt", "cd /mnt/loader/entries",
		"freshroot bless --give-back", "freshroot bless --give-back",
		"for i in 1 2 3; do mv *2.0+3.conf " + counted + "; freshroot bless --give-back; done",
		"cd /; umount /mnt",
	}, "; ")
	m := syncedMachine(t, esp.Entries, "volatile=yes "+guest.RunArg(script),
		withKernel(t, "2.0+3"), withKernel(t, "1.0"))
	r := m.boot("")
	const back = "renamed loader/entries/" + counted + " to loader/entries/" + vendor + "-2.0+3.conf\n"
	want := back + usr + "2.0+3 stays as it is\n" + back + back +
		`freshroot bless: change the boot loader's entry: give "` + usr + `2.0+3" a try back: ` +
		"3 tries were given back already\n"
	if diff := cmp.Diff(want, r.RunOutput); diff != "" {
		t.Errorf("what the tool says (-want +got):\n%s", diff)
	}
	wantEntries(t, m, "loader/entries", vendor+"-1.0.conf", counted)
	wantVersions(t, m, "1.0", "2.0+3")
}

// insertFAT loads the modules of withKernel.
const insertFAT = "for m in fat vfat nls_cp437 nls_ascii nls_iso8859-1; do insmod /usr/lib/guest/$m.ko; done"

// withKernel is a golden master with the tool, its kernel, and the modules of FAT.
func withKernel(t *testing.T, version string) guest.Member {
	t.Helper()
	m, k := withTool(t, version), kernel.get(t)
	tool := m.Edit
	m.Edit = func(root string) error {
		modules := filepath.Join(root, "lib/modules", k.Release)
		err := errors.Join(tool(root), os.MkdirAll(modules, 0o755),
			copyFile(filepath.Join(modules, "vmlinuz"), k.Image),
			copyFile(filepath.Join(modules, "initramfs.img"), everywhere.get(t).Output))
		fs := filepath.Join(k.Dir, "lib/modules", k.Release, "kernel/fs")
		for _, module := range []string{
			"fat/fat", "fat/vfat", "nls/nls_cp437", "nls/nls_ascii", "nls/nls_iso8859-1",
		} {
			name := filepath.Join(root, "lib/guest", filepath.Base(module)+".ko")
			err = errors.Join(err, copyFile(name, filepath.Join(fs, module+".ko")))
		}
		return err
	}
	return m
}
