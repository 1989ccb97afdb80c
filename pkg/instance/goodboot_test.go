package instance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/reset"
)

// throwAway resets the instance and boots it, and returns what lies in the trash then.
func (m *machine) throwAway(scope reset.Scope) reset.Trashed {
	m.t.Helper()
	if _, err := m.target("1").Reset(scope, nil, time.Unix(1e9, 0)); err != nil {
		m.t.Fatal(err)
	}
	m.boot("1")
	list, err := instance.Trash(m.pool)
	newest, ok := reset.Newest(list, name)
	if err != nil || !ok {
		m.t.Fatalf("trash: %v, %v", list, err)
	}
	return newest
}

// TestIntegrationGoodBoot counts the good boots of each old state.
func TestIntegrationGoodBoot(t *testing.T) {
	m := newMachine(t, 128)
	m.release("1", factory)
	m.boot("1")
	boot := 0
	check := func(about string, want ...reset.Trashed) {
		t.Helper()
		boot++
		for range 2 { // the same boot
			got, err := instance.GoodBoot(m.pool, name, fmt.Sprintf("boot-%d", boot), 3)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: error %v (-want +got):\n%s", about, err, diff)
			}
			want = nil
		}
	}
	check("without trash")
	if exists(filepath.Join(m.pool.Name(), ".freshroot/good-boots")) {
		t.Error("something is noted where there is no trash")
	}
	first := m.throwAway(reset.Var)
	check("one")
	second := m.throwAway(reset.All)
	check("two")
	if _, err := instance.GoodBoot(m.pool, other, "boot-x", 3); err != nil {
		t.Error(err)
	}
	check("three, of the first", first)
	if err := instance.WriteRequest(m.pool, name, reset.Request{Undo: second.String()}); err != nil {
		t.Fatal(err)
	}
	check("asked for")
	if err := instance.DropRequest(m.pool, name); err != nil {
		t.Fatal(err)
	}
	check("three, of the second", second)
	left, err := os.ReadDir(filepath.Join(m.pool.Name(), ".freshroot/good-boots"))
	if err != nil || len(left) > 0 {
		t.Errorf("notes that are left: %v, %v", left, err)
	}
	third := m.throwAway(reset.Var)
	if purged, err := instance.GoodBoot(m.pool, name, "boot-y", 0); len(purged) > 0 || err != nil {
		t.Errorf("never: %v, %v", purged, err)
	}
	if err := instance.Rename(m.pool, name, other); err != nil {
		t.Fatal(err)
	}
	purged, err := instance.GoodBoot(m.pool, other, "boot-z", 1)
	if diff := cmp.Diff([]reset.Trashed{third.Renamed(other)}, purged); diff != "" || err != nil {
		t.Errorf("renamed: error %v (-want +got):\n%s", err, diff)
	}
}
