package guest_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/google/go-cmp/cmp"
)

// golden are the names of three versions, of which the second is edited.
var golden = []string{
	"usr:org.example.busybox:x86-64:1.0", "usr:org.example.busybox:x86-64:2.0",
	"usr:org.example.busybox:x86-64:2.1+3",
}

func makePool(t *testing.T) string {
	t.Helper()
	tree := busybox(t)
	edit := func(root string) error {
		return os.WriteFile(filepath.Join(root, "lib/edited"), nil, 0o600)
	}
	path := filepath.Join(t.TempDir(), "disk.img")
	err := image.Create(path, image.Spec{
		SizeMiB: 128, Partitions: []image.Partition{image.Pool(guest.Pool(
			guest.Member{Name: golden[0], Usr: tree, Edit: edit},
			guest.Member{Name: golden[1], Usr: tree, Release: "6.1"},
			guest.Member{Name: golden[2], Usr: tree},
			guest.Member{Name: "home:ada:1000:1000", Writable: true},
		))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIntegrationPool(t *testing.T) {
	err := image.Mount(makePool(t), 1, true, func(top string) error {
		out, err := exec.Command("btrfs", "subvolume", "list", "-r", top).Output()
		var ro []string
		for line := range strings.Lines(string(out)) {
			fields := strings.Fields(line)
			ro = append(ro, fields[len(fields)-1])
		}
		if diff := cmp.Diff(golden, ro); diff != "" {
			t.Errorf("read-only members (-want +got):\n%s", diff)
		}
		for path, want := range map[string]bool{
			golden[0] + "/lib/edited": true, golden[1] + "/lib/edited": false,
			golden[0] + "/lib/modules":                 false,
			golden[1] + "/lib/modules/6.1/modules.dep": true,
			golden[2] + "/bin/sh":                      true,
			"home:ada:1000:1000":                       true,
		} {
			if exists(top, path) != want {
				t.Errorf("%s: there %v, want %v", path, !want, want)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestIntegrationPoolFails(t *testing.T) {
	needRoot(t)
	wrong := errors.New("wrong")
	path := filepath.Join(t.TempDir(), "disk.img")
	err := image.Create(path, image.Spec{
		SizeMiB: 128, Partitions: []image.Partition{image.Pool(guest.Pool(
			guest.Member{Name: "a", Edit: func(string) error { return wrong }},
		))},
	})
	if !errors.Is(err, wrong) || !strings.Contains(err.Error(), `member "a"`) {
		t.Errorf("Create: %v, want the editor's error and the member", err)
	}
}
