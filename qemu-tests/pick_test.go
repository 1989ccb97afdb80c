package qemutests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/google/go-cmp/cmp"
)

// Names that are no member's, and must trouble nobody.
var junk = []string{
	usr, usr + ":", usr + "1.0:extra", "usr:", "usr", ":", "::::", "lost+found",
	usr + "\xff\xfe", usr + "9\nfreshroot: 10", usr + "\x1b[2J", "\xff", "\n",
	usr + strings.Repeat("9", 255-len(usr)), strings.Repeat("x", 255), usr + "9+x",
	"root:" + vendor, "home:ada:x:y", "app:a:b",
}

// badMembers are golden masters newer than any good one, each with what is said of it.
func badMembers(t *testing.T) (members []guest.Member, reasons map[string]string) {
	tree := busybox.get(t)
	bad := func(entry string, m guest.Member) {
		m.Name, m.Usr = entry, tree
		members = append(members, m)
	}
	bad(usr+"5.0", guest.Member{Writable: true})
	bad(usr+"5.1", guest.Member{Release: "1.2.3-other"})
	bad(usr+"5.2+0-3", guest.Member{})
	bad("usr:"+vendor+":arm64:5.3", guest.Member{})
	return members, map[string]string{
		usr + "5.0":                    "writable: not finished",
		usr + "5.1":                    "no modules for kernel " + kernel.get(t).Release,
		usr + "5.2+0-3":                "no tries left",
		"usr:" + vendor + ":arm64:5.3": "other architecture (arm64)",
	}
}

// impostors are no subvolumes, but have the names of newer golden masters.
var impostors = map[string]struct {
	create func(path string) error
	reason string
}{
	usr + "6.0": {
		func(path string) error { return os.Mkdir(path, 0o755) }, "not a subvolume",
	},
	usr + "6.1": {
		func(path string) error { return os.WriteFile(path, nil, 0o644) }, "not a directory",
	},
	usr + "6.2": {
		func(path string) error { return os.Symlink(usr+"1.9", path) }, "not a directory",
	},
}

// addEntries puts junk and impostors into a pool.
func addEntries(top string) error {
	for _, name := range junk {
		if err := os.Mkdir(filepath.Join(top, name), 0o755); err != nil {
			return err
		}
	}
	for name, impostor := range impostors {
		if err := impostor.create(filepath.Join(top, name)); err != nil {
			return err
		}
	}
	return nil
}

// TestIntegrationPick boots from a pool where most is not as it should be.
func TestIntegrationPick(t *testing.T) {
	t.Parallel()
	bad, reasons := badMembers(t)
	for name, impostor := range impostors {
		reasons[name] = impostor.reason
	}
	members := append(bad, master(t, "1.9", nil), master(t, "1.10", nil))
	m := newMachine(t, disk(t, pool(func(top string) error {
		if err := guest.Pool(members...)(top); err != nil {
			return err
		}
		return addEntries(top)
	})))
	r := m.boot("volatile=yes")
	if diff := cmp.Diff(usr+"1.10", r.boot.Usr); diff != "" {
		t.Errorf("picked (-want +got):\n%s", diff)
	}
	said := map[string]string{}
	for _, s := range r.boot.Skipped {
		said[s.Entry] = s.Reason
	}
	for entry, reason := range reasons {
		if !strings.Contains(said[entry], reason) {
			t.Errorf("%q: %q, want %q", entry, said[entry], reason)
		}
	}
	if t.Failed() {
		t.Logf("skipped: %q", r.boot.Skipped)
	}
	for _, pinned := range []struct{ pin, want string }{
		{"1.9", usr + "1.9"},
		{vendor + ":1.9", usr + "1.9"},
		{usr + "1.9", usr + "1.9"},
		{vendor, usr + "1.10"},
	} {
		r := m.boot("volatile=yes freshroot.usr=" + pinned.pin)
		if diff := cmp.Diff(pinned.want, r.boot.Usr); diff != "" {
			t.Errorf("pinned to %s (-want +got):\n%s", pinned.pin, diff)
		}
		if len(r.boot.Warnings) > 0 {
			t.Errorf("pinned to %s: %q", pinned.pin, r.boot.Warnings)
		}
	}
}

// TestIntegrationPinAbsent pins what is not there, or cannot be booted.
func TestIntegrationPinAbsent(t *testing.T) {
	t.Parallel()
	bad, _ := badMembers(t)
	m := newMachine(t, disk(t, pool(guest.Pool(append(bad, master(t, "1.0", nil))...))))
	for _, pin := range []string{"7.7", vendor + ":5.0"} {
		r := m.boot("volatile=yes freshroot.usr=" + pin)
		if diff := cmp.Diff(usr+"1.0", r.boot.Usr); diff != "" {
			t.Errorf("pinned to %s (-want +got):\n%s", pin, diff)
		}
		want := "freshroot.usr=" + pin + " cannot be booted: " + usr + "1.0 is booted instead"
		if !r.warned(want) {
			t.Errorf("pinned to %s: %q", pin, r.boot.Warnings)
		}
	}
}

