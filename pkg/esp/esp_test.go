package esp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/subvol"
)

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	want := versions(t, "1.0~rc1", "1.0+3")
	want[1].Options = "quiet volatile=yes"
	plan := sync(t, dir, want, config())
	golden := lines(
		"write  EFI/systemd/systemd-bootx64.efi (44 bytes)",
		"write  EFI/BOOT/BOOTX64.EFI (44 bytes)",
		"write  loader/loader.conf (15 bytes)",
		"write  freshroot/org.example.os/1.0/initrd (28000 bytes)",
		"write  freshroot/org.example.os/1.0/linux (11000 bytes)",
		"write  freshroot/org.example.os/1.0_7erc1/initrd (36000 bytes)",
		"write  freshroot/org.example.os/1.0_7erc1/linux (15000 bytes)",
		"write  loader/entries/org.example.os-1.0+3.conf (250 bytes)",
		"write  loader/entries/org.example.os-1.0_7erc1.conf (251 bytes)",
	)
	if diff := cmp.Diff(golden, plan.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	entry := lines(
		"title        Example OS", "sort-key     org.example.os", "version      1.0",
		"architecture x64",
		"linux        /freshroot/org.example.os/1.0/linux",
		"initrd       /freshroot/org.example.os/1.0/initrd",
		"options      freshroot.usr=org.example.os:1.0 quiet volatile=yes",
	)
	got := files(t, dir)
	for name, want := range map[string]string{
		"loader/entries/org.example.os-1.0+3.conf": entry,
		"freshroot/org.example.os/1.0/linux":       kernelOf("1.0"),
		"freshroot/org.example.os/1.0/initrd":      initramfsOf("1.0"),
		"loader/loader.conf":                       "timeout      3\n",
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestUpdate follows a machine through updates: what the boot loader has counted stays,
// what is gone goes, and new versions get the options of the one that is booted.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	c := config()
	first := versions(t, "1.0")
	first[0].Options = "quiet"
	sync(t, dir, first, c)
	sync(t, dir, versions(t, "1.0", "1.1+3"), c)
	const entry = "loader/entries/org.example.os-"
	rename(t, dir, entry+"1.1+3.conf", entry+"1.1+2-1.conf")
	want := versions(t, "1.1+3", "1.2")
	c.Booted, c.Fallback = usr(t, "1.1+3"), usr(t, "1.0")
	sync(t, dir, want, c)
	if diff := cmp.Diff([]string{
		"org.example.os-1.0.conf", "org.example.os-1.1+2-1.conf", "org.example.os-1.2.conf",
	}, ls(t, dir, "loader/entries")); diff != "" {
		t.Errorf("the fallback is kept (-want +got):\n%s", diff)
	}
	if text := files(t, dir)[entry+"1.2.conf"]; !strings.Contains(text, "1.2 quiet\n") {
		t.Errorf("no options: %s", text)
	}
	c.Fallback = subvol.Member{}
	plan := sync(t, dir, want, c)
	golden := lines(
		"remove loader/entries/org.example.os-1.0.conf",
		"remove freshroot/org.example.os/1.0/initrd",
		"remove freshroot/org.example.os/1.0/linux",
	)
	if diff := cmp.Diff(golden, plan.String()); diff != "" || plan.Bytes != 0 {
		t.Errorf("%d bytes; plan (-want +got):\n%s", plan.Bytes, diff)
	}
	if diff := cmp.Diff([]string{"1.1", "1.2"}, ls(t, dir, "freshroot/org.example.os")); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
}

// TestMarkedBad has a version that was marked bad in the pool.
func TestMarkedBad(t *testing.T) {
	dir := t.TempDir()
	sync(t, dir, versions(t, "1.0", "1.1"), config())
	plan := sync(t, dir, versions(t, "1.0", "1.1+0"), config())
	golden := "rename loader/entries/org.example.os-1.1.conf " +
		"to loader/entries/org.example.os-1.1+0.conf\n"
	if diff := cmp.Diff(golden, plan.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

// TestRepair has files that are not what they should be.
func TestRepair(t *testing.T) {
	dir := t.TempDir()
	sync(t, dir, versions(t, "1.0+3"), config())
	const entry = "loader/entries/org.example.os-"
	rename(t, dir, entry+"1.0+3.conf", entry+"1.0+1-2.conf")
	spoilt := []byte(kernelOf("1.0"))
	spoilt[5000]++
	write(t, dir, "freshroot/org.example.os/1.0/linux", string(spoilt))
	write(t, dir, "freshroot/new.tmp", "half")
	write(t, dir, entry+"1.0+1-2.conf", lines("title changed",
		"linux /freshroot/org.example.os/1.0/linux",
		"options freshroot.usr=org.example.os:1.0 debug"))
	plan := sync(t, dir, versions(t, "1.0+3"), config())
	golden := lines(
		"remove freshroot/new.tmp",
		"write  freshroot/org.example.os/1.0/linux (11000 bytes)",
		"write  loader/entries/org.example.os-1.0+1-2.conf (237 bytes)",
	)
	if diff := cmp.Diff(golden, plan.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if got := look(t, dir).Entries[0].Options; got != "debug" {
		t.Errorf("options that a person has set have become %q", got)
	}
}

// TestLoader has boot loaders of others, and such that are older or newer.
func TestLoader(t *testing.T) {
	const own, boot = "EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"
	text := func(version string) string {
		return "MZ\x00#### LoaderInfo: systemd-boot " + version + " ####\x00"
	}
	for _, c := range []struct {
		name, own, boot string
		want            []string
		warning         string
	}{
		{"none", "", "", []string{own, boot}, ""},
		{"older", text("252.3"), text("252.3"), []string{own, boot}, ""},
		{"newer", text("258~rc1"), text("257.10"), nil, ""},
		{"another", "", "MZ shim", []string{own}, "EFI/BOOT/BOOTX64.EFI is another boot loader"},
		{"spoilt", "MZ", text("257.9"), []string{own}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "loader/loader.conf", "default x\n")
			for name, content := range map[string]string{own: c.own, boot: c.boot} {
				if content != "" {
					write(t, dir, name, content)
				}
			}
			plan := decide(t, dir, nil, config())
			var got []string
			for _, op := range plan.Ops {
				got = append(got, op.Path)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if warnings := strings.Join(plan.Warnings, "\n"); !strings.Contains(warnings, c.warning) ||
				(warnings == "") != (c.warning == "") {
				t.Errorf("warnings: %q", warnings)
			}
		})
	}
	without := config()
	without.Loader = esp.File{}
	if _, err := esp.Decide(look(t, t.TempDir()), nil, without); err == nil ||
		!strings.Contains(err.Error(), "no systemd-boot") {
		t.Errorf("without a boot loader: %v", err)
	}
}

// TestUsedStyle reads back how a partition was made. One with nothing of ours gets
// systemd-boot.
func TestUsedStyle(t *testing.T) {
	if got := look(t, t.TempDir()).UsedStyle(); got != esp.Entries {
		t.Errorf("empty: %s", got)
	}
	for _, style := range []esp.Style{esp.Entries, esp.UKI, esp.Extlinux, esp.Grub, esp.None} {
		dir, c := t.TempDir(), config()
		c.Style = style
		if style == esp.UKI {
			c.Stub = realFile(t, "linuxx64.efi.stub")
		}
		sync(t, dir, versions(t, "1.0"), c)
		if got := look(t, dir).UsedStyle(); got != style {
			t.Errorf("%s has become %s", style, got)
		}
	}
	// The directory of a menu is no sign of it once it was given up.
	dir, c := t.TempDir(), config()
	for _, style := range []esp.Style{esp.Extlinux, esp.None, esp.Grub, esp.None} {
		c.Style = style
		sync(t, dir, versions(t, "1.0"), c)
		if got := look(t, dir).UsedStyle(); got != style {
			t.Errorf("what was changed to %s has become %s", style, got)
		}
	}
	// An entry may be lost, or not yet be written.
	dir = t.TempDir()
	sync(t, dir, versions(t, "1.0"), config())
	if err := os.RemoveAll(filepath.Join(dir, "loader/entries")); err != nil {
		t.Fatal(err)
	}
	if got := look(t, dir).UsedStyle(); got != esp.Entries {
		t.Errorf("without entries: %s", got)
	}
}

// TestForeign leaves alone all that is not ours, and finds it.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	theirs := map[string]string{
		"loader/entries/debian.conf": "linux /debian/vmlinuz\noptions root=/dev/sda1\n",
		"loader/entries/broken.conf": strings.Repeat("x", 100000),
		"loader/entries/like.conf":   "linux /freshroot/a/b/linux\noptions quiet\n",
		"loader/entries/readme.txt":  "freshroot.usr=a:b",
		"EFI/Linux/arch.efi":         "MZ",
		"EFI/Microsoft/Boot/x.efi":   "MZ",
		"extlinux/extlinux.conf":     "label x\n",
		"freshroot/note":             "mine",
		"freshroot/v/1/dtb":          "mine",
		"loader/random-seed":         "seed",
	}
	for name, content := range theirs {
		write(t, dir, name, content)
	}
	sync(t, dir, versions(t, "1.0", "1.1"), config())
	sync(t, dir, nil, config())
	got := files(t, dir)
	for _, name := range []string{
		"EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI", "loader/loader.conf",
	} {
		delete(got, name)
	}
	if diff := cmp.Diff(theirs, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	wantForeign := []string{
		"loader/entries/broken.conf", "loader/entries/debian.conf", "loader/entries/like.conf",
		"EFI/Linux/arch.efi", "extlinux/extlinux.conf",
	}
	if diff := cmp.Diff(wantForeign, look(t, dir).Foreign); diff != "" {
		t.Errorf("foreign (-want +got):\n%s", diff)
	}
}

// TestRefused has what cannot be.
func TestRefused(t *testing.T) {
	other := version(t, "1.0")
	other.Kernel = esp.File{}
	for _, c := range []struct {
		name   string
		want   []esp.Version
		change func(c *esp.Config)
		error  string
	}{
		{"arch", nil, func(c *esp.Config) { c.Arch = "s390x" }, "EFI has no name for the architecture"},
		{"style", nil, func(c *esp.Config) { c.Style = "lilo" }, "is no style"},
		{"names", versions(t, "1.0a", "1.0A"), nil, "have the same name on a FAT"},
		{"long", versions(t, "1."+strings.Repeat("~", 85)), nil, "too long for a FAT"},
		{"not ours", versions(t, "2.0"), nil, "is not ours: move it away"},
		{"no kernel", []esp.Version{other}, nil, "has no kernel"},
		{"no stub", nil, func(c *esp.Config) { c.Style = esp.UKI }, "linuxx64.efi.stub"},
		{"loader", nil, func(c *esp.Config) { c.Loader = esp.Bytes([]byte("MZ")) }, "not systemd-boot"},
	} {
		dir := t.TempDir()
		write(t, dir, "loader/entries/org.example.os-2.0.conf", "linux /mine\n")
		conf := config()
		if c.change != nil {
			c.change(&conf)
		}
		_, err := esp.Decide(look(t, dir), c.want, conf)
		if err == nil || !strings.Contains(err.Error(), c.error) {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}
