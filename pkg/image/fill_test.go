package image_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/subvol"
)

const member = "usr:org.example.os:x86-64:1.0"

func TestIntegrationFill(t *testing.T) {
	dir, top := newPool(t)
	o := fillOptions(t, "1.0")
	o.Instance = "default"
	var steps []string
	o.Progress = func(step string, done, _ int64) {
		if done == 0 {
			steps = append(steps, step)
		}
	}
	filled, err := image.Fill(t.Context(), top, open(t, tree(t, nil)), o)
	must(t, err)
	want := image.Filled{
		Usr: member, Kernel: release, Instance: "root:default:org.example.os:x86-64",
	}
	if diff := cmp.Diff(want, filled); diff != "" {
		t.Errorf("filled (-want +got):\n%s", diff)
	}
	got := names(t, dir) + "\n" + names(t, filepath.Join(dir, ".freshroot/staging")) + "\n" +
		names(t, filepath.Join(dir, member)) + "\n" +
		names(t, filepath.Join(dir, member, "lib/modules", release))
	if diff := cmp.Diff(`.freshroot root:default:org.example.os:x86-64 usr:org.example.os:x86-64:1.0

bin lib sbin share
initramfs.img modules.dep vmlinuz`, got); diff != "" {
		t.Errorf("the pool (-want +got):\n%s", diff)
	}
	if len(steps) < 6 || steps[0] != "unpack" {
		t.Errorf("progress told of %q", steps)
	}
	checkMember(t, dir)
}

// checkMember looks into the member.
func checkMember(t *testing.T, dir string) {
	t.Helper()
	for name, want := range map[string]string{
		"share/factory/etc/hosts":                   "127.0.0.1 localhost\n",
		"share/factory/var/lib/state":               "x",
		"lib/modules/" + release + "/vmlinuz":       "kernel",
		"lib/modules/" + release + "/initramfs.img": "initramfs",
	} {
		got, err := os.ReadFile(filepath.Join(dir, member, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, want)
		}
	}
	readOnly, err := btrfs.ReadOnly(testfs.Open(t, filepath.Join(dir, member)))
	if err != nil || !readOnly {
		t.Errorf("the golden master is not read-only (%v)", err)
	}
}

// TestIntegrationFillTwice refuses a version that is there, whatever its counter.
func TestIntegrationFillTwice(t *testing.T) {
	_, top := newPool(t)
	o := fillOptions(t, "1.0")
	src := open(t, tree(t, nil))
	_, err := image.Fill(t.Context(), top, src, o)
	must(t, err)
	o.Usr.Tries = subvol.Tries{Counted: true, Left: 3}
	if _, err := image.Fill(t.Context(), top, src, o); err == nil ||
		!strings.Contains(err.Error(), "give another version") {
		t.Errorf("the second time: %v", err)
	}
	o.Usr.Version = "1.1"
	filled, err := image.Fill(t.Context(), top, src, o)
	if err != nil || filled.Usr != "usr:org.example.os:x86-64:1.1+3" {
		t.Errorf("another version: %q, %v", filled.Usr, err)
	}
}

