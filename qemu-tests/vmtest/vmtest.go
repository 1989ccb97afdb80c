// Package vmtest ties the virtual machines of package vm to tests.
package vmtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/vm"
)

// tailLines is how much console the log of a failed test gets.
const tailLines = 400

// ForTest starts a machine that lives as long as the test. A test that failed gets
// the end of the console in its log. The test is skipped in short mode and where
// QEMU is missing; under CI a missing QEMU is a failure.
func ForTest(t testing.TB, c vm.Config) *vm.VM {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a virtual machine")
	}
	if _, err := exec.LookPath(vm.QEMU); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	v, err := vm.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Kill()
		if t.Failed() {
			t.Logf("console, the end:\n%s", tail(v.Output()))
		}
	})
	return v
}

// tail returns the last lines of a text.
func tail(text string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "")
}
