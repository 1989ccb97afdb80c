package trixie_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/trixie"
)

// TestIntegrationVersion runs the programs, which say what they are.
func TestIntegrationVersion(t *testing.T) {
	for path, want := range map[string]string{
		trixie.Tmpfiles(t):  "systemd 257",
		trixie.Sysusers(t):  "systemd 257",
		trixie.MkfsBtrfs(t): "mkfs.btrfs, part of btrfs-progs v6.14",
	} {
		out, err := exec.Command(path, "--version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s --version: %v\n%s", path, err, out)
		}
	}
}
