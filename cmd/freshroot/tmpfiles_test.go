package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
)

// runTmpfiles runs the command, and returns its exit status and what it prints.
func runTmpfiles(t *testing.T, in string, args ...string) (status int, out, messages string) {
	t.Helper()
	c := tmpfilesCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	var stdout, stderr bytes.Buffer
	c.SetArgs(args)
	c.SetIn(strings.NewReader(in))
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err := c.Execute()
	var own exitStatus
	var usage usageError
	switch {
	case errors.As(err, &own):
		status = int(own)
	case errors.As(err, &usage):
		status = exitUsage
	case err != nil:
		status = exitFailure
	}
	return status, stdout.String(), stderr.String()
}

// newTmpfilesRoot makes a root with configuration in it.
func newTmpfilesRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"etc/passwd":                "ada:x:1000:1000::/:/bin/sh\n",
		"etc/tmpfiles.d/b.conf":     "d /b\n# a comment\nd! /boot\n",
		"usr/lib/tmpfiles.d/b.conf": "d /masked\n",
		"usr/lib/tmpfiles.d/a.conf": "d /a\nd /run/a\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// made lists what is in a root besides its configuration.
func made(t *testing.T, root string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "etc" && e.Name() != "usr" {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestIntegrationTmpfilesOptions compares each call with one of systemd-tmpfiles.
func TestIntegrationTmpfilesOptions(t *testing.T) {
	testfs.Root(t)
	theirs := trixie.Tmpfiles(t)
	for name, c := range map[string]struct {
		in   string
		args []string
		want []string
	}{
		"all":             {"", []string{"--create"}, []string{"a", "b", "run"}},
		"at boot":         {"", []string{"--create", "--boot"}, []string{"a", "b", "boot", "run"}},
		"but virtual":     {"", []string{"--create", "-E"}, []string{"a", "b"}},
		"prefix":          {"", []string{"--create", "--prefix=/a", "--prefix=/b"}, []string{"a", "b"}},
		"but a prefix":    {"", []string{"--create", "--exclude-prefix=/a"}, []string{"b", "run"}},
		"one file":        {"", []string{"--create", "a.conf"}, []string{"a", "run"}},
		"standard input":  {"d /c 0700 ada", []string{"--create", "-"}, []string{"c"}},
		"replace":         {"d /c", []string{"--create", "--replace=/etc/tmpfiles.d/b.conf", "-"}, []string{"a", "c", "run"}},
		"replace masked":  {"d /c", []string{"--create", "--replace=/usr/lib/tmpfiles.d/b.conf", "-"}, []string{"a", "b", "run"}},
		"wrong line":      {"d /c\nd d\n", []string{"--create", "-"}, []string{"c"}},
		"impossible":      {"d /c\nf /etc/passwd/x\n", []string{"--create", "-"}, []string{"c"}},
		"unknown user":    {"d /c - bob\nd /d\n", []string{"--create", "-"}, []string{"d"}},
		"gracefully":      {"d /c 4755 bob\nd /d\n", []string{"--create", "--graceful", "-"}, []string{"c", "d"}},
		"no such file":    {"", []string{"--create", "none.conf"}, nil},
		"dry run":         {"d /c\nf /c/d\nL /c/e - - - - x", []string{"--create", "--dry-run", "-"}, nil},
		"purge":           {"d$ /c", []string{"--purge", "-"}, nil},
		"nothing to do":   {"", nil, nil},
		"purge all":       {"", []string{"--purge"}, nil},
		"relative":        {"", []string{"--create", "--replace=b.conf", "-"}, nil},
		"unknown flag":    {"", []string{"--create", "--frobnicate"}, nil},
		"print and place": {"", []string{"--cat-config", "--replace=/etc/tmpfiles.d/b.conf", "-"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			root, oracle := newTmpfilesRoot(t), newTmpfilesRoot(t)
			status, _, messages := runTmpfiles(t, c.in, append(c.args, "--root="+root)...)
			want := testStatus(t, c.in, theirs, append(c.args, "--root="+oracle)...)
			if status == exitUsage {
				status = exitFailure // as it is when the tool is called by systemd's name
			}
			if status != want {
				t.Errorf("status %d, want %d\n%s", status, want, messages)
			}
			for _, dir := range []string{oracle, root} {
				if diff := cmp.Diff(c.want, made(t, dir)); diff != "" {
					t.Errorf("%s: %s", dir, diff)
				}
			}
		})
	}
}

func TestTmpfilesPrint(t *testing.T) {
	root := newTmpfilesRoot(t)
	status, out, _ := runTmpfiles(t, "", "--tldr", "--root="+root)
	want := "# " + root + "/usr/lib/tmpfiles.d/a.conf\nd /a\nd /run/a\n\n" +
		"# " + root + "/etc/tmpfiles.d/b.conf\nd /b\nd! /boot\n"
	if diff := cmp.Diff(want, out); diff != "" || status != 0 {
		t.Errorf("status %d\n%s", status, diff)
	}
}

func TestTmpfilesDryRun(t *testing.T) {
	root := newTmpfilesRoot(t)
	status, _, messages := runTmpfiles(t, "d /c\nR /usr/lib/tmpfiles.d\n", "--create", "--remove", "--dry-run",
		"--root="+root, "-")
	want := "Would remove " + strings.Join([]string{
		`"` + root + `/usr/lib/tmpfiles.d/a.conf"`, `"` + root + `/usr/lib/tmpfiles.d/b.conf"`,
		`directory "` + root + `/usr/lib/tmpfiles.d"`}, "\nWould remove ") +
		"\nWould create directory " + root + "/c\n"
	lines := strings.SplitAfter(messages, "\n")
	if len(lines) > 2 && lines[0] > lines[1] { // a directory is in no order
		lines[0], lines[1] = lines[1], lines[0]
	}
	if diff := cmp.Diff(want, strings.Join(lines, "")); diff != "" || status != 0 {
		t.Errorf("status %d\n%s", status, diff)
	}
	if got := made(t, root); got != nil {
		t.Errorf("made %q", got)
	}
}

func TestTmpfilesSaysWhere(t *testing.T) {
	root := newTmpfilesRoot(t)
	_, _, messages := runTmpfiles(t, "# one\nd relative\n", "--create", "--root="+root, "-")
	if !strings.HasPrefix(messages, "<stdin>:2: ") {
		t.Errorf("says %q", messages)
	}
}

// TestTmpfilesUnknownUser sees what is said of a name that no file of accounts has.
func TestTmpfilesUnknownUser(t *testing.T) {
	for line, want := range map[string]string{
		"d /c - bob":   `unknown user "bob"`,
		"d /c - - bob": `unknown group "bob"`,
	} {
		status, _, messages := runTmpfiles(t, line, "--create", "--root="+newTmpfilesRoot(t), "-")
		if !strings.Contains(messages, want) || strings.Contains(messages, "file") || status != int(exitInvalid) {
			t.Errorf("%s: status %d, says %q", line, status, messages)
		}
	}
}

func TestTmpfilesVersion(t *testing.T) {
	status, out, _ := runTmpfiles(t, "", "--version")
	if diff := cmp.Diff("systemd 257 (freshroot)\n", out); diff != "" || status != 0 {
		t.Errorf("status %d\n%s", status, diff)
	}
}

// testStatus runs a program and returns its exit status.
func testStatus(t *testing.T, in, program string, args ...string) int {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(in)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}
