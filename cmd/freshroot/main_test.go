package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// buildTool builds the tool in a directory of its own.
func buildTool(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "freshroot")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return tool
}

// TestExitStatus runs the tool as people do, by its own name and by those of systemd. It
// leaves nothing in $HOME.
func TestExitStatus(t *testing.T) {
	tool := buildTool(t)
	dir := filepath.Dir(tool)
	for name := range systemdNames {
		if err := os.Symlink(tool, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", "")
	root := "--root=" + t.TempDir()
	for _, test := range []struct {
		want int
		argv []string
	}{
		{0, []string{"freshroot", "--version"}},
		{0, []string{"freshroot", "tmpfiles", "--create", root}},
		{1, []string{"freshroot", "plan", "/nonexistent"}},
		{2, []string{"freshroot", "tmpfiles", "--bogus"}},
		{2, []string{"freshroot", "bogus"}},
		{0, []string{"freshroot", "help", "etc", "diff"}},
		{2, []string{"freshroot", "help", "bogus"}},
		{2, []string{"freshroot", "help", "etc", "bogus"}},
		{2, []string{"freshroot", "help", "list", "bogus"}},
		{0, []string{"freshroot", "completion", "bash"}},
		{2, []string{"freshroot", "completion", "bogus"}},
		{2, []string{"freshroot", "completion", "bash", "bogus"}},
		{2, []string{"freshroot", "etc", "diff", "--text", "--json"}},
		{0, []string{"systemd-tmpfiles", "--version"}},
		{0, []string{"systemd-tmpfiles", "--create", root}},
		{1, []string{"systemd-tmpfiles", "--bogus"}},
		{65, []string{"systemd-tmpfiles", "--create", root, "--inline", "bogus"}},
		{0, []string{"systemd-sysusers", "--dry-run", root}},
		{1, []string{"systemd-sysusers", "--bogus"}},
		{1, []string{"systemd-sysusers", root, "--inline", "bogus"}},
	} {
		err := exec.Command(filepath.Join(dir, test.argv[0]), test.argv[1:]...).Run()
		got := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.argv, diff)
		}
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("left in $HOME: %v, %v", left, err)
	}
}

// TestUsageLines has flags before arguments in all of them: cobra would put them behind.
func TestUsageLines(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			check(sub)
		}
		line := c.UseLine()
		_, behind, _ := strings.Cut(line, " [flags]")
		own := c.Name() != "help" && !strings.Contains(line, completionName)
		if before, _, ok := strings.Cut(c.Use, " "); own && ok && behind == "" && c.Use != before+" [flags]" {
			t.Errorf("flags behind arguments: %s", line)
		}
	}
	check(rootCommand())
}

// TestHelpWidth has no line of a help text that a terminal would break.
func TestHelpWidth(t *testing.T) {
	const most = 90
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			check(sub)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > most && !strings.Contains(c.CommandPath(), completionName) {
				t.Errorf("%s: %s", c.CommandPath(), line)
			}
		}
	}
	check(rootCommand())
}