// TestIntegrationFillRefuses has one thing wrong at a time. Nothing is left in the pool.
func TestIntegrationFillRefuses(t *testing.T) {
	const modules = "usr/lib/modules/" + release
	arm := strings.Replace(elfX86, "\x3e", "\xb7", 1)
	dir, top := newPool(t)
	for name, test := range map[string]struct {
		changes map[string]string
		edit    func(o *image.FillOptions, tree string)
		want    []string
	}{
		"not merged":   {changes: map[string]string{"lib": "gone", "lib/x": ""}, want: []string{"not usr-merged: /lib ", "usrmerge"}},
		"no init":      {changes: map[string]string{"usr/sbin/init": "gone"}, want: []string{"it has no init", "systemd-sysv"}},
		"init is data": {changes: map[string]string{"usr/sbin/init": "text"}, want: []string{"it has no init"}},
		"no /etc":      {changes: map[string]string{"etc": "gone"}, want: []string{"neither /etc nor a factory"}},
		"no modules":   {changes: map[string]string{"usr/lib/modules": "gone"}, want: []string{"no kernel modules with an index", "--kernel-from"}},
		"no index":     {changes: map[string]string{"usr/lib/modules": "gone", modules + "/x.ko": ""}, want: []string{"modules.dep"}},
		"no kernel":    {changes: map[string]string{"boot": "gone"}, want: []string{"no boot/vmlinuz-" + release}},
		"other kernel": {edit: func(o *image.FillOptions, _ string) { o.Kernel = "9.9" }, want: []string{`no kernel "9.9"`, release}},
		"architecture": {changes: map[string]string{"usr/bin/true": arm}, want: []string{"true is arm64, not x86-64", "--arch arm64"}},
		"ids": {edit: func(_ *image.FillOptions, tree string) {
			must(t, os.Lchown(filepath.Join(tree, "etc/hosts"), 100000, 0))
			must(t, os.Lchown(filepath.Join(tree, "usr/bin"), 0, 65536))
		}, want: []string{"2 files", "above 65535", "of 100000:0|of 0:65536"}},
		"everything": {changes: map[string]string{
			"lib": "gone", "lib/x": "", "etc": "gone", "usr/sbin/init": "gone",
			"usr/lib/modules": "gone", "usr/bin/true": arm,
		}, want: []string{"not usr-merged", "neither /etc", "no init", "no kernel", "arm64"}},
		"no tool": {edit: func(o *image.FillOptions, tree string) { o.Tool = filepath.Join(tree, "gone") },
			want: []string{"install tool: open"}},
		"tool of another machine": {edit: func(o *image.FillOptions, tree string) {
			o.Tool = filepath.Join(tree, "tool")
			must(t, os.WriteFile(o.Tool, []byte(arm), 0o755))
		}, want: []string{`is for "arm64", the image for "x86-64"`, "--no-tool"}},
		"no initramfs": {edit: func(o *image.FillOptions, _ string) { o.Initramfs = "/gone" }, want: []string{"build initramfs: open"}},
		"no module": {edit: func(o *image.FillOptions, tree string) {
			o.Initramfs, o.Init = "", filepath.Join(tree, "usr/sbin/init")
			o.Modules.Required = []string{"nonexistent"}
		}, want: []string{"build initramfs: modules in usr/lib/modules/" + release + ": "}},
		"no kernel there": {edit: func(o *image.FillOptions, tree string) { o.KernelFrom = filepath.Join(tree, "home") },
			want: []string{"add kernel: no modules below"}},
	} {
		t.Run(name, func(t *testing.T) {
			from := tree(t, test.changes)
			o := fillOptions(t, "1.0")
			if test.edit != nil {
				test.edit(&o, from)
			}
			_, err := image.Fill(t.Context(), top, open(t, from), o)
			if err == nil {
				t.Fatal("it was filled")
			}
			for _, want := range test.want {
				one, other, _ := strings.Cut(want, "|")
				if !strings.Contains(err.Error(), one) && (other == "" || !strings.Contains(err.Error(), other)) {
					t.Errorf("%v\nlacks %q", err, want)
				}
			}
			checkEmpty(t, dir)
		})
	}
}

// checkEmpty wants a pool with nothing but an empty staging directory.
func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	if got := names(t, dir) + "/" + names(t, filepath.Join(dir, ".freshroot/staging")); got != ".freshroot/" {
		t.Errorf("left in the pool: %s", got)
	}
}

// TestIntegrationFillStops stops it before each of its steps.
func TestIntegrationFillStops(t *testing.T) {
	dir, top := newPool(t)
	src := open(t, tree(t, nil))
	for _, step := range []string{
		"unpack", "add kernel", "check", "install tool", "make factory", "build initramfs",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		o := fillOptions(t, "1.0")
		o.Progress = func(begun string, _, _ int64) {
			if begun == step {
				cancel()
			}
		}
		if _, err := image.Fill(ctx, top, src, o); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want %v", step, err, context.Canceled)
		}
		checkEmpty(t, dir)
		cancel()
	}
}

// TestIntegrationFillAfterKill finds what a run that was killed has left.
func TestIntegrationFillAfterKill(t *testing.T) {
	dir, top := newPool(t)
	staged := filepath.Join(dir, ".freshroot/staging/image:"+member, "tree")
	must(t, os.MkdirAll(staged, 0o700))
	must(t, btrfs.CreateSubvolume(testfs.Open(t, staged), "usr"))
	must(t, os.WriteFile(filepath.Join(staged, "usr/half"), nil, 0o600))
	_, err := image.Fill(t.Context(), top, open(t, tree(t, nil)), fillOptions(t, "1.0"))
	must(t, err)
	checkMember(t, dir)
	if got := names(t, filepath.Join(dir, member)); strings.Contains(got, "half") {
		t.Errorf("the member has %s", got)
	}
}

