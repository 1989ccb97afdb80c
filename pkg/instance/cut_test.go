package instance_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/facts"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/reset"
)

// TestIntegrationResetOnce cuts the power between a reset and its request being
// dropped: the keep list of the old /etc counted, and is gone with it.
func TestIntegrationResetOnce(t *testing.T) {
	m := used(t)
	m.edit(files{"etc/freshroot/keep.d/50-admin.conf": "/var/lib/app/ reset\n"})
	for range 2 {
		rules, problems := facts.Keep(m.pool, vendor+"1", name)
		_, err := m.target("1").Reset(reset.All, rules, clock)
		if err := errors.Join(append(problems, err)...); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(m.path("var/lib/app/data")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(1, len(m.trash())); diff != "" {
			t.Errorf("states in the trash (-want +got):\n%s", diff)
		}
	}
}

// TestIntegrationKeepListOfVendor resets an instance whose /etc is a link: what the
// vendor says counts all the same.
func TestIntegrationKeepListOfVendor(t *testing.T) {
	m := used(t)
	m.write(filepath.Join(m.pool.Name(), vendor+"1/lib/freshroot/keep.d"),
		files{"50-vendor.conf": "/var/lib/app/ reset\n"})
	testfs.Run(t, "mv", m.path("etc"), m.path("etc.old"))
	if err := os.Symlink("etc.old", m.path("etc")); err != nil {
		t.Fatal(err)
	}
	rules, problems := facts.Keep(m.pool, vendor+"1", name)
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	if survives, _ := rules.Survives("/var/lib/app", keep.Reset); !survives {
		t.Errorf("/var/lib/app does not survive: %v", rules)
	}
}

// nestImage puts into a tree what machinectl leaves of an image that it made
// read-only: a subvolume that holds another one.
func nestImage(t *testing.T, tree string) {
	t.Helper()
	image := filepath.Join(tree, "var/lib/machines/image")
	testfs.Run(t, "mkdir", "-p", filepath.Dir(image))
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", image)
	testfs.Run(t, "mkdir", "-p", image+"/var/lib")
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", image+"/var/lib/machines")
	testfs.Run(t, "btrfs", "property", "set", image, "ro", "true")
}

// TestIntegrationDeleteReadOnly deletes an instance, and old states of another, that
// hold subvolumes which are read-only and hold others.
func TestIntegrationDeleteReadOnly(t *testing.T) {
	m := used(t)
	const other = "root:other:org.example.os:x86-64"
	if err := instance.Clone(m.pool, name, other); err != nil {
		t.Fatal(err)
	}
	nestImage(t, filepath.Join(m.pool.Name(), other))
	if err := instance.Delete(m.pool, other); err != nil {
		t.Error(err)
	}
	nestImage(t, m.root)
	for range 6 {
		_, failed := m.target("1").Reset(reset.All, keep.Defaults(), clock)
		_, late := m.target("1").Ensure()
		if err := errors.Join(failed, late); err != nil {
			t.Fatal(err)
		}
		m.edit(files{"etc/x": "1"})
	}
	if got := len(m.trash()); got > 3 {
		t.Errorf("%d states in the trash", got)
	}
}

// TestIntegrationUndeletable has something in staging that nobody can delete: it must
// keep no machine from booting, and says so.
func TestIntegrationUndeletable(t *testing.T) {
	m := used(t)
	stuck := filepath.Join(m.pool.Name(), ".freshroot/staging/stuck")
	if err := os.WriteFile(stuck, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "chattr", "+i", stuck)
	t.Cleanup(func() { testfs.Run(t, "chattr", "-i", stuck) })
	_, err := m.target("1").Ensure()
	var late *instance.UpdateError
	if !errors.As(err, &late) {
		t.Errorf("error %v, want an UpdateError", err)
	}
	if _, err := m.target("1").Reset(reset.All, keep.Defaults(), clock); err != nil {
		t.Errorf("reset: %v", err)
	}
}
