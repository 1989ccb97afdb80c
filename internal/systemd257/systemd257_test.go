package systemd257_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/systemd257"
)

// TestIntegrationVersion runs both; their names are in their own help.
func TestIntegrationVersion(t *testing.T) {
	programs := map[string]string{
		"systemd-tmpfiles": systemd257.Tmpfiles(t),
		"systemd-sysusers": systemd257.Sysusers(t),
	}
	for name, path := range programs {
		out, err := exec.Command(path, "--version").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "systemd 257") {
			t.Errorf("%s --version: %v\n%s", name, err, out)
		}
	}
}
