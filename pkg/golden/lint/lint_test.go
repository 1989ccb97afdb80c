package lint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/golden/lint"
)

// good is a tree that has no fault, as path and content; "-> " makes a link.
var good = map[string]string{
	"usr/lib/os-release": "ID=test\n", "usr/sbin/init": "#!/bin/sh\n", "bin": "-> usr/bin",
	"usr/bin/awk":  "-> /etc/alternatives/awk",
	"usr/bin/mawk": "awk",
	"usr/lib/x86_64-linux-gnu/security/pam_unix.so": "",
	"usr/lib/sysusers.d/basic.conf":                 "u root 0\ng mail 8\ng video 44\nu svc 100\nu nobody 65534:65534\ng nogroup 65534\n",
	"usr/lib/tmpfiles.d/var.conf":                   "d /var/lib 0755 svc mail\nL /etc/link - - - - ../usr/lib/os-release\nL /var/run - - - - ../run\nL? /etc/maybe\nL /var/lib/dbus/machine-id - - - - /etc/machine-id\nL /var/log/README - - - - ../../usr/share/doc/README\nC /run/x - - - - /.extra/x\nz /var/lib/%m 0755 - -\n",
	"usr/lib/systemd/system/a.service":              "[Service]\nUser=svc\nGroup=mail\n",
	"usr/lib/systemd/system/b.service":              "[Service]\nUser=dynamic\nDynamicUser=yes\n",
	"usr/lib/systemd/system/c@.service":             "[Service]\nUser=%i\n",

	"usr/share/factory/etc/passwd":            "root:x:0:0::/root:/bin/sh\nsvc:x:100:100::/:\nnobody:x:65534:65534::/:\n",
	"usr/share/factory/etc/group":             "root:x:0:\nmail:x:8:\nvideo:x:44:\nsvc:x:100:\nnogroup:x:65534:\n",
	"usr/share/factory/etc/shadow":            "root:!*:1::::::\nsvc:!:1::::::\nnobody:*:1::::::\nx:!unprovisioned:1::::::\n",
	"usr/share/factory/etc/machine-id":        "",
	"usr/share/factory/etc/os-release":        "-> ../usr/lib/os-release",
	"usr/share/factory/etc/mtab":              "-> ../proc/self/mounts",
	"usr/share/factory/etc/alternatives/awk":  "-> /bin/mawk",
	"usr/share/factory/etc/alternatives/man":  "-> /usr/share/man/man1/mawk.1.gz",
	"usr/share/factory/etc/pam.d/login":       "@include common\n",
	"usr/share/factory/etc/pam.d/common":      "auth required pam_unix.so\n",
	"usr/share/factory/etc/pam.d/x-autologin": "auth required pam_permit.so\n",
	"usr/share/factory/etc/ssl/cert.pem":      "-----BEGIN CERTIFICATE-----\n",
	"usr/share/factory/var/lib/svc/state":     "x",
	"usr/share/factory/var/run":               "-> /run",
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.RemoveAll(path))
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			must(t, os.Symlink(target, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
	for _, program := range []string{"usr/sbin/init", "usr/bin/mawk"} {
		if err := os.Chmod(filepath.Join(dir, program), 0o755); !errors.Is(err, fs.ErrNotExist) {
			must(t, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run returns the findings, a line each.
func run(t *testing.T, dir string) (lines []string) {
	t.Helper()
	found, err := lint.Run(testfs.Open(t, dir))
	must(t, err)
	for _, f := range found {
		if f.What == "" || f.Why == "" || f.Do == "" {
			t.Errorf("finding without words: %+v", f)
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", f.Severity, f.Check, f.Path))
	}
	return lines
}

const etc = "usr/share/factory/etc/"

// Each fault alone is found, and nothing else.
func TestIntegrationFaults(t *testing.T) {
	testfs.Root(t)
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"none":      {nil, nil},
		"lib":       {map[string]string{"lib/x": ""}, []string{"error layout lib"}},
		"no source": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "L /etc/gone\n"}, []string{"error tmpfiles etc/gone"}},
		"no source in /usr": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "L /etc/gone - - - - ../usr/gone\n"},
			[]string{"warning tmpfiles etc/gone"}},
		"no source in /etc": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "L /etc/gone - - - - away\n"},
			[]string{"note tmpfiles etc/gone"}},
		"nothing to copy": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "C /etc/gone\n"}, []string{"note tmpfiles etc/gone"}},
		"masked":          {map[string]string{"usr/lib/tmpfiles.d/x.conf": "L /etc/gone\n", "usr/local/lib/tmpfiles.d/x.conf": ""}, nil},
		"source that loops": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "L /etc/a - - - - b\nL /etc/b - - - - a\n"},
			[]string{"note tmpfiles etc/a", "note tmpfiles etc/b"}},
		"broken lines": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "y /etc/x\nd relative\n", "usr/lib/sysusers.d/x.conf": "u\n"},
			[]string{"warning lines usr/lib/sysusers.d/x.conf", "warning lines usr/lib/tmpfiles.d/x.conf", "warning lines usr/lib/tmpfiles.d/x.conf"}},
		"unknown names": {map[string]string{"usr/lib/tmpfiles.d/x.conf": "d /run/x 0755 ghost ghosts\nd /run/y 0755 7 :8\n"},
			[]string{"warning names usr/lib/tmpfiles.d/x.conf", "warning names usr/lib/tmpfiles.d/x.conf"}},
		"link to itself":  {map[string]string{etc + "os-release": "-> /etc/os-release"}, []string{"error links etc/os-release"}},
		"links in a ring": {map[string]string{etc + "a": "-> b", etc + "b": "-> ../etc/a"}, []string{"error links etc/a", "error links etc/b"}},
		"loop through /usr": {map[string]string{etc + "alternatives/awk": "-> /bin/awk"},
			[]string{"error links etc/alternatives/awk", "error links usr/bin/awk"}},
		"dangling":         {map[string]string{etc + "a": "-> ../usr/gone"}, []string{"note links etc/a"}},
		"up and out":       {map[string]string{etc + "a": "-> ../../../../../run/x", etc + "b": "-> ../../../usr/gone"}, []string{"note links etc/b"}},
		"dangling program": {map[string]string{"usr/bin/pager": "-> /etc/alternatives/pager"}, []string{"warning links usr/bin/pager"}},
		"fixed ids": {map[string]string{"usr/lib/sysusers.d/x.conf": "u high 1000\ng none 65535\nu ok 999\n"},
			[]string{"warning ids usr/lib/sysusers.d/x.conf", "warning lines usr/lib/sysusers.d/x.conf"}},
		"hash":          {map[string]string{etc + "shadow": "root:$y$j9T$x$y:1::::::\n"}, []string{"error passwords etc/shadow"}},
		"locked hash":   {map[string]string{etc + "shadow": "root:!$y$j9T$x$y:1::::::\n"}, []string{"error passwords etc/shadow"}},
		"no password":   {map[string]string{etc + "shadow": "root::1::::::\n"}, []string{"error passwords etc/shadow"}},
		"open pam":      {map[string]string{etc + "pam.d/common": "auth required pam_permit.so\n"}, []string{"error pam " + etc + "pam.d/common", "error pam " + etc + "pam.d/login"}},
		"pam in /usr":   {map[string]string{"usr/lib/pam.d/su": "auth sufficient pam_permit.so\n"}, []string{"error pam usr/lib/pam.d/su"}},
		"machine's own": {map[string]string{etc + "hostname": "x\n"}, []string{"note machine etc/hostname"}},
		"host key":      {map[string]string{etc + "ssh/ssh_host_rsa_key": "x"}, []string{"error machine etc/ssh/ssh_host_rsa_key"}},
		"machine-id":    {map[string]string{etc + "machine-id": "0123456789abcdef0123456789abcdef\n"}, []string{"error machine etc/machine-id"}},
		"private key":   {map[string]string{etc + "ssl/a.pem": "text\n-----BEGIN RSA PRIVATE KEY-----\r\n"}, []string{"error keys etc/ssl/a.pem"}},
		"wifi":          {map[string]string{etc + "wpa_supplicant/w.conf": "network={\n\tpsk=\"secret\"\n}\n"}, []string{"error keys etc/wpa_supplicant/w.conf"}},
		"wireguard":     {map[string]string{etc + "wireguard/w.conf": "[Interface]\nPrivateKey = abc=\n"}, []string{"error keys etc/wireguard/w.conf"}},
		"disks": {map[string]string{etc + "fstab": "UUID=1 / ext4 defaults 0 1\nLABEL=x /data ext4 defaults 0 2\n/dev/sda2 none swap sw,noauto 0 0\nUUID=1 /x ext4 nofail 0 0\ntmpfs /x tmpfs rw 0 0\n#\n"},
			[]string{"error disks etc/fstab", "warning disks etc/fstab", "note machine etc/fstab"}},
		"not UTF-8": {map[string]string{etc + "\xff.d/x": "", etc + "\xfe": "-> x"},
			[]string{"warning utf8 " + etc + "\xfe", "warning utf8 " + etc + "\xff.d"}},
		"remount": {map[string]string{etc + "init.d/mountall.sh": "#!/bin/sh\n# mount -o remount /usr\n\tmount -n -o remount,rw /usr || :\nmount -o remount /\nmount /usr/x\n"},
			[]string{"warning scripts etc/init.d/mountall.sh"}},
		"host keys":       {map[string]string{"usr/sbin/sshd": ""}, []string{"warning host-keys etc/ssh"}},
		"host keys, made": {map[string]string{"usr/sbin/sshd": "", "usr/lib/systemd/system/k.service": "ExecStart=ssh-keygen -A\n"}, nil},
		"unknown service user": {map[string]string{"usr/lib/systemd/system/a.service": "[Service]\nUser=ghost\nGroup=ghosts\n"},
			[]string{"warning units usr/lib/systemd/system/a.service", "warning units usr/lib/systemd/system/a.service"}},
	} {
		dir := t.TempDir()
		write(t, dir, good)
		write(t, dir, test.files)
		if diff := cmp.Diff(test.want, run(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is missing is found, too.
// TestIntegrationRunUsr finds in a /usr alone what it finds in the whole tree.
func TestIntegrationRunUsr(t *testing.T) {
	testfs.Root(t)
	dir := t.TempDir()
	write(t, dir, good)
	write(t, dir, map[string]string{
		etc + "a": "-> b", etc + "shadow": "root::1::::::\n", "usr/bin/pager": "-> /etc/gone",
		etc + "hostname": "x\n", "usr/lib/sysusers.d/x.conf": "u\n",
	})
	want := run(t, dir)
	found, err := lint.RunUsr(testfs.Open(t, filepath.Join(dir, "usr")))
	must(t, err)
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s %s %s", f.Severity, f.Check, f.Path))
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 5 {
		t.Errorf("%d findings (-whole tree +/usr):\n%s", len(want), diff)
	}
}

func TestIntegrationMissing(t *testing.T) {
	testfs.Root(t)
	for name, test := range map[string]struct {
		remove []string
		want   []string
	}{
		"init":       {[]string{"usr/sbin/init"}, []string{"error init usr/sbin/init"}},
		"os-release": {[]string{"usr/lib/os-release"}, []string{"error factory usr/lib/os-release", "warning tmpfiles etc/link", "note links etc/os-release"}},
		"PAM":        {[]string{etc + "pam.d"}, []string{"error pam usr/share/factory/etc/pam.d"}},
		"factory": {[]string{"usr/share/factory"}, []string{"error factory usr/share/factory",
			"error pam usr/share/factory/etc/pam.d", "warning links usr/bin/awk"}},
	} {
		dir := t.TempDir()
		write(t, dir, good)
		for _, name := range test.remove {
			must(t, os.RemoveAll(filepath.Join(dir, name)))
		}
		if diff := cmp.Diff(test.want, run(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Owners and modes, which a table of contents does not have.
func TestIntegrationInodes(t *testing.T) {
	testfs.Root(t)
	for name, test := range map[string]struct {
		change func(path func(string) string) error
		want   []string
	}{
		"user in /usr": {func(path func(string) string) error { return os.Lchown(path("usr/bin/awk"), 77, 8) },
			[]string{"error owners usr/bin/awk"}},
		"group in the factory": {func(path func(string) string) error { return os.Chown(path(etc+"group"), 0, 78) },
			[]string{"error owners usr/share/factory/etc/group"}},
		"setuid": {func(path func(string) string) error { return os.Chmod(path(etc+"group"), fs.ModeSetuid|0o755) },
			[]string{"warning modes etc/group"}},
		"setuid in /usr": {func(path func(string) string) error {
			return os.Chmod(path("usr/sbin/init"), fs.ModeSetuid|0o755)
		}, nil},
		"writable file":      {func(path func(string) string) error { return os.Chmod(path("usr/bin/mawk"), 0o777) }, []string{"error modes usr/bin/mawk"}},
		"writable directory": {func(path func(string) string) error { return os.Chmod(path("usr/bin"), 0o777) }, []string{"error modes usr/bin"}},
		"sticky": {func(path func(string) string) error {
			return os.Chmod(path("usr/share/factory/var"), fs.ModeSticky|0o777)
		}, nil},
		"device": {func(path func(string) string) error { return unix.Mknod(path(etc+"null"), unix.S_IFCHR|0o600, 0x103) }, []string{"warning modes etc/null"}},
		"FIFO":   {func(path func(string) string) error { return unix.Mkfifo(path(etc+"fifo"), 0o600) }, nil},
		"open number": {func(path func(string) string) error {
			return errors.Join(os.WriteFile(path("usr/lib/sysusers.d/basic.conf"), []byte("u svc -\ng mail -\ng video 44\nu nobody 65534\n"), 0o644),
				os.Lchown(path("usr/bin/awk"), 100, 8))
		}, []string{"warning drift usr/bin/awk", "warning drift usr/bin/awk"}},
		"settled before": {func(path func(string) string) error {
			return errors.Join(os.WriteFile(path("usr/lib/sysusers.d/00.conf"), []byte("u svc 100:100\ng svc 100\n"), 0o644),
				os.WriteFile(path("usr/lib/sysusers.d/x.conf"), []byte("u svc -\n"), 0o644),
				os.Lchown(path("usr/bin/awk"), 100, 100))
		}, nil},
	} {
		dir := t.TempDir()
		write(t, dir, good)
		must(t, test.change(func(name string) string { return filepath.Join(dir, name) }))
		if diff := cmp.Diff(test.want, run(t, dir)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
