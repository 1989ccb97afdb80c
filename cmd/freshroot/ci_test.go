package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/vm"
)

func TestImageDisk(t *testing.T) {
	for content, want := range map[string]vm.Disk{
		"QFI\xfb\x00\x00\x00\x03": {Format: "qcow2"},
		"KDMV\x01\x00\x00\x00":    {Format: "vmdk"},
		"vhdxfile":                {Format: "vhdx"},
		strings.Repeat("x", 4096): {Format: "raw"},
	} {
		want.Path, want.Volatile = filepath.Join(t.TempDir(), "disk.img"), true
		if err := os.WriteFile(want.Path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := imageDisk(want.Path)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if _, err := imageDisk("/dev/null"); err == nil {
		t.Error("/dev/null is an image")
	}
}

func TestParseCopy(t *testing.T) {
	for _, test := range []struct {
		text    string
		toGuest bool
		want    ciCopy // empty if it is refused
	}{
		{"a:/b/", true, ciCopy{host: "a", guest: "/b"}},
		{"/a/../b:c", false, ciCopy{host: "c", guest: "/b"}},
		{"a", true, ciCopy{}},
		{"a:b", true, ciCopy{}},
		{"a:/", true, ciCopy{}},
		{":/a", true, ciCopy{}},
		{"/a:", false, ciCopy{}},
	} {
		got, err := parseCopy("copy-it", test.text, test.toGuest)
		var usage usageError
		if test.want.host == "" {
			if !errors.As(err, &usage) {
				t.Errorf("%q: %+v, %v", test.text, got, err)
			}
		} else if err != nil || got.host != test.want.host || got.guest != test.want.guest {
			t.Errorf("%q: %+v, %v", test.text, got, err)
		}
	}
}

// TestCIRunRefuses has what is wrong before a machine is started.
func TestCIRunRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "disk.img")
	qcow2 := filepath.Join(t.TempDir(), "disk.qcow2")
	err := errors.Join(os.WriteFile(empty, make([]byte, 4096), 0o600),
		os.WriteFile(qcow2, []byte("QFI\xfb\x00\x00\x00\x03"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string // of the error; that of a status has been said
		args []string
	}{
		{"want IMAGE -- COMMAND", []string{"disk.img"}},
		{"want IMAGE -- COMMAND", []string{"disk.img", "--"}},
		{"want IMAGE -- COMMAND", []string{"disk.img", "true"}},
		{"want IMAGE -- COMMAND", []string{"disk.img", "true", "--", "x"}},
		{`--copy-in "x"`, []string{"--copy-in=x", "disk.img", "--", "true"}},
		{"--initramfs needs --kernel", []string{"--initramfs=x", "disk.img", "--", "true"}},
		{"--memory -1: ", []string{"--memory=-1", "disk.img", "--", "true"}},
		{"--memory 0: ", []string{"--memory=0", "disk.img", "--", "true"}},
		{"--cpus 0: ", []string{"--cpus=0", "disk.img", "--", "true"}},
		{"exit status 125", []string{"--json=/nonexistent/x", "disk.img", "--", "true"}},
		{"exit status 125", []string{"/nonexistent.img", "--", "true"}},
		{"exit status 125", []string{empty, "--", "true"}},
		{"exit status 125", []string{qcow2, "--", "true"}},
	} {
		_, err := run(t, append([]string{"ci", "run"}, test.args...)...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.args, err, test.want)
		}
		var usage usageError
		if isStatus := strings.HasPrefix(test.want, "exit"); errors.As(err, &usage) == isStatus {
			t.Errorf("%q: %#v", test.args, err)
		}
	}
}

// TestCISummary has a summary that can be written, and such that cannot.
func TestCISummary(t *testing.T) {
	file := filepath.Join(t.TempDir(), "summary.json")
	out, err := run(t, "ci", "run", "--json", file, "/nonexistent.img", "--", "true")
	text, other := os.ReadFile(file)
	if !errors.Is(err, exitNotRun) || other != nil || !strings.Contains(string(text), `"status": 125`) ||
		!strings.Contains(string(text), "/nonexistent.img: no such file") {
		t.Errorf("%v, %v: %s\n%s", err, other, out, text)
	}
	out, err = run(t, "ci", "run", "--json", t.TempDir(), "/nonexistent.img", "--", "true")
	if !errors.Is(err, exitNotRun) || !strings.Contains(out, "is a directory") || strings.Contains(out, "nonexistent") {
		t.Errorf("a directory: %v: %s", err, out)
	}
	out, err = run(t, "ci", "run", "--json", "/dev/full", "/nonexistent.img", "--", "true")
	if !errors.Is(err, exitNotRun) || !strings.Contains(out, "no space left") {
		t.Errorf("a full disk: %v: %s", err, out)
	}
}
