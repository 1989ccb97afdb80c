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

// sysusersTree is a root that configures a user in each directory.
var sysusersTree = map[string]string{
	"etc/sysusers.d/20-etc.conf":           "u etc 20\n",
	"usr/lib/sysusers.d/10-first.conf":     "# first\nu first 10\n\n; no comment\n",
	"usr/lib/sysusers.d/20-etc.conf":       "u hidden 21\n",
	"usr/lib/sysusers.d/30-masked.conf":    "u masked 30\n",
	"run/sysusers.d/30-masked.conf":        "",
	"usr/local/lib/sysusers.d/40-own.conf": "u own 40",
}

func sysusersRootDir(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range sysusersTree {
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

// sysusersOutcome is what a run leaves behind.
type sysusersOutcome struct {
	Failed                         bool
	Out                            string
	Passwd, Group, Shadow, GShadow string
}

func (o *sysusersOutcome) read(t *testing.T, root string) {
	t.Helper()
	for name, to := range map[string]*string{
		"passwd": &o.Passwd, "group": &o.Group, "shadow": &o.Shadow, "gshadow": &o.GShadow,
	} {
		text, err := os.ReadFile(filepath.Join(root, "etc", name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		*to = string(text)
	}
}

// TestIntegrationSysusersOptions compares the options with those of systemd-sysusers.
func TestIntegrationSysusersOptions(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	extra := filepath.Join(t.TempDir(), "extra.conf")
	if err := os.WriteFile(extra, []byte("u extra 50\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{}, {"--dry-run"}, {"--cat-config"}, {"--tldr"}, {"--no-pager", "--tldr"},
		{"-"}, {extra}, {"10-first.conf"}, {"10-first.conf", extra, "-"}, {"none.conf"},
		{"--inline", "u a 5", "g b 6"}, {"--inline", "u a 5", "g", "g b 6"}, {"--inline"},
		{"--replace=/usr/lib/sysusers.d/15-new.conf", extra},
		{"--replace=/usr/lib/sysusers.d/10-first.conf", extra},
		{"--replace=/usr/lib/sysusers.d/20-etc.conf", extra},
		{"--replace=/etc/sysusers.d/40-own.conf", "--inline", "u a -", "u b -"},
		{"--replace=/usr/lib/sysusers.d/30-masked.conf", "-"},
		{"--replace=/usr/lib/sysusers.d/10-first.conf", "none.conf"},
		{"--replace=/usr/lib/sysusers.d/15-new.conf"}, {"--replace=15-new.conf", extra},
		{"--replace=/usr/lib/sysusers.d/15-new", extra},
		{"--replace=/usr/lib/sysusers.d/15-new.conf", "--cat-config", extra},
		{"--image=x"}, {"--none"},
	} {
		them, us := sysusersRootDir(t), sysusersRootDir(t)
		want, got := theirSysusers(t, program, them, args), ourSysusers(t, us, args)
		// We print no masked files.
		want.Out = strings.Replace(want.Out, "# /run/sysusers.d/30-masked.conf\n\n", "", 1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", args, diff)
		}
	}
}

const sysusersInput = "g input 60\n"

func theirSysusers(t *testing.T, program, root string, args []string) (o sysusersOutcome) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"--root=" + root}, args...)...)
	cmd.Stdin = strings.NewReader(sysusersInput)
	out, err := cmd.Output()
	o.Failed, o.Out = err != nil, strings.ReplaceAll(string(out), root, "")
	o.read(t, root)
	return o
}

func ourSysusers(t *testing.T, root string, args []string) (o sysusersOutcome) {
	t.Helper()
	c := sysusersCommand()
	var out bytes.Buffer
	c.SetArgs(append([]string{"--root=" + root}, args...))
	c.SetIn(strings.NewReader(sysusersInput))
	c.SetOut(&out)
	c.SetErr(&bytes.Buffer{})
	c.SilenceUsage, c.SilenceErrors = true, true
	o.Failed = c.Execute() != nil
	o.Out = strings.ReplaceAll(out.String(), root, "")
	o.read(t, root)
	return o
}

// TestIntegrationSysusersCredentials compares what credentials bring.
func TestIntegrationSysusersCredentials(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	credentials := t.TempDir()
	for name, text := range map[string]string{
		"sysusers.extra":                 "u extra 70\nbroken\n",
		"passwd.hashed-password.first":   "$6$salt$hash",
		"passwd.shell.etc":               "/bin/zsh",
		"passwd.plaintext-password.none": "secret",
	} {
		if err := os.WriteFile(filepath.Join(credentials, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	for _, dir := range []string{credentials, credentials + "/../" + filepath.Base(credentials), "relative"} {
		t.Setenv("CREDENTIALS_DIRECTORY", dir)
		them, us := sysusersRootDir(t), sysusersRootDir(t)
		if diff := cmp.Diff(theirSysusers(t, program, them, nil), ourSysusers(t, us, nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", dir, diff)
		}
	}
}

// TestSysusersPlainPassword sees that a password is hashed so that OpenSSL agrees.
func TestSysusersPlainPassword(t *testing.T) {
	testfs.Tool(t, "openssl")
	credentials, root := t.TempDir(), t.TempDir()
	name := filepath.Join(credentials, "passwd.plaintext-password.ada")
	if err := os.WriteFile(name, []byte("a secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	got := ourSysusers(t, root, []string{"--inline", "u ada 7"})
	fields := strings.Split(got.Shadow, ":")
	if got.Failed || len(fields) != 9 || strings.Count(fields[1], "$") != 3 {
		t.Fatalf("shadow is %q", got.Shadow)
	}
	salt := strings.Split(fields[1], "$")[2]
	want := strings.TrimSpace(testfs.Run(t, "openssl", "passwd", "-6", "-salt", salt, "a secret"))
	if diff := cmp.Diff(want, fields[1]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestToday(t *testing.T) {
	for epoch, want := range map[string]int32{
		"0": 0, "86399": 0, "86400": 1, "0x15180": 1, " 86400": 1,
		"18446744073709551615": 213503982,
	} {
		if diff := cmp.Diff(want, today(epoch)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", epoch, diff)
		}
	}
}
