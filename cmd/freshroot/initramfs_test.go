package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/archive"
)

// runInitramfs runs "freshroot initramfs" and returns what it prints.
func runInitramfs(args ...string) (string, error) {
	c := initramfsCommand()
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	var out bytes.Buffer
	c.SetOut(&out)
	err := c.Execute()
	return out.String(), err
}

// initramfsFiles puts a kernel of two modules and an init into a directory of their
// own, and makes that the current one.
func initramfsFiles(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("SOURCE_DATE_EPOCH", "")
	modules := "os/lib/modules/6.1-test/"
	for name, text := range map[string]string{
		"init":                        "#!/bin/sh\n",
		modules + "modules.dep":       "kernel/btrfs.ko: kernel/xor.ko\nkernel/xor.ko:\n",
		modules + "modules.alias":     "alias fs-btrfs btrfs\n",
		modules + "kernel/btrfs.ko":   "\x7fELF btrfs",
		modules + "kernel/xor.ko":     "\x7fELF xor",
		"os/lib/modules/6.0/leftover": "",
		"empty/file":                  "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const inspected = `drwxr-xr-x         0 /dev
crw-------         0 /dev/console
crw-------         0 /dev/kmsg
crw-rw-rw-         0 /dev/null
-rwxr-xr-x        10 /init
drwxr-xr-x         0 /modules
-rw-r--r--        10 /modules/btrfs.ko
-rw-r--r--        64 /modules/table
-rw-r--r--         8 /modules/xor.ko
-r--r--r--         0 /no-shell
drwxr-xr-x         0 /pool
drwxr-xr-x         0 /proc
drwxr-xr-x         0 /run
drwxr-xr-x         0 /sys
drwxr-xr-x         0 /sysroot
2 modules of 6.1-test with 1 aliases, in load order:
xor btrfs
`

func TestInitramfsBuildAndInspect(t *testing.T) {
	initramfsFiles(t)
	out, err := runInitramfs("build", "-m", "os", "--init", "init", "--compress", "none",
		"--no-shell")
	if err != nil {
		t.Fatal(err)
	}
	want := "freshroot-6.1-test.cpio: 1.9 KiB, init 10 bytes and " +
		"2 modules of 6.1-test 18 bytes before compression\n"
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	out, err = runInitramfs("inspect", "--json", "freshroot-6.1-test.cpio")
	var contents archive.Contents
	if err := errors.Join(err, json.Unmarshal([]byte(out), &contents)); err != nil {
		t.Fatal(err)
	}
	if init := contents.Files[4]; init.Mode != 0o100755 || !strings.Contains(out, `"mode": "100755"`) {
		t.Errorf("the mode of /init is %o in\n%s", init.Mode, out)
	}
	out, err = runInitramfs("inspect", "freshroot-6.1-test.cpio")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(inspected, out); diff != "" {
		t.Errorf("inspect (-want +got):\n%s", diff)
	}
}

func TestInitramfsJSON(t *testing.T) {
	initramfsFiles(t)
	out, err := runInitramfs("build", "--modules", "none", "--init", "init",
		"--add", "init:/bin/sh", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var got archive.Result
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("freshroot.cpio.zst")
	if err != nil {
		t.Fatal(err)
	}
	want := archive.Result{Output: "freshroot.cpio.zst", Size: info.Size(),
		Unpacked: got.Unpacked, InitSize: 10}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	out, err = runInitramfs("inspect", "--json", "freshroot.cpio.zst")
	if err != nil {
		t.Fatal(err)
	}
	var contents archive.Contents
	if err := json.Unmarshal([]byte(out), &contents); err != nil {
		t.Fatal(err)
	}
	if got, want := contents.Files[1].Name, "bin/sh"; got != want {
		t.Errorf("second file is %q, want %q", got, want)
	}
}

func TestInitramfsErrors(t *testing.T) {
	initramfsFiles(t)
	tests := []struct {
		name  string
		args  string
		usage bool
		want  string
	}{
		{"other release", "build -m os -k 5.10", false, "no modules for 5.10 below os; " +
			"there are: 6.1-test; choose one with -k"},
		{"no modules", "build -m empty", false, "no modules below empty; name another " +
			"directory with -m, or do without modules with --modules none"},
		{"not a checkout", "build --modules none --source empty", false,
			"name a checkout with --source, or give a ready-made init with --init"},
		{"unknown module", "build -m os --modules +nope --init init", false,
			`modules ["nope"]: neither in the tree nor built into the kernel`},
		{"modules", "build --modules a,,b", true, `modules "a,,b": an empty name`},
		{"compression", "build --compress lz4 --modules none", true,
			`compression "lz4" is none of zstd, zstd-19 and none`},
		{"add", "build --modules none --add :", true,
			`add ":": want HOSTFILE or HOSTFILE:PATH`},
		{"both shells", "build --rescue --no-shell", true,
			"--rescue and --no-shell exclude each other"},
		{"arguments", "build file", true, "it takes no arguments"},
		{"inspect nothing", "inspect", true, "accepts 1 arg(s)"},
		{"inspect gone", "inspect gone", false, "open gone: "},
		{"inspect text", "inspect init", false, "init: file 1 of the archive: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := runInitramfs(strings.Fields(tt.args)...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			var usage usageError
			if got := errors.As(err, &usage); got != tt.usage {
				t.Errorf("a usage error: %v, want %v (%v)", got, tt.usage, err)
			}
		})
	}
	t.Setenv("PATH", t.TempDir())
	_, err := runInitramfs("build", "--modules", "none")
	want := "install Go, or give a ready-made init with --init"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("without Go: got error %v, want one with %q", err, want)
	}
}

func TestSourceDate(t *testing.T) {
	tests := []struct {
		value string
		want  time.Time
		ok    bool
	}{
		{"", time.Time{}, true},
		{"0", time.Unix(0, 0), true},
		{"1700000000", time.Unix(1700000000, 0), true},
		{"4294967296", time.Time{}, false},
		{"-1", time.Time{}, false},
		{"yesterday", time.Time{}, false},
	}
	for _, tt := range tests {
		got, err := sourceDate(tt.value)
		if (err == nil) != tt.ok || !got.Equal(tt.want) {
			t.Errorf("sourceDate(%q) = %v, %v, want %v", tt.value, got, err, tt.want)
		}
	}
}

func TestInitramfsSummary(t *testing.T) {
	r := archive.Result{Output: "out", Size: 3e6, InitSize: 2e6, RescueSize: 1e6}
	const want = "out: 2.8 MiB, init 1.9 MiB, rescue 976 KiB and no modules 0 bytes before compression"
	const without = "\nwithout btrfs: install btrfs-progs to have it in there"
	if diff := cmp.Diff(want+without, summary(r)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	r.Btrfs = true
	if diff := cmp.Diff(want, summary(r)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}
