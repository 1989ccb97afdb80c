package signature_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/signature"
)

// TestFind recognises what others' programs make.
func TestFind(t *testing.T) {
	for _, tc := range []struct {
		want    string
		command []string
	}{
		{"", []string{"true"}},
		{"btrfs", []string{"mkfs.btrfs", "-q"}},
		{"ext4", []string{"mkfs.ext4", "-q"}},
		{"vfat", []string{"mkfs.fat", "-F", "32"}},
		{"vfat", []string{"mkfs.fat", "-F", "16"}},
		{"vfat", []string{"mkfs.fat", "-F", "12", "-s", "128"}},
		{"swap", []string{"mkswap", "-q"}},
		{"GPT", []string{"sgdisk", "-n1:0:0"}},
		{"GPT btrfs", []string{"sh", "-c", `mkfs.btrfs -q "$0" && sgdisk -n1:0:0 "$0"`}},
	} {
		t.Run(tc.want, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 128<<20); err != nil {
				t.Fatal(err)
			}
			testfs.Run(t, tc.command[0], append(tc.command[1:], path)...)
			got := strings.Join(signature.Find(testfs.Open(t, path)), " ")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tc.command, diff)
			}
		})
	}
}

// TestFindMBR tells a partition table from code that only ends as one.
func TestFindMBR(t *testing.T) {
	sector := make([]byte, 512)
	find := func() string { return strings.Join(signature.Find(strings.NewReader(string(sector))), " ") }
	sector[510], sector[511] = 0x55, 0xaa
	if got := find(); got != "" {
		t.Errorf("no partition: %q", got)
	}
	sector[446+4], sector[446+12] = 0x83, 1
	if got := find(); got != "MBR" {
		t.Errorf("a partition: %q", got)
	}
	sector[462] = 0x12
	if got := find(); got != "" {
		t.Errorf("a flag that is none: %q", got)
	}
	if got := signature.Find(strings.NewReader("short")); got != nil {
		t.Errorf("a few bytes: %q", got)
	}
}

// TestFindFormats has the formats that no program here makes.
func TestFindFormats(t *testing.T) {
	for want, at := range map[string]struct {
		offset int
		magic  string
	}{
		"xfs": {0, "XFSB"}, "squashfs": {0, "hsqs"}, "erofs": {1024, "\xe2\xe1\xf5\xe0"},
		"LUKS": {0, "LUKS\xba\xbe"}, "LVM": {512, "LABELONE"}, "RAID": {4096, "\xfc\x4e\x2b\xa9"},
		"iso9660": {32769, "CD001"}, "ntfs": {3, "NTFS    "}, "exfat": {3, "EXFAT   "},
		"f2fs": {1024, "\x10\x20\xf5\xf2"},
	} {
		disk := make([]byte, 128<<10)
		copy(disk[at.offset:], at.magic)
		if diff := cmp.Diff([]string{want}, signature.Find(strings.NewReader(string(disk)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want, diff)
		}
	}
}

// TestImageFormat recognises what qemu-img makes.
func TestImageFormat(t *testing.T) {
	for _, tc := range []struct{ want, options string }{
		{"raw", "-fraw"}, {"qcow2", "-fqcow2"}, {"vhdx", "-fvhdx"}, {"vmdk", "-fvmdk"},
		{"vmdk", "-fvmdk -osubformat=twoGbMaxExtentSparse"},
	} {
		path := filepath.Join(t.TempDir(), "disk")
		args := append([]string{"create", "-q"}, strings.Fields(tc.options)...)
		testfs.Run(t, "qemu-img", append(args, path, "64M")...)
		if got := signature.ImageFormat(testfs.Open(t, path)); got != tc.want {
			t.Errorf("%s: %s", tc.options, got)
		}
	}
}
