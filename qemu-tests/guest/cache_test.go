package guest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// build returns a builder that counts its runs and leaves one file.
func build(runs *atomic.Int32) func(dir string) error {
	return func(dir string) error {
		runs.Add(1)
		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	}
}

// names lists what is in the cache, but for locks.
func names(t *testing.T, cache string) []string {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestCachedBuildsOnce(t *testing.T) {
	t.Setenv("FRESHROOT_CACHE", t.TempDir())
	var runs atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, err := cached("x", []string{"recipe"}, build(&runs))
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff(int32(1), runs.Load()); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
}

func TestCachedFollowsRecipe(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FRESHROOT_CACHE", cache)
	var runs atomic.Int32
	for _, name := range []string{"x", "x-base", "xy"} {
		for _, recipe := range [][]string{{"ab", "c"}, {"a", "bc"}, {"a", "bc"}} {
			if _, err := cached(name, recipe, build(&runs)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(int32(6), runs.Load()); diff != "" {
		t.Errorf("builds, two of each (-want +got):\n%s", diff)
	}
	key := hash([]string{"a", "bc"})
	want := []string{"x-" + key, "x-base-" + key, "xy-" + key}
	if diff := cmp.Diff(want, names(t, cache)); diff != "" {
		t.Errorf("kept of each, the last (-want +got):\n%s", diff)
	}
}

func TestCachedFails(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("FRESHROOT_CACHE", cache)
	wrong := errors.New("wrong")
	_, err := cached("x", nil, func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), wrong)
	})
	if !errors.Is(err, wrong) {
		t.Errorf("cached: %v, want the builder's error", err)
	}
	if got := names(t, cache); got != nil {
		t.Errorf("a failed build left %q", got)
	}
	// What a killed build left does not hinder.
	if err := os.Mkdir(filepath.Join(cache, "x-"+hash(nil)+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	if _, err := cached("x", nil, build(&runs)); err != nil {
		t.Error(err)
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("FRESHROOT_CACHE", "")
	got, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(filepath.Join(top, ".cache"), got); diff != "" {
		t.Errorf("cache (-want +got):\n%s", diff)
	}
	t.Chdir("/")
	if got, err := CacheDir(); err == nil {
		t.Errorf("the cache outside of a checkout is %q", got)
	}
}

func TestFindKernel(t *testing.T) {
	dir := t.TempDir()
	if k, err := findKernel(dir); err == nil {
		t.Errorf("found %+v where there is none", k)
	}
	image := filepath.Join(dir, "boot/vmlinuz-6.1.0-amd64")
	if err := writeFiles(dir, file{"boot/vmlinuz-6.1.0-amd64", 0o644, ""}); err != nil {
		t.Fatal(err)
	}
	got, err := findKernel(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := &Kernel{Dir: dir, Image: image, Release: "6.1.0-amd64"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kernel (-want +got):\n%s", diff)
	}
	if err := writeFiles(dir, file{"boot/vmlinuz-6.2", 0o644, ""}); err != nil {
		t.Fatal(err)
	}
	if k, err := findKernel(dir); err == nil {
		t.Errorf("chose %+v of two", k)
	}
}
