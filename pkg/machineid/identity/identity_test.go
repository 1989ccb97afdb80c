package identity_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/machineid"
	"github.com/freshroot/freshroot/pkg/machineid/identity"
)

// tree makes files with content, and links ("->target"), in a new directory.
func tree(t *testing.T, files map[string]string) *os.File {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(content, "->"); ok {
			must(t, os.Symlink(target, path))
		} else {
			must(t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
	return testfs.Open(t, dir)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	params := cmdline.Parse("a=1")
	long := strings.Repeat("x", 1000)
	for name, tc := range map[string]struct {
		root, sys map[string]string
		want      machineid.Facts
	}{
		"PC": {map[string]string{"etc/machine-id": "->../var/id", "var/id": "1\n"},
			map[string]string{"devices/dmi/id/product_uuid": "2\n", "class/dmi": "->../devices/dmi",
				"firmware/devicetree/base/vm,uuid": "3"},
			machineid.Facts{Stored: "1\n", ProductUUID: "2\n"}},
		"board": {nil, map[string]string{"firmware/devicetree/base/vm,uuid": "3\x00",
			"firmware/devicetree/base/serial-number": "4\x00"},
			machineid.Facts{ProductUUID: "3\x00", Serial: "4\x00"}},
		"long":           {map[string]string{"etc/machine-id": long}, nil, machineid.Facts{Stored: long[:256]}},
		"no files":       {map[string]string{"etc/machine-id/x": ""}, nil, machineid.Facts{}},
		"links to links": {map[string]string{"etc/machine-id": "->machine-id"}, nil, machineid.Facts{}},
	} {
		tc.want.Cmdline = params
		got := identity.Read(tree(t, tc.root), tree(t, tc.sys), params)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestReadFIFO would not end if the init waited for somebody to write.
func TestReadFIFO(t *testing.T) {
	root := tree(t, map[string]string{"etc/x": ""})
	must(t, unix.Mkfifo(root.Name()+"/etc/machine-id", 0o600))
	if got := identity.Read(root, root, nil).Stored; got != "" {
		t.Errorf("read %q", got)
	}
	if _, err := identity.Write(root, machineid.Choice{Write: true}); !errors.Is(err, unix.ENXIO) {
		t.Errorf("write: %v", err)
	}
}

func TestWrite(t *testing.T) {
	id := machineid.ID{1, 2, 3}
	for name, old := range map[string]string{
		"missing": "", "uninitialized": "uninitialized\n", "longer": strings.Repeat("x", 100),
	} {
		root := tree(t, map[string]string{"etc/x": ""})
		path := filepath.Join(root.Name(), "etc/machine-id")
		if old != "" {
			must(t, os.WriteFile(path, []byte(old), 0o600))
		}
		got, err := identity.Write(root, machineid.Choice{ID: id, Source: machineid.FromHardware, Write: true})
		if err != nil || got != id {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		text, _ := os.ReadFile(path)
		info, err := os.Stat(path)
		must(t, err)
		if string(text) != id.String()+"\n" || info.Mode() != 0o444 {
			t.Errorf("%s: %s holds %q", name, info.Mode(), text)
		}
	}
}

func TestWriteRandom(t *testing.T) {
	root := tree(t, map[string]string{"etc/x": ""})
	seen := map[machineid.ID]bool{}
	for range 2 {
		id, err := identity.Write(root, machineid.Choice{Source: machineid.FromChance, Write: true})
		must(t, err)
		if id[6]>>4 != 4 || id[8]>>6 != 2 || seen[id] {
			t.Errorf("id %v, have %v", id, seen)
		}
		seen[id] = true
		facts := identity.Read(root, root, nil)
		want := machineid.Choice{ID: id, Source: machineid.FromFile}
		if diff := cmp.Diff(want, machineid.Decide(facts)); diff != "" {
			t.Errorf("next boot (-want +got):\n%s", diff)
		}
	}
}

func TestWriteNothing(t *testing.T) {
	root := tree(t, nil)
	_, err := identity.Write(root, machineid.Choice{Source: machineid.FromInit})
	must(t, err)
	if entries, _ := os.ReadDir(root.Name()); len(entries) != 0 {
		t.Errorf("made %v", entries)
	}
}

func TestWriteRefuses(t *testing.T) {
	outside := tree(t, map[string]string{"file": "precious", "dir/x": ""})
	for name, tc := range map[string]struct {
		files map[string]string
		want  error
	}{
		"link":     {map[string]string{"etc/machine-id": "->" + outside.Name() + "/file"}, unix.ELOOP},
		"dangling": {map[string]string{"etc/machine-id": "->" + outside.Name() + "/new"}, unix.ELOOP},
		"etc":      {map[string]string{"etc": "->" + outside.Name() + "/dir"}, unix.ELOOP},
		"no etc":   {nil, fs.ErrNotExist},
		"dir":      {map[string]string{"etc/machine-id/x": ""}, unix.EISDIR},
	} {
		_, err := identity.Write(tree(t, tc.files), machineid.Choice{ID: machineid.ID{1}, Write: true})
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	text, _ := os.ReadFile(outside.Name() + "/file")
	if entries, _ := os.ReadDir(outside.Name() + "/dir"); string(text) != "precious" || len(entries) != 1 {
		t.Errorf("outside holds %q, %v", text, entries)
	}
}

func TestIntegrationSetHostname(t *testing.T) {
	testfs.Root(t)
	root := tree(t, map[string]string{"etc/hostname": "# it is\nfresh.example\n"})
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine, and its namespace with it.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWUTS)
		name, _ := identity.Hostname(root, nil)
		err = errors.Join(err, identity.SetHostname(name))
		if got, _ := os.Hostname(); err == nil && got != "fresh.example" {
			err = errors.New("it is " + got)
		}
		done <- err
	}()
	must(t, <-done)
}

// TestIntegrationAppSpecific derives as systemd does, whose machine id is replaced for
// it in a mount namespace.
func TestIntegrationAppSpecific(t *testing.T) {
	testfs.Root(t)
	testfs.Tool(t, "systemd-id128")
	for _, pair := range [][2]string{
		{"0b0a5ba8f5c44d0c8a1fd1f0f8ce2f31", "8b905ccfe4574b198c79fc6da4139d5c"},
		{"ffffffffffffffffffffffffffffffff", "00000000000000000000000000000001"},
		{"9d3d3c8a2f0e4f6db6a6d1f1f6b6c0aa", "fefefefefefefefefefefefefefefefe"},
	} {
		file := filepath.Join(t.TempDir(), "machine-id")
		must(t, os.WriteFile(file, []byte(pair[0]+"\n"), 0o444))
		want := testfs.Run(t, "unshare", "--mount", "sh", "-c",
			`mount --bind "$1" /etc/machine-id && systemd-id128 machine-id --app-specific="$2"`,
			"sh", file, pair[1])
		machine, err := machineid.Parse(pair[0])
		must(t, err)
		app, err := machineid.Parse(pair[1])
		must(t, err)
		if got := machineid.AppSpecific(machine[:], app).String(); got != strings.TrimSpace(want) {
			t.Errorf("%s for %s: %s, systemd says %s", pair[0], pair[1], got, want)
		}
	}
}
