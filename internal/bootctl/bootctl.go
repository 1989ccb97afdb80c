// Package bootctl asks systemd's bootctl(1) what is on a boot partition, for tests.
//
// Without bootctl the test is skipped; where CI is set, it fails.
package bootctl

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
)

// Entry is what bootctl says of a boot loader entry.
type Entry struct {
	ID, Title, SortKey, Version, Options string
	TriesLeft                            int
}

// List returns the entries in the order of systemd-boot's menu. dir has to be the root
// of a file system, of any type.
func List(t testing.TB, dir string) (list []Entry) {
	t.Helper()
	cmd := exec.Command(testfs.Tool(t, "bootctl"), "list", "--json=short", "--esp-path", dir)
	cmd.Env = append(os.Environ(), "SYSTEMD_RELAX_ESP_CHECKS=1")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil || problems.Len() > 0 {
		t.Fatalf("bootctl: %v\n%s", err, &problems)
	}
	// Some versions print an array, others one object after the other.
	text := strings.ReplaceAll(strings.TrimSpace(string(out)), "}\n{", "},{")
	if !strings.HasPrefix(text, "[") {
		text = "[" + text + "]"
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("bootctl: %v: %s", err, out)
	}
	return list
}
