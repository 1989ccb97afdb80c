package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// smallOS makes a tree that becomes an image, and the options for it.
func smallOS(t *testing.T, version string) []string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"usr/sbin/init": "#!/bin/sh\n", "etc/hosts": "", "usr/share/doc/x": "",
		"usr/lib/os-release":              "ID=test\nPRETTY_NAME=Test\n",
		"usr/lib/modules/6.1/modules.dep": "", "usr/lib/modules/6.1/vmlinuz": "kernel",
		"initramfs": "initramfs", "usr/share/data": strings.Repeat("data", 1<<18),
	} {
		path := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, []byte(content), 0o755))
		if err != nil {
			t.Fatal(err)
		}
	}
	return []string{
		"--usr", dir, "--vendor", "org.example.os", "--version", version, "--no-tool",
		"--initramfs", filepath.Join(dir, "initramfs"), "--bootloader", "extlinux",
		"--cmdline", "quiet",
	}
}

func TestImageBuildDryRun(t *testing.T) {
	args := []string{
		"image", "build", "-n", "--usr", t.TempDir(), "--vendor", "org.example.os",
		"--version", "1.0", "--arch", "amd64", "-o", "disk.img", "--seed", "x", "--size", "2G", "--root", "kiosk",
		"--tries", "3", "--uki",
	}
	out, err := run(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"output     disk.img (raw), 2048 MiB\n", "member     usr:org.example.os:x86-64:1.0+3\n",
		"instance   kiosk\n", "boot       uki,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the plan lacks %q:\n%s", want, out)
		}
	}
	var p buildPlan
	out, err = run(t, with(args, "--json")...)
	if err := errors.Join(err, json.Unmarshal([]byte(out), &p)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if p.Usr != "usr:org.example.os:x86-64:1.0+3" || p.Size != 2<<30 || len(p.Partitions) != 2 || p.Bootloader != "uki" {
		t.Errorf("the plan is %+v", p)
	}
	if out, err = run(t, with(args, "--usr", "/none")...); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a source: %v\n%s", err, out)
	}
}

// TestImageUsage has mistakes in the command line, which are said before anything is done.
func TestImageUsage(t *testing.T) {
	good := []string{"--usr=/none", "--vendor=org.example.os", "--version=1.0", "-o=/none/x"}
	if _, err := run(t, append([]string{"image", "build", "--uki", "--bootloader=grub"}, good...)...); err == nil ||
		!strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("two boot loaders: %v", err)
	}
	for _, test := range []struct{ option, want string }{
		{"--version=", "--version is missing"}, {"--vendor=", "--vendor is missing"},
		{"--usr=", "--usr is missing"}, {"--output=", "--output is missing"},
		{"--version=1:0", "1:0"}, {"--version=1.0+3", "boot counter"}, {"--vendor=a/b", "a/b"},
		{"--arch=vax", "vax"}, {"--format=tar", "tar"}, {"--size=12X", "12X"}, {"--size=-1", "-1"},
		{"--size=9999999999999T", "size"}, {"--esp-size=1M", "too small"}, {"--sector-size=1", "1"},
		{"--compress=lzo", "lzo"}, {"--bootloader=lilo", "lilo"}, {"--sign-key=x", "--sign-cert"},
		{"--root=a/b", "a/b"}, {"--modules=,", "modules"}, {"--exclude=[", "["}, {"--tries=-1", "-1"},
	} {
		_, err := run(t, append([]string{"image", "build"}, append(good, test.option)...)...)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want a usage error with %q", test.option, err, test.want)
		}
	}
}

// added is the version that is put into the image of another one.
const added = "usr:org.example.os:x86-64:1.1+3"

