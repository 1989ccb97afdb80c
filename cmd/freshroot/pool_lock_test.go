package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// atOnce does something several times at once.
func atOnce(do func(i int) error) error {
	const times = 8
	done := make(chan error)
	for i := range times {
		go func() { done <- do(i) }()
	}
	var failures []error
	for range times {
		failures = append(failures, <-done)
	}
	return errors.Join(failures...)
}

// TestIntegrationAtOnce has several runs of the tool change one pool, however it is named.
// None of them fails because of the others.
func TestIntegrationAtOnce(t *testing.T) {
	dir := toolPool(t)
	device := strings.TrimSpace(testfs.Run(t, "findmnt", "-n", "-o", "SOURCE", dir))
	image := newPool(t, 512, v+"1")
	freshroot := buildTool(t)
	for _, pool := range []string{dir, device, image} {
		mustTool(t, pool, "root", "create", "at-"+filepath.Base(pool))
		err := atOnce(func(i int) error {
			from, to := "at-"+filepath.Base(pool), fmt.Sprintf("%s-%d", filepath.Base(pool), i)
			out, err := exec.Command(freshroot, "root", "clone", "--pool", pool, from, to).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", pool, err)
		}
		list := mustTool(t, pool, "root", "list")
		if got := strings.Count(list, "\n"+filepath.Base(pool)+"-"); got != 8 {
			t.Errorf("%s has %d clones, want 8:\n%s", pool, got, list)
		}
	}
}

// TestIntegrationAtOnceProtected has several runs change a pool that each of them makes
// read-only again.
func TestIntegrationAtOnceProtected(t *testing.T) {
	b := runningFrom(t, volatile.Yes, v+"1", v+"1")
	err := atOnce(func(i int) error {
		return b.changePool(func(pool *os.File) error {
			return os.Mkdir(filepath.Join(procPath(pool), fmt.Sprint("made-", i)), 0o755)
		})
	})
	if err != nil {
		t.Error(err)
	}
	made := slices.DeleteFunc(members(t, b), func(name string) bool { return !strings.HasPrefix(name, "made-") })
	if len(made) != 8 {
		t.Errorf("made %q, want 8", made)
	}
}
