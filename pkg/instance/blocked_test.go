package instance_test

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

// block puts a file in the place of what has a name in the pool.
func (m *machine) block(name string) {
	m.t.Helper()
	path := m.pool.Name() + "/" + name
	if err := errors.Join(os.RemoveAll(path), os.WriteFile(path, nil, 0o600)); err != nil {
		m.t.Fatal(err)
	}
}

// TestIntegrationBlocked has a file where a directory of freshroot's own is expected. An
// instance boots as it is; what needs the directory is not done, and says why.
func TestIntegrationBlocked(t *testing.T) {
	type outcome struct{ boot, update, reset, request, trash bool } // what is done
	for name, want := range map[string]outcome{
		".freshroot":          {},
		".freshroot/staging":  {trash: true},
		".freshroot/trash":    {boot: true, update: true, request: true},
		".freshroot/requests": {boot: true, update: true, reset: true, trash: true},
		".freshroot/reserve":  {boot: true, update: true, reset: true, request: true, trash: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := used(t)
			m.release("2", resetFactory)
			m.block(name)
			before := m.state()
			var got outcome
			got.boot = done(t, ensure(m, "1"))
			if diff := cmp.Diff(before, m.state()); diff != "" {
				t.Errorf("the boot has changed (-want +got):\n%s", diff)
			}
			got.update = done(t, ensure(m, "2"))
			_, err := m.target("1").Reset(reset.All, nil, clock)
			got.reset = done(t, err)
			got.request = done(t, instance.WriteRequest(m.pool, "root:other:v:a", reset.Request{Reset: reset.All}))
			_, err = instance.Trash(m.pool)
			got.trash = done(t, err)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
		})
	}
}

// ensure does what a boot does; it may fail only in a way with which that goes on.
func ensure(m *machine, version string) error {
	m.t.Helper()
	_, err := m.target(version).Ensure()
	var late *instance.UpdateError
	if err != nil && !errors.As(err, &late) {
		m.t.Errorf("boot of %s: %v", version, err)
	}
	return err
}

// done says whether something was done; if not, for the reason that is expected.
func done(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("error %v, want one of no directory", err)
	}
	return err == nil
}

// TestIntegrationBlockedEmpty has nothing to boot without what is blocked.
func TestIntegrationBlockedEmpty(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", resetFactory)
	m.block(".freshroot")
	var late *instance.UpdateError
	if _, err := m.target("1").Ensure(); !errors.Is(err, unix.ENOTDIR) || errors.As(err, &late) {
		t.Errorf("error %v, want one that ends the boot", err)
	}
}
