package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/golden/lint"
)

// newTree writes a small installed system.
func newTree(t *testing.T) string {
	t.Helper()
	testfs.Root(t)
	dir := t.TempDir()
	for name, content := range map[string]string{
		"usr/lib/os-release": "ID=test\n", "usr/bin/sh": "#!", "etc/hostname": "builder\n",
		"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n",
		"etc/shadow": "root:$6$x$y:1::::::\n", "var/log/odd\x1b": "a log\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestIntegrationFactoryBuild(t *testing.T) {
	dir := newTree(t)
	const changes = `drop   etc/hostname: the name or the identity of one machine
drop   "var/log/odd\x1b": a log
edit   etc/shadow: passwords are locked: ["root"]
edit   etc/machine-id: an empty one, so that systemd takes no boot for the first
write  usr/lib/tmpfiles.d/freshroot-factory.conf: 4 lines that copy from the factory
write  usr/lib/sysusers.d/00-freshroot-factory.conf: 2 users and groups with their numbers
`
	out, err := run(t, "factory", "build", "--dry-run", dir)
	if diff := cmp.Diff(changes+"dropped 2 paths, 14 bytes\n", out); diff != "" || err != nil {
		t.Errorf("dry run: %v (-want +got):\n%s", err, diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "usr/share")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dry run has made a factory: %v", err)
	}
	out, err = run(t, "factory", "build", "--verbose", dir)
	want := changes + "copied 3 directories, 5 files, 0 others, 66 bytes\ndropped 2 paths, 14 bytes\n"
	if diff := cmp.Diff(want, out); diff != "" || err != nil {
		t.Errorf("build: %v (-want +got):\n%s", err, diff)
	}
	out, err = run(t, "factory", "build", dir)
	if strings.Contains(out, "drop  ") || err != nil {
		t.Errorf("short: %v\n%s", err, out)
	}
}

func TestIntegrationFactoryBuildJSON(t *testing.T) {
	out, err := run(t, "factory", "build", "--json", "--include", "etc/hostname", "--exclude", "etc/group", newTree(t))
	var plan golden.Plan
	if err = errors.Join(err, json.Unmarshal([]byte(out), &plan)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var dropped []string
	for _, c := range plan.Changes {
		if c.Action == golden.Drop {
			dropped = append(dropped, c.Path+": "+c.Why)
		}
	}
	want := []string{"etc/group: it was asked for", "var/log/odd\x1b: a log"}
	if diff := cmp.Diff(want, dropped); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The exit status of lint is that there are errors, in words and in JSON.
func TestIntegrationFactoryLint(t *testing.T) {
	dir := newTree(t)
	out, err := run(t, "factory", "lint", dir)
	if !errors.Is(err, errSaid) || !strings.HasPrefix(out, "error: usr/share/factory: is missing or empty\n  why: ") {
		t.Errorf("without a factory: %v\n%s", err, out)
	}
	if _, err := run(t, "factory", "build", dir); err != nil {
		t.Fatal(err)
	}
	out, err = run(t, "factory", "lint", dir)
	if diff := cmp.Diff("errors: 0, warnings: 0, notes: 0\n", out); diff != "" || err != nil {
		t.Errorf("good: %v (-want +got):\n%s", err, diff)
	}
	if err := os.Remove(filepath.Join(dir, "usr/bin/sh")); err != nil {
		t.Fatal(err)
	}
	out, err = run(t, "factory", "lint", "--json", dir)
	var found []lint.Finding
	if broken := json.Unmarshal([]byte(out), &found); broken != nil || !errors.Is(err, errSaid) ||
		len(found) != 1 || found[0].Check != "init" || found[0].Severity != lint.Error {
		t.Errorf("no init: %v, %v\n%s", err, broken, out)
	}
}

func TestFactoryUsage(t *testing.T) {
	var usage usageError
	for _, args := range [][]string{
		{"factory", "build"}, {"factory", "lint"}, {"factory", "make", "/"}, {"factory", "lint", "/", "/"},
		{"factory", "build", "--nonsense", "/"}, {"factory", "build", "--exclude", "/usr/*", "/nonexistent"},
		{"factory", "build", "--exclude", "[", "/nonexistent"}, {"factory", "build", "--include", "", "/nonexistent"},
	} {
		if _, err := run(t, args...); !errors.As(err, &usage) {
			t.Errorf("%q: error %v, want a usage error", args, err)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if _, err := run(t, "factory", "build", t.TempDir()); !errors.As(err, &usage) {
		t.Errorf("SOURCE_DATE_EPOCH: error %v, want a usage error", err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	for _, args := range [][]string{
		{"factory", "build", t.TempDir()}, {"factory", "build", "/nonexistent"}, {"factory", "lint", "/nonexistent"},
	} {
		if _, err := run(t, args...); err == nil || errors.As(err, &usage) {
			t.Errorf("%q: error %v, want one that is none of usage", args, err)
		}
	}
}
