package instance_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

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
			testfs.Fill(t, m.path("var/big"))
			m.boot("1")
			var late *instance.UpdateError
			if _, err := m.target("2").Ensure(); !errors.As(err, &late) || !errors.Is(err, unix.ENOSPC) {
				t.Errorf("another version: error %v, want no space for an update", err)
			}
			if r := m.reset(scope); !r.Full || r.Trashed == "" {
				t.Errorf("reset: %+v", r)
			}
			m.boot("1")
			got := []string{m.read("etc/machine-id"), m.read("var/lib/db"), m.read("etc/conf/699")[:1]}
			if diff := cmp.Diff([]string{"id", "f", "f"}, got); diff != "" {
				t.Errorf("machine-id, database and factory (-want +got):\n%s", diff)
			}
			if left := m.trash(); left != nil {
				t.Errorf("left in the trash: %q", left)
			}
		})
	}
}