func TestIntegrationImage(t *testing.T) {
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	out, err := run(t, append([]string{"image", "build", "-o", path}, smallOS(t, "1.0")...)...)
	if err != nil || !strings.HasSuffix(out, "usr:org.example.os:x86-64:1.0 with Linux 6.1\n") {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err = run(t, append([]string{"image", "add", "--json", "--size=4G", path}, smallOS(t, "1.1")...)...)
	var result image.Result
	if err := errors.Join(err, json.Unmarshal([]byte(out), &result)); err != nil {
		t.Fatalf("add: %v\n%s", err, out)
	}
	if result.Usr != added || result.Kernel != "6.1" || result.Size != 4<<30 {
		t.Errorf("added %+v", result)
	}
	inspectAndVerify(t, path)
}

// TestIntegrationImageESP has a kernel that the EFI system partition has no room for.
func TestIntegrationImageESP(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	args := []string{"--esp-size", "40M", "-o", path}
	small, large := smallOS(t, "1.0"), smallOS(t, "1.1")
	if err := os.Truncate(filepath.Join(large[1], "usr/lib/modules/6.1/vmlinuz"), 50<<20); err != nil {
		t.Fatal(err)
	}
	const want = "need an EFI system partition of 52 MiB, 12 more than it has: "
	out, err := run(t, with([]string{"image", "build"}, with(args, large...)...)...)
	if err == nil || !strings.Contains(err.Error(), want+"give a larger --esp-size") {
		t.Errorf("build: %v\n%s", err, out)
	}
	out, err = run(t, with([]string{"install", "--esp-size", "40M", "--yes", loopDisk(t, 400)}, large...)...)
	if err == nil || !strings.Contains(err.Error(), want+"give a larger --esp-size; there is nothing") {
		t.Errorf("install: %v\n%s", err, out)
	}
	if out, err := run(t, with([]string{"image", "build"}, with(args, small...)...)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = run(t, with([]string{"image", "add", path}, large...)...)
	if err == nil || !strings.Contains(err.Error(), want+newImage) {
		t.Errorf("add: %v\n%s", err, out)
	}
}

// smallImage builds an image of a small OS, with more options.
func smallImage(t *testing.T, options ...string) string {
	t.Helper()
	testfs.Root(t)
	path := filepath.Join(t.TempDir(), "disk.img")
	args := append([]string{"image", "build", "-o", path}, smallOS(t, "1.0")...)
	if out, err := run(t, append(args, options...)...); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestIntegrationInspectForeign looks into an image of another architecture: it says itself
// which one.
func TestIntegrationInspectForeign(t *testing.T) {
	arch := "arm64"
	if subvol.HostArch() == arch {
		arch = "x86-64"
	}
	path := smallImage(t, "--arch", arch)
	member := "usr:org.example.os:" + arch + ":1.0"
	for _, test := range []struct {
		args []string
		want []string
	}{
		{nil, []string{member + "  good\n", "would boot " + member + "\n"}},
		{[]string{"--arch", arch}, []string{member + "  good\n", "would boot " + member + "\n"}},
		{[]string{"--arch", "riscv64"}, []string{"unusable: other architecture", "would boot nothing"}},
	} {
		out, err := run(t, append([]string{"image", "inspect", path}, test.args...)...)
		for _, want := range test.want {
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%q lacks %q: %v\n%s", test.args, want, err, out)
			}
		}
	}
	out, err := run(t, "list", path)
	if err != nil || !strings.Contains(out, member+"  good\n") {
		t.Errorf("list: %v\n%s", err, out)
	}
	var usage usageError
	if out, err := run(t, "image", "inspect", "--arch", "vax", path); !errors.As(err, &usage) {
		t.Errorf("--arch vax: %v\n%s", err, out)
	}
}

// TestIntegrationInspectDamaged looks into an image of which one file system is damaged: the
// rest is shown, and then why that is not all.
func TestIntegrationInspectDamaged(t *testing.T) {
	whole := smallImage(t)
	for _, test := range []struct {
		partition   int
		want, error string
	}{
		{0, "\nmember     usr:org.example.os:x86-64:1.0  good\n", "read boot partition: "},
		{1, "\nentry      extlinux/extlinux.conf: org.example.os:1.0", "read pool: "},
	} {
		path := filepath.Join(t.TempDir(), "disk.img")
		testfs.Run(t, "cp", "--sparse=always", whole, path)
		zeroPartition(t, path, test.partition)
		out, err := run(t, "image", "inspect", path)
		if err == nil || !strings.HasPrefix(err.Error(), test.error) || !strings.Contains(out, test.want) ||
			!strings.Contains(out, "\npartition  2 \"freshroot\", root") {
			t.Errorf("%v, want %q and %q:\n%s", err, test.error, test.want, out)
		}
		out, err = run(t, "image", "inspect", "--json", path)
		var info imageInfo
		if other := json.Unmarshal([]byte(out), &info); other != nil || !errors.Is(err, errSaid) ||
			len(info.Partitions) != 2 || len(info.Errors) != 1 {
			t.Errorf("JSON: %v, %v:\n%s", err, other, out)
		}
	}
}

// zeroPartition overwrites what a file system begins with.
func zeroPartition(t *testing.T, path string, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i, err := image.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if _, err := f.WriteAt(make([]byte, 128<<10), i.Table.Partitions[n].Offset); err != nil {
		t.Fatal(err)
	}
}

func inspectAndVerify(t *testing.T, path string) {
	t.Helper()
	out, err := run(t, "image", "inspect", "--json", "--sizes", path)
	var info imageInfo
	if err := errors.Join(err, json.Unmarshal([]byte(out), &info)); err != nil {
		t.Fatalf("inspect: %v\n%s", err, out)
	}
	var got []string
	for _, e := range info.Entries {
		got = append(got, e.Path+" "+e.Version+" "+e.Options)
	}
	for _, m := range info.Members {
		got = append(got, m.Name+m.Size.describe())
	}
	want := []string{
		"extlinux/extlinux.conf 1.1 quiet", "extlinux/extlinux.conf 1.0 quiet",
		added + ", 1.0 MiB of its own and 0 bytes shared",
		"usr:org.example.os:x86-64:1.0, 1.0 MiB of its own and 0 bytes shared",
	}
	if diff := cmp.Diff(want, got); diff != "" || info.Plan.Usr != added || len(info.Partitions) != 2 {
		t.Errorf("inspect: would boot %q of %d partitions (-want +got):\n%s",
			info.Plan.Usr, len(info.Partitions), diff)
	}
	out, err = run(t, "image", "inspect", "--sizes", path)
	if line := added + "  on trial: tries left: 3, 1.0 MiB of its own"; err != nil || !strings.Contains(out, line) {
		t.Errorf("inspect lacks %q: %v\n%s", line, err, out)
	}
	if out, err = run(t, "image", "verify", path); err != nil || strings.Count(out, "good") != 5 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 512), 512); err != nil {
		t.Fatal(err)
	}
	if out, err = run(t, "image", "verify", path); !errors.Is(err, errSaid) || !strings.Contains(out, "wrong\n  only the backup") {
		t.Errorf("verify of a damaged one: %v\n%s", err, out)
	}
}
