// Package kerneltest gives tests a real kernel of Debian and the tools to judge by.
//
// What a test needs and the machine lacks makes the test skip, with the reason; with
// CI set in the environment it fails instead, so that CI cannot pass by skipping.
package kerneltest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Tree returns a directory with a kernel at boot/vmlinuz-RELEASE and its modules at
// lib/modules/RELEASE. The first call on a machine downloads it.
func Tree(t testing.TB) (root, release string) {
	t.Helper()
	// Tests run in the directory of their package, so the script is found by the
	// path of this file.
	_, self, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(self), "../../../scripts/fetch-kernel")
	out, err := exec.Command(script).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = exit.Stderr
		}
		Lacking(t, "fetch a kernel: %v\n%s", err, out)
	}
	root = strings.TrimSpace(string(out))
	releases, err := os.ReadDir(filepath.Join(root, "lib/modules"))
	if err != nil || len(releases) == 0 {
		t.Fatalf("%s has no lib/modules/RELEASE: %v", root, err)
	}
	return root, releases[0].Name()
}

// Tool returns the path of a program.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacking(t, "%v", err)
	}
	return path
}

// Lacking ends a test that cannot run on this machine.
func Lacking(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
