package btrfs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
)

const uuid = "12345678-90ab-cdef-1234-567890abcdef"

// newImage returns the first part of a btrfs that mkfs.btrfs has made, which is
// enough for its superblock.
func newImage(t testing.TB, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, imageSize); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "mkfs.btrfs", append(args, "-q", "-U", uuid, "-L", "my pool", file)...)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw := make([]byte, 128<<10)
	if _, err := f.ReadAt(raw, 0); err != nil {
		t.Fatal(err)
	}
	return raw
}

const imageSize = 128 << 20

func TestReadSuperblock(t *testing.T) {
	for sum, name := range map[string]string{
		"crc32c": "crc32c", "xxhash": "xxhash64", "sha256": "sha256", "blake2": "blake2b-256",
	} {
		got, err := btrfs.ReadSuperblock(bytes.NewReader(newImage(t, "--csum", sum)), imageSize)
		if err != nil {
			t.Fatal(err)
		}
		want := &btrfs.Superblock{UUID: uuid, Label: "my pool", Size: imageSize, Devices: 1, Checksum: name}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sum, diff)
		}
	}
}

func TestReadSuperblockLog(t *testing.T) {
	const super = 64 << 10
	raw := newImage(t)
	raw[super+96+2] = 1
	sum := crc32.Checksum(raw[super+32:super+4096], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(raw[super:], sum)
	got, err := btrfs.ReadSuperblock(bytes.NewReader(raw), imageSize)
	if err != nil || !got.HasLog {
		t.Errorf("got %+v, error %v, want a log", got, err)
	}
}

func TestReadSuperblockRejects(t *testing.T) {
	const super = 64 << 10
	image := newImage(t)
	for name, tc := range map[string]struct {
		spoil func(raw []byte)
		size  int64
		want  string
	}{
		"magic":     {func(raw []byte) { raw[super+64] = 'x' }, imageSize, "no btrfs"},
		"bit":       {func(raw []byte) { raw[super+300] ^= 1 }, imageSize, "wrong checksum"},
		"place":     {func(raw []byte) { raw[super+48] = 1 }, imageSize, "says it is at 65537"},
		"truncated": {func([]byte) {}, 100 << 20, "btrfs of 134217728 bytes on a device of 104857600"},
		"tiny":      {func([]byte) {}, 1000, "no btrfs"},
	} {
		raw := bytes.Clone(image)
		tc.spoil(raw)
		_, err := btrfs.ReadSuperblock(bytes.NewReader(raw), tc.size)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
	}
}

func FuzzReadSuperblock(f *testing.F) {
	f.Add(newImage(f)[64<<10 : 68<<10])
	f.Fuzz(func(t *testing.T, super []byte) {
		raw := make([]byte, 68<<10)
		copy(raw[64<<10:], super)
		sum := crc32.Checksum(raw[64<<10+32:], crc32.MakeTable(crc32.Castagnoli))
		binary.LittleEndian.PutUint32(raw[64<<10:], sum)
		s, err := btrfs.ReadSuperblock(bytes.NewReader(raw), int64(len(raw)))
		if err == nil && (len(s.UUID) != 36 || len(s.Label) > 256) {
			t.Errorf("read %+v", s)
		}
	})
}

// TestIntegrationSubvolume follows a subvolume through its life, with the btrfs tool
// as the witness.
func TestIntegrationSubvolume(t *testing.T) {
	pool := testfs.Open(t, testfs.Btrfs(t, 128))
	const name = "usr:org.example.os:x86-64:1.0+3-1"
	if err := btrfs.CreateSubvolume(pool, name); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(pool.Name(), name)
	subvol := testfs.Open(t, path)
	if is, err := btrfs.IsSubvolume(subvol); !is || err != nil {
		t.Errorf("IsSubvolume = %v, %v", is, err)
	}
	for _, want := range []bool{true, false} {
		if err := btrfs.SetReadOnly(subvol, want); err != nil {
			t.Fatal(err)
		}
		if got, err := btrfs.ReadOnly(subvol); got != want || err != nil {
			t.Errorf("ReadOnly = %v, %v, want %v", got, err, want)
		}
		property := testfs.Run(t, "btrfs", "property", "get", path, "ro")
		if strings.TrimSpace(property) != map[bool]string{true: "ro=true", false: "ro=false"}[want] {
			t.Errorf("btrfs says %q, want %v", property, want)
		}
	}
	if err := btrfs.DeleteSubvolume(pool, name); err != nil {
		t.Fatal(err)
	}
	if list := testfs.Run(t, "btrfs", "subvolume", "list", pool.Name()); list != "" {
		t.Errorf("left: %q", list)
	}
}

// TestIntegrationSnapshot takes one of a subvolume that holds others, more than one
// call can list.
func TestIntegrationSnapshot(t *testing.T) {
	pool := testfs.Open(t, testfs.Btrfs(t, 128))
	if err := btrfs.CreateSubvolume(pool, "a"); err != nil {
		t.Fatal(err)
	}
	a := testfs.Open(t, filepath.Join(pool.Name(), "a"))
	if err := os.WriteFile(filepath.Join(a.Name(), "file"), []byte("1"), 0o640); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true} {
		if has, err := btrfs.HasSubvolumes(a); has != want || err != nil {
			t.Errorf("HasSubvolumes = %v, %v, want %v", has, err, want)
		}
		for n := range i*300 + 1 {
			if err := btrfs.CreateSubvolume(a, fmt.Sprint("nested", i, "-", n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if has, err := btrfs.HasSubvolumes(a); !has || err != nil {
		t.Errorf("HasSubvolumes of 302 = %v, %v", has, err)
	}
	if err := btrfs.Snapshot(pool, "b", a); err != nil {
		t.Fatal(err)
	}
	b := testfs.Open(t, filepath.Join(pool.Name(), "b"))
	if has, err := btrfs.HasSubvolumes(b); has || err != nil {
		t.Errorf("HasSubvolumes of the snapshot = %v, %v", has, err)
	}
	if readOnly, err := btrfs.ReadOnly(b); readOnly || err != nil {
		t.Errorf("ReadOnly of the snapshot = %v, %v", readOnly, err)
	}
	if err := os.WriteFile(filepath.Join(b.Name(), "file"), []byte("2"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(a.Name(), "file")); string(got) != "1" || err != nil {
		t.Errorf("the original has %q, %v", got, err)
	}
}

func TestIntegrationSubvolumeErrors(t *testing.T) {
	pool := testfs.Open(t, testfs.Btrfs(t, 128))
	if err := btrfs.CreateSubvolume(pool, "a"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(pool.Name(), "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ err, want error }{
		"exists":          {btrfs.CreateSubvolume(pool, "a"), unix.EEXIST},
		"long":            {btrfs.CreateSubvolume(pool, strings.Repeat("n", 256)), unix.ENAMETOOLONG},
		"snapshot exists": {btrfs.Snapshot(pool, "a", testfs.Open(t, filepath.Join(pool.Name(), "a"))), unix.EEXIST},
		"snapshot long":   {btrfs.Snapshot(pool, strings.Repeat("n", 256), pool), unix.ENAMETOOLONG},
		"snapshot plain":  {btrfs.Snapshot(pool, "b", testfs.Open(t, filepath.Join(pool.Name(), "dir"))), unix.EINVAL},
		"path":            {btrfs.CreateSubvolume(pool, "a/b"), unix.EINVAL},
		"absent":          {btrfs.DeleteSubvolume(pool, "b"), unix.ENOENT},
		"plain":           {btrfs.DeleteSubvolume(pool, "dir"), unix.EINVAL},
		"other fs":        {btrfs.CreateSubvolume(testfs.Open(t, t.TempDir()), "a"), unix.ENOTTY},
		"protect no dir":  {btrfs.SetReadOnly(testfs.Open(t, filepath.Join(pool.Name(), "dir")), true), unix.EINVAL},
	} {
		var typed *btrfs.IoctlError
		if !errors.Is(tc.err, tc.want) || !errors.As(tc.err, &typed) {
			t.Errorf("%s: error %v, want %v", name, tc.err, tc.want)
		}
	}
	for _, dir := range []string{filepath.Join(pool.Name(), "dir"), t.TempDir()} {
		if is, err := btrfs.IsSubvolume(testfs.Open(t, dir)); is || err != nil {
			t.Errorf("IsSubvolume(%s) = %v, %v", dir, is, err)
		}
	}
}

func TestIntegrationIdentity(t *testing.T) {
	dir := testfs.Btrfs(t, 128)
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(dir, "below"))
	if err := os.Mkdir(filepath.Join(dir, "plain"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"": true, "below": false, "plain": false} {
		f := testfs.Open(t, filepath.Join(dir, path))
		if got, err := btrfs.IsTopLevel(f); got != want || err != nil {
			t.Errorf("IsTopLevel(%q) = %v, %v", path, got, err)
		}
		uuid := strings.TrimSpace(testfs.Run(t, "findmnt", "-n", "-o", "UUID", dir))
		if got, err := btrfs.UUID(f); got != uuid || err != nil {
			t.Errorf("UUID(%q) = %s, %v, want %s", path, got, err, uuid)
		}
	}
	other := testfs.Open(t, testfs.Tmpfs(t, ""))
	if is, err := btrfs.IsTopLevel(other); is || err != nil {
		t.Errorf("a tmpfs: %v, %v", is, err)
	}
	if _, err := btrfs.UUID(other); err == nil {
		t.Error("a tmpfs has a UUID")
	}
}

// TestIntegrationNodeSize compares with what was asked of mkfs.
func TestIntegrationNodeSize(t *testing.T) {
	const usual = 16 << 10
	if size, err := btrfs.NodeSize(testfs.Open(t, testfs.Btrfs(t, 128))); size != usual || err != nil {
		t.Errorf("got %d, %v, want %d", size, err, usual)
	}
	if size, err := btrfs.NodeSize(testfs.Open(t, "/proc")); err == nil {
		t.Errorf("/proc has nodes of %d bytes", size)
	}
}
