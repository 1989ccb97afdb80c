package vm

import (
	"os"
	"os/exec"
	"testing"
)

// ForTest starts a machine that lives as long as the test. A test that failed gets
// the end of the console in its log. The test is skipped in short mode and where
// QEMU is missing; under CI a missing QEMU is a failure.
func ForTest(t testing.TB, c Config) *VM {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a virtual machine")
	}
	if _, err := exec.LookPath(qemu); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	v, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.Kill()
		if t.Failed() {
			t.Logf("console, the end:\n%s", v.console.tail(10*tailLines))
		}
	})
	return v
}
