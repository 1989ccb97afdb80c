package instance_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

// powercut takes the power from the disk when something was done.
func (m *machine) powercut(do func()) {
	t := m.t
	t.Run("before", func(t *testing.T) { // closes what it opens
		m.t = t
		do()
	})
	m.t = t
	m.pool.Close()
	testfs.Powercut(t, m.pool.Name())
	m.pool = testfs.Open(t, m.pool.Name())
}

// use writes to a file as a program does that wants it on the disk.
func (m *machine) use(name string) {
	m.t.Helper()
	f, err := os.Create(m.path(name))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		m.t.Fatal(err)
	}
}

// TestIntegrationUsedAtOnce has an OS that writes to its fresh state at once, and wants it
// on the disk, before the power goes. From then on it is no longer a state that nobody
// has used: the next reset throws it away, and it can be brought back.
func TestIntegrationUsedAtOnce(t *testing.T) {
	for _, scope := range []reset.Scope{reset.All, reset.Var} {
		t.Run(string(scope), func(t *testing.T) {
			m := newMachine(t, 128)
			m.release("1", resetFactory)
			m.powercut(func() {
				m.boot("1")
				if _, err := m.target("1").Reset(scope, nil, clock); err != nil {
					m.t.Fatal(err)
				}
				m.boot("1")
				m.use("var/used")
				m.use("used")
			})
			if !exists(m.path("var/used")) {
				t.Fatal("what was synced is lost")
			}
			if result, err := m.target("1").Reset(scope, nil, clock); err != nil || result.Trashed == "" {
				t.Errorf("reset once more: %+v, %v", result, err)
			}
			if exists(m.path("var/used")) {
				t.Error("the reset was not done")
			}
		})
	}
}

// TestIntegrationDeletionCutShort deletes an old state, of which a part resists, and something
// else makes the file system commit that, before the power goes. What is left of the state
// must not be offered any more.
func TestIntegrationDeletionCutShort(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", resetFactory)
	m.powercut(func() {
		m.boot("1")
		if _, err := m.target("1").Reset(reset.All, nil, clock); err != nil {
			m.t.Fatal(err)
		}
		list, err := instance.Trash(m.pool)
		if err != nil || len(list) != 1 {
			m.t.Fatal(list, err)
		}
		old := filepath.Join(m.pool.Name(), ".freshroot/trash", list[0].String())
		testfs.Run(m.t, "chattr", "+i", old+"/var")
		if err := instance.Purge(m.pool, list); err == nil {
			m.t.Fatal("all was deleted")
		}
		// Unlike a sync, this does not write what is still in memory.
		testfs.Run(m.t, "btrfs", "-q", "subvolume", "snapshot", m.path("var"), m.pool.Name()+"/other")
	})
	if list, err := instance.Trash(m.pool); err != nil || len(list) > 0 {
		t.Errorf("the trash has %v, %v", list, err)
	}
}

// TestIntegrationReserveIsQuicklyLookedAt has no attributes on the file that each boot
// looks at: btrfs reads them when it reads the inode.
func TestIntegrationReserveIsQuicklyLookedAt(t *testing.T) {
	m := used(t)
	own := m.pool.Name() + "/.freshroot/"
	for name, want := range map[string]bool{"reserve": false, "reserve-metadata": true} {
		size, err := unix.Listxattr(own+name, nil)
		if err != nil || (size > 0) != want {
			t.Errorf("%s has %d bytes of names of attributes, %v", name, size, err)
		}
	}
}

// TestIntegrationReserveCutShort finds a reserve that has no space yet.
func TestIntegrationReserveCutShort(t *testing.T) {
	m := used(t)
	reserve := m.pool.Name() + "/.freshroot/reserve"
	if err := os.Truncate(reserve, 0); err != nil {
		t.Fatal(err)
	}
	m.boot("1")
	if info, err := os.Stat(reserve); err != nil || info.Size() != 4<<20 {
		t.Errorf("the reserve: %v, %v", info, err)
	}
}

// TestIntegrationRequestCutShort leaves nothing that the next boot does not clear.
func TestIntegrationRequestCutShort(t *testing.T) {
	m := used(t)
	requests := m.pool.Name() + "/.freshroot/requests"
	m.write(requests, files{name + "/in the way": ""})
	if err := instance.WriteRequest(m.pool, name, reset.Request{Reset: reset.All}); err == nil {
		t.Fatal("a directory was replaced")
	}
	m.boot("1")
	if left, err := os.ReadDir(requests); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
