package esp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
)

const mark = "# Written by freshroot esp sync, which replaces it.\n"

// TestExtlinux writes a menu for U-Boot: the newest version that is good comes first.
func TestExtlinux(t *testing.T) {
	dir := t.TempDir()
	c := esp.Config{Arch: "arm64", Style: esp.Extlinux, Timeout: 2}
	want := versions(t, "1.0", "1.1", "1.2+0-3")
	want[0].Options = "quiet"
	want[2].Initramfs = esp.File{}
	sync(t, dir, want, c)
	golden := mark + `prompt 1
timeout 20
default org.example.os-1.1

label org.example.os-1.1
	menu label Example OS 1.1
	linux /freshroot/org.example.os/1.1/linux
	initrd /freshroot/org.example.os/1.1/initrd
	append freshroot.usr=org.example.os:1.1

label org.example.os-1.0
	menu label Example OS 1.0
	linux /freshroot/org.example.os/1.0/linux
	initrd /freshroot/org.example.os/1.0/initrd
	append freshroot.usr=org.example.os:1.0 quiet

label org.example.os-1.2
	menu label Example OS 1.2
	linux /freshroot/org.example.os/1.2/linux
	append freshroot.usr=org.example.os:1.2
`
	if diff := cmp.Diff(golden, files(t, dir)["extlinux/extlinux.conf"]); diff != "" {
		t.Errorf("menu (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"extlinux", "freshroot"}, ls(t, dir, ".")); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
	c.Timeout = -1 // as it is
	if plan := decide(t, dir, want, c); len(plan.Ops) > 0 {
		t.Errorf("nothing has changed, but:\n%s", plan)
	}
	c.Timeout = 0 // which U-Boot takes, if it is to ask, for no end of that
	sync(t, dir, want, c)
	if text := files(t, dir)["extlinux/extlinux.conf"]; !strings.HasPrefix(text, mark+"timeout 0\n") {
		t.Errorf("the menu is not passed over:\n%s", text)
	}
	// A version that is gone is out of the menu before its files go.
	plan := sync(t, dir, versions(t, "1.1"), c)
	if plan.Ops[0].Path != "extlinux/extlinux.conf" || plan.Ops[1].Do != esp.Remove {
		t.Errorf("plan:\n%s", plan)
	}
}

// TestGrub has GRUB's own parser look at the menu.
func TestGrub(t *testing.T) {
	dir := t.TempDir()
	c := esp.Config{Arch: "x86-64", Style: esp.Grub, Timeout: 5}
	want := versions(t, "1.0", "1.1~rc1")
	want[0].Title = "It's $an OS}"
	want[0].Options = `a="b c" d=$e;f freshroot.tmpfs=size=25%,nr_inodes=1m`
	sync(t, dir, want, c)
	golden := mark + `set timeout=5
set default=0
set fallback=1

menuentry 'Example OS 1.1~rc1' --id org.example.os-1.1_7erc1 {
	search --no-floppy --file --set=root /freshroot/org.example.os/1.1_7erc1/linux
	linux /freshroot/org.example.os/1.1_7erc1/linux freshroot.usr=org.example.os:1.1\~rc1
	initrd /freshroot/org.example.os/1.1_7erc1/initrd
}

menuentry 'It'\''s $an OS} 1.0' --id org.example.os-1.0 {
	search --no-floppy --file --set=root /freshroot/org.example.os/1.0/linux
	linux /freshroot/org.example.os/1.0/linux freshroot.usr=org.example.os:1.0 a="b c" d=\$e\;f freshroot.tmpfs=size=25%,nr_inodes=1m
	initrd /freshroot/org.example.os/1.0/initrd
}
`
	if diff := cmp.Diff(golden, files(t, dir)["grub/grub.cfg"]); diff != "" {
		t.Errorf("menu (-want +got):\n%s", diff)
	}
	entry := look(t, dir).Entries[1]
	if entry.Version != "1.0" || entry.Options != want[0].Options {
		t.Errorf("read again: %+v", entry)
	}
	testfs.Run(t, "grub-script-check", filepath.Join(dir, "grub/grub.cfg"))
}

// TestMenuOfOthers refuses to replace a menu that is not ours.
func TestMenuOfOthers(t *testing.T) {
	for style, path := range map[esp.Style]string{
		esp.Extlinux: "extlinux/extlinux.conf", esp.Grub: "grub/grub.cfg",
	} {
		dir := t.TempDir()
		write(t, dir, path, "label x\n")
		_, err := esp.Decide(look(t, dir), versions(t, "1.0"), esp.Config{Arch: "arm64", Style: style})
		if err == nil || !strings.Contains(err.Error(), "is not ours: move it away") {
			t.Errorf("%s: error %v", style, err)
		}
	}
}

// TestMenuKeeps keeps a version that is protected in the menu of a style that is no
// longer wanted.
func TestMenuKeeps(t *testing.T) {
	dir := t.TempDir()
	sync(t, dir, versions(t, "1.0", "1.1"), esp.Config{Arch: "x86-64", Style: esp.Grub})
	c := config()
	c.Booted = usr(t, "1.0")
	sync(t, dir, versions(t, "1.2"), c)
	text, err := os.ReadFile(filepath.Join(dir, "grub/grub.cfg"))
	if err != nil || !strings.Contains(string(text), "org.example.os:1.0\n") ||
		strings.Contains(string(text), "1.1") {
		t.Errorf("%v: %s", err, text)
	}
}
