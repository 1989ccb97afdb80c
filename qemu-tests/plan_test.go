package qemutests_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// TestIntegrationPlanAgrees compares what freshroot plan says of the disk, offline, with
// what the machine then does.
func TestIntegrationPlanAgrees(t *testing.T) {
	t.Parallel()
	m := newMachine(t, disk(t, pool(guest.Pool(
		master(t, "1.0", nil),
		master(t, "1.1+0-3", nil),
		master(t, "1.2", func(root string) error {
			return os.MkdirAll(filepath.Join(root, "lib/modules/9.9.9"), 0o755)
		}),
	))))
	var planned struct {
		Usr     string
		Mode    string
		Steps   []string
		Skipped []struct{ Entry, Reason string }
	}
	plan := exec.CommandContext(t.Context(), "go", "run", "../cmd/freshroot", "plan", "--json",
		"--kernel", kernel.get(t).Release, "--cmdline", "volatile=state", m.Disks[0].Path)
	out, err := plan.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", plan, err, out)
	}
	if err := json.Unmarshal(out, &planned); err != nil {
		t.Fatal(err)
	}
	r := m.boot("volatile=state")
	if planned.Usr != r.boot.Usr || planned.Mode != r.boot.Mode {
		t.Errorf("planned %s %s, booted %s %s", planned.Usr, planned.Mode, r.boot.Usr, r.boot.Mode)
	}
	if diff := cmp.Diff(planned.Skipped, r.boot.Skipped); diff != "" {
		t.Errorf("passed over (-planned +booted):\n%s", diff)
	}
	// The last step is the switch, after the record was written.
	steps := names(r.boot.Steps)
	if diff := cmp.Diff(planned.Steps[:len(planned.Steps)-1], steps); diff != "" {
		t.Errorf("steps (-planned +booted):\n%s", diff)
	}
}
