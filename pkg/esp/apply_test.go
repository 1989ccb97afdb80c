package esp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/esp"
)

// TestIntegrationSpace has a partition that is too small for one version more.
func TestIntegrationSpace(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=200k")
	sync(t, dir, versions(t, "1.0"), config())
	before := files(t, dir)
	plan := decide(t, dir, versions(t, "1.0", "1.1", "1.2", "1.3"), config())
	err := plan.Apply(t.Context(), testfs.Open(t, dir))
	var space *esp.SpaceError
	if !errors.As(err, &space) || space.Need != plan.Bytes || space.Free >= space.Need {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("something has changed (-before +after):\n%s", diff)
	}
	// What goes makes room.
	for _, v := range []string{"1.1", "1.2", "1.3", "1.4"} {
		sync(t, dir, versions(t, v), config())
	}
}

// TestProgress is told of all that is done, in its order.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	plan := decide(t, dir, versions(t, "1.0"), config())
	var told strings.Builder
	plan.Progress = func(op esp.Op) { fmt.Fprintln(&told, op) }
	apply(t, dir, plan)
	if diff := cmp.Diff(plan.String(), told.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestInterrupted ends while a file is being copied.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	want := versions(t, "1.0")
	open := want[0].Kernel.Open
	want[0].Kernel.Open = func() (io.ReadCloser, error) { cancel(); return open() }
	err := decide(t, dir, want, config()).Apply(ctx, testfs.Open(t, dir))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	if diff := cmp.Diff([]string{"org.example.os"}, ls(t, dir, "freshroot")); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// TestShorter has a file that turns out to be shorter than it was.
func TestShorter(t *testing.T) {
	dir := t.TempDir()
	want := versions(t, "1.0")
	want[0].Kernel.Size++
	err := decide(t, dir, want, config()).Apply(t.Context(), testfs.Open(t, dir))
	if err == nil || !strings.Contains(err.Error(), "it has 11000 bytes, not 11001") {
		t.Errorf("error: %v", err)
	}
	for _, name := range names(t, dir) {
		if strings.HasSuffix(name, "linux") || strings.HasSuffix(name, ".conf") && name != bls.LoaderConf ||
			strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s was written", name)
		}
	}
}
