package instance_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

// fillAll fills the disk from within the instance: first the data, so that no space is
// left that could be set apart for metadata, then the metadata, in smaller and smaller
// pieces.
func (m *machine) fillAll() {
	m.t.Helper()
	f, err := os.Create(m.path("var/big"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	for size := int64(1 << 30); size >= 4096; {
		if err := unix.Fallocate(int(f.Fd()), 0, fileSize(m.t, f), size); err != nil {
			size /= 2
		}
	}
	for size, i := 15000, 0; size > 0; i++ {
		name := "user." + strconv.Itoa(i)
		err := unix.Fsetxattr(int(f.Fd()), name, make([]byte, size), 0)
		if errors.Is(err, unix.ENOSPC) {
			size /= 8
		} else if err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.Mkdir(m.path("var/one more"), 0o755); !errors.Is(err, unix.ENOSPC) {
		m.t.Fatalf("the disk is not full: %v", err)
	}
}

func fileSize(t *testing.T, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestIntegrationFull has an instance that takes all data and all metadata that there is
// room for, with nothing in the trash. It boots as it is, also with another version, and
// a reset makes room.
func TestIntegrationFull(t *testing.T) {
	for _, scope := range []reset.Scope{reset.Var, reset.All} {
		t.Run(string(scope), func(t *testing.T) {
			m := newMachine(t, 1024)
			large := files{"etc/hosts": "f", "var/lib/db": "f"}
			for i := range 700 {
				large["etc/conf/"+strconv.Itoa(i)] = strings.Repeat("f", 1000)
			}
			m.release("1", large)
			m.release("2", files{"etc/hosts": "2", "var/lib/db": "2"})
			m.boot("1")
			m.edit(files{"etc/machine-id": "id", "var/lib/db": "u"})
			m.fillAll()
			m.boot("1")
			var late *instance.UpdateError
			if _, err := m.target("2").Ensure(); !errors.As(err, &late) || !errors.Is(err, unix.ENOSPC) {
				t.Errorf("another version: error %v, want no space for an update", err)
			}
			m.reset(scope)
			m.boot("1")
			got := []string{m.read("etc/machine-id"), m.read("var/lib/db"), m.read("etc/conf/699")[:1]}
			if diff := cmp.Diff([]string{"id", "f", "f"}, got); diff != "" {
				t.Errorf("machine-id, database and factory (-want +got):\n%s", diff)
			}
			list, err := instance.Trash(m.pool)
			if err := errors.Join(err, instance.Purge(m.pool, list)); err != nil || len(list) != 1 {
				t.Errorf("purge of %v: %v", list, err)
			}
		})
	}
}