// TestIntegrationFillTool installs the tool and enables its units, in /usr.
func TestIntegrationFillTool(t *testing.T) {
	dir, top := newPool(t)
	o := fillOptions(t, "1.0")
	o.Tool = testfs.Tool(t, "busybox") // which needs no libraries, either
	from := tree(t, map[string]string{"usr/lib/systemd/systemd": "ELF"})
	_, err := image.Fill(t.Context(), top, open(t, from), o)
	must(t, err)
	units := filepath.Join(dir, member, "lib/systemd/system")
	got := names(t, filepath.Join(units, "basic.target.wants")) + " " + names(t, filepath.Join(units, "timers.target.wants"))
	const want = "freshroot-bless.service freshroot-try.service freshroot-log.timer freshroot-warn.timer"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("enabled units (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(dir, member, "bin/freshroot")); err != nil || info.Mode() != 0o755 {
		t.Errorf("the tool: %v (%v)", info, err)
	}
	o.Tool, o.Usr.Version = testfs.Tool(t, "sh"), "1.1"
	if _, err := image.Fill(t.Context(), top, open(t, tree(t, nil)), o); err == nil ||
		!strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("a tool with libraries: %v", err)
	}
}

// TestIntegrationFillScripts installs the scripts for an init that is not systemd, and
// says so if it is not known.
func TestIntegrationFillScripts(t *testing.T) {
	dir, top := newPool(t)
	o := fillOptions(t, "1.0")
	o.Tool = testfs.Tool(t, "busybox")
	filled, err := image.Fill(t.Context(), top, open(t, tree(t, nil)), o)
	if err != nil || len(filled.Warnings) != 1 || !strings.Contains(filled.Warnings[0], "freshroot bless") {
		t.Errorf("an init that is not known: %q (%v)", filled.Warnings, err)
	}
	o.Usr.Version = "1.1"
	from := tree(t, map[string]string{"etc/runlevels/default/x": "-> /etc/init.d/x"})
	filled, err = image.Fill(t.Context(), top, open(t, from), o)
	if err != nil || len(filled.Warnings) != 0 {
		t.Fatalf("OpenRC: %q (%v)", filled.Warnings, err)
	}
	etc := filepath.Join(dir, filled.Usr, "share/factory/etc")
	got := names(t, filepath.Join(etc, "runlevels/default"))
	if diff := cmp.Diff("freshroot-bless freshroot-ci x", got); diff != "" {
		t.Errorf("the runlevel (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(etc, "init.d/freshroot-bless")); err != nil || info.Mode() != 0o755 {
		t.Errorf("the script: %v (%v)", info, err)
	}
}

// TestIntegrationFillReachesNoOtherTree has links in the place of all that is written,
// which lead out of the tree.
func TestIntegrationFillReachesNoOtherTree(t *testing.T) {
	_, top := newPool(t)
	outside := t.TempDir()
	for name, link := range map[string]string{
		"initramfs":   "usr/lib/modules/" + release + "/initramfs.img",
		"tool":        "usr/bin/freshroot",
		"directories": "usr/lib/modules/" + release,
		"units":       "usr/lib/systemd/system",
		"scripts":     "etc/init.d",
		"runlevels":   "etc/rc2.d",
	} {
		o := fillOptions(t, "1.0")
		o.Tool = testfs.Tool(t, "busybox")
		changes := map[string]string{link: "-> " + outside + "/" + filepath.Base(link)}
		switch name {
		case "units":
			changes["usr/lib/systemd/systemd"] = "ELF"
		case "scripts":
			changes["etc/rc2.d/x"] = ""
		}
		put(t, filepath.Join(outside, release, "modules.dep"), "")
		_, err := image.Fill(t.Context(), top, open(t, tree(t, changes)), o)
		if name == "directories" && err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := names(t, outside); got != release {
			t.Fatalf("%s: it wrote outside of the tree: %s (%v)", name, got, err)
		}
	}
}
