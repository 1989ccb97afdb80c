package helper_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/job/helper"
)

// write makes an empty file with its directories.
func write(t *testing.T, path string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindKernel(t *testing.T) {
	debian, other, none := t.TempDir(), t.TempDir(), t.TempDir()
	write(t, debian+"/lib/modules/6.1.0-1/modules.dep")
	write(t, debian+"/boot/vmlinuz-6.1.0-1")
	write(t, other+"/usr/lib/modules/6.2/modules.dep")
	write(t, other+"/usr/lib/modules/6.2/vmlinuz")
	write(t, none+"/lib/modules/6.3/modules.dep")
	for _, test := range []struct {
		roots []string
		want  helper.Kernel
	}{
		{[]string{debian, other}, helper.Kernel{
			Image:   debian + "/boot/vmlinuz-6.1.0-1",
			Modules: archive.Kernel{Release: "6.1.0-1", Dir: debian + "/lib/modules/6.1.0-1"},
		}},
		{[]string{none, other}, helper.Kernel{
			Image:   other + "/usr/lib/modules/6.2/vmlinuz",
			Modules: archive.Kernel{Release: "6.2", Dir: other + "/usr/lib/modules/6.2"},
		}},
	} {
		got, err := helper.FindKernel(test.roots...)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	_, err := helper.FindKernel(none, t.TempDir())
	for _, want := range []string{"vmlinuz-6.3", "no modules"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestMachineWantsStatic(t *testing.T) {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	_, err = helper.Machine(t.Context(), helper.Kernel{}, shell, t.TempDir(), nil)
	if err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("%s: %v", shell, err)
	}
}

func TestMachine(t *testing.T) {
	busybox, dir := testfs.Tool(t, "busybox"), t.TempDir()
	kernel := helper.Kernel{Image: "vmlinuz", Modules: archive.Kernel{Release: "6.1", Dir: t.TempDir()}}
	for _, name := range []string{"dep", "alias", "softdep", "builtin", "order"} {
		write(t, filepath.Join(kernel.Modules.Dir, "modules."+name))
	}
	c, err := helper.Machine(t.Context(), kernel, busybox, dir, []archive.Addition{
		{Host: "/etc/passwd", Path: "input/data"},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := testfs.Open(t, c.Initramfs)
	contents, err := archive.Inspect(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"init", "input/data"} {
		if !slices.ContainsFunc(contents.Files, func(f archive.File) bool { return f.Name == want }) {
			t.Errorf("the initramfs has no %s", want)
		}
	}
	if c.Kernel != "vmlinuz" || !strings.HasSuffix(c.Cmdline, " rdinit=/init -- ci init") {
		t.Errorf("the machine boots %q with %q", c.Kernel, c.Cmdline)
	}
}