// TestIntegrationNoUsr lists every member with why it cannot be booted.
func TestIntegrationNoUsr(t *testing.T) {
	t.Parallel()
	tree := busybox.get(t)
	d := disk(t, pool(guest.Pool(
		guest.Member{Name: usr + "1.0", Usr: tree, Writable: true},
		guest.Member{Name: usr + "1.1", Usr: tree, Release: "1.2.3-other"},
		guest.Member{Name: "usr:" + vendor + ":arm64:1.2", Usr: tree},
		guest.Member{Name: usr + "\xff", Usr: tree},
	)))
	screen{cmdline: "volatile=yes", want: []string{
		"the pool holds no usr: that can be booted", "Looked at:",
		`"usr:.*:arm64:1.2": other architecture \(arm64\)`,
		`"usr:.*:1.1": no modules for kernel ` + kernel.get(t).Release,
		`"usr:.*:1.0": writable: not finished`,
		"What to do:", "add one, read-only and named usr:VENDOR:x86-64:VERSION, " +
			"with the modules of the running kernel below lib/modules",
	}}.check(t, newMachine(t, d))
}

// TestIntegrationSpent boots what has no tries left when there is nothing better.
func TestIntegrationSpent(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(
		master(t, "1.0+0-3", nil), master(t, "0.9+0", nil)))))
	r := m.boot("volatile=yes")
	if r.boot.Usr != usr+"1.0+0-3" || !r.boot.Degraded {
		t.Errorf("booted %q, degraded: %v", r.boot.Usr, r.boot.Degraded)
	}
	if !r.warned("never booted well, and there is nothing better") {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
}

// TestIntegrationVendors has two vendors in one pool; each has an instance of its own.
func TestIntegrationVendors(t *testing.T) {
	t.Parallel()
	other := master(t, "0.5", nil)
	other.Name = "usr:org.example.other:x86-64:0.5"
	m := newMachine(t, disk(t, pool(guest.Pool(master(t, "1.0", nil), other))))
	r := m.boot("")
	if r.boot.Usr != usr+"1.0" || !r.warned("the pool holds several vendors") {
		t.Errorf("booted %q, warnings: %q", r.boot.Usr, r.boot.Warnings)
	}
	r = m.boot("freshroot.usr=org.example.other")
	want := []string{other.Name, "root:default:org.example.other:x86-64"}
	if diff := cmp.Diff(want, []string{r.boot.Usr, r.boot.Instance}); diff != "" {
		t.Errorf("pinned to the other vendor (-want +got):\n%s", diff)
	}
	if r.Markers["/etc"] != guest.MarkerNew || len(r.boot.Warnings) > 0 {
		t.Errorf("marker %s, warnings: %q", r.Markers["/etc"], r.boot.Warnings)
	}
}

// TestIntegrationInstanceName has two instances of one vendor.
func TestIntegrationInstanceName(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	m.boot("")
	r := m.boot("freshroot.root=second")
	want := "root:second:" + vendor + ":x86-64"
	if r.boot.Instance != want || r.Markers["/etc"] != guest.MarkerNew {
		t.Errorf("booted %s, marker in /etc: %s", r.boot.Instance, r.Markers["/etc"])
	}
}

// TestIntegrationManyMembers boots from a pool of ten thousand, and logs how long the
// pick took.
func TestIntegrationManyMembers(t *testing.T) {
	t.Parallel()
	const many = 10_000
	spec := pool(func(top string) error {
		if err := guest.Pool(master(t, "2.0", nil))(top); err != nil {
			return err
		}
		return addMembers(top, many)
	})
	spec.SizeMiB = 768
	r := newMachine(t, disk(t, spec)).boot("volatile=yes")
	if r.boot.Usr != usr+"2.0" {
		t.Errorf("booted %q", r.boot.Usr)
	}
	for _, p := range r.boot.Phases {
		if p.Name == "pick" {
			t.Logf("picked in %v s", p.Took)
		}
	}
}

// addMembers makes n empty subvolumes, in versions from 1.0 on. They are made without a
// process for each.
func addMembers(top string, n int) error {
	dir, err := os.Open(top)
	if err != nil {
		return err
	}
	defer dir.Close()
	for i := range n {
		entry := fmt.Sprintf("%s1.%d", usr, i)
		if err := btrfs.CreateSubvolume(dir, entry); err != nil {
			return fmt.Errorf("member %d: %w", i, err)
		}
	}
	return nil
}
