package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/trixie"
)

// aHome is a home with configuration in each of the places of a user, of which the first
// one with a name masks the others.
var aHome = map[string]string{
	".config/user-tmpfiles.d/a.conf":      "d %h/made/config\n",
	".local/share/user-tmpfiles.d/a.conf": "d %h/made/masked\n",
	".local/share/user-tmpfiles.d/b.conf": "d %h/made/local\n",
	"config/user-tmpfiles.d/c.conf":       "d %h/made/config-home\n",
	"xdg/user-tmpfiles.d/d.conf":          "f %h/made/xdg 0640 - - - text\n",
	"xdg/user-tmpfiles.d/c.conf":          "d %h/made/xdg-masked\n",
	"run/user-tmpfiles.d/e.conf":          "d %t/made-run\n",
	"data/user-tmpfiles.d/f.conf":         "L %h/made/data - - - - away\n",
	"share/user-tmpfiles.d/f.conf":        "d %h/made/data-masked\n",
	"share/user-tmpfiles.d/g.conf":        "d %h/made/data-home 0700\nd %h/made/boot!\nd! %h/made/at-boot\n",
}

// TestUserTmpfiles compares --user with systemd-tmpfiles: where configuration is looked
// for, and what the specifiers of a user stand for.
func TestUserTmpfiles(t *testing.T) {
	theirs := trixie.Tmpfiles(t)
	const specifiers = "f %h/spec - - - - %h|%C|%S|%L|%U|%G|%u|%g|%%\n"
	for name, c := range map[string]struct {
		env  map[string]string // HOME stands for the home
		in   string
		args []string
	}{
		"defaults": {nil, "", []string{"--create"}},
		"at boot":  {nil, "", []string{"--create", "--boot"}},
		"everywhere": {map[string]string{
			"XDG_CONFIG_HOME": "HOME/config", "XDG_CONFIG_DIRS": "HOME/none:HOME/xdg", "XDG_RUNTIME_DIR": "HOME/run",
			"XDG_DATA_HOME": "HOME/share", "XDG_DATA_DIRS": "HOME/data:HOME/share",
		}, "", []string{"--create"}},
		"relative": {map[string]string{"XDG_CONFIG_HOME": "config", "XDG_DATA_DIRS": "data:HOME/data"}, "", []string{"--create"}},
		"one file": {nil, "", []string{"--create", "b.conf"}},
		"specifiers": {map[string]string{"XDG_RUNTIME_DIR": "HOME/run"},
			specifiers + "f %h/runtime - - - - %t\n", []string{"--create", "-"}},
		"directories": {map[string]string{"XDG_CACHE_HOME": "HOME/cache", "XDG_STATE_HOME": "HOME/state"},
			specifiers, []string{"--create", "-"}},
		"no runtime directory": {nil, "f %h/runtime - - - - %t\nd %h/after\n", []string{"--create", "-"}},
		"removed":              {nil, "R %h/.local\nr %h/xdg\n", []string{"--remove", "-"}},
		"of others":            {nil, "d %h/x 0750 root root\nd %h/y 0750 nobody-there\n", []string{"--create", "-"}},
		"with a root":          {nil, "", []string{"--create", "--root=/"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--user"}, c.args...)
			home := userHome(t, c.env)
			status, _, messages := runTmpfiles(t, c.in, args...)
			got := homeTree(t, home)
			home = userHome(t, c.env)
			want := testStatus(t, c.in, theirs, args...)
			if status == exitUsage {
				status = exitFailure // as it is when the tool is called by systemd's name
			}
			if status != want {
				t.Errorf("status %d, want %d\n%s", status, want, messages)
			}
			if diff := cmp.Diff(homeTree(t, home), got); diff != "" {
				t.Errorf("(-systemd +got):\n%s\n%s", diff, messages)
			}
		})
	}
}

// userHome makes a home, and an environment that has nothing but it and what is given.
func userHome(t *testing.T, env map[string]string) string {
	t.Helper()
	home := t.TempDir()
	if err := writeTree(home, aHome); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	for _, name := range []string{"CONFIG_HOME", "CONFIG_DIRS", "RUNTIME_DIR", "DATA_HOME", "DATA_DIRS",
		"CACHE_HOME", "STATE_HOME"} {
		name = "XDG_" + name
		t.Setenv(name, strings.ReplaceAll(env[name], "HOME", home))
		if env[name] == "" {
			os.Unsetenv(name) // what was there before comes back with the test's end
		}
	}
	return home
}

// homeTree is what is in a home, but not the home itself, which has the umask of the
// moment: modes, and contents in which the home has no name.
func homeTree(t *testing.T, home string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == home {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var text []byte
		if d.Type().IsRegular() {
			text, err = os.ReadFile(path)
		}
		name := strings.TrimPrefix(path, home)
		tree[name] = info.Mode().String() + " " + strings.ReplaceAll(string(text), home, "HOME")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
