package instance_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/reset"
)

// resetFactory is what a reset begins anew with.
var resetFactory = files{
	"etc/hosts": "f", "etc/conf/a": "f", "var/lib/db": "f", "var/lib/app/cache/seed": "f", "srv/site": "f",
}

// resetRules keep some of each part.
const resetRules = `/etc/conf/mine reset
/var/lib/app/ reset
!/var/lib/app/cache/ reset
/var/lib/app/cache/token reset
/home/ada/ reset
/.freshroot/ reset
/var/.freshroot.new reset
`

func rules(t *testing.T, text string) keep.Rules {
	t.Helper()
	parsed, problems := keep.Parse("test", text)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return append(keep.Defaults(), parsed...)
}

// used is an instance that somebody has worked in.
func used(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, 128)
	m.release("1", resetFactory)
	m.boot("1")
	m.edit(files{
		"etc/hosts": "u", "etc/machine-id": "id", "etc/conf/mine": "u", "etc/conf/other": "u",
		"var/lib/db": "u", "var/lib/app/data": "u", "var/lib/app/cache/junk": "u", "var/lib/app/cache/token": "u",
		"srv/site": "u", "home/ada/file": "u", "home/bob/file": "u", "stray": "u",
	})
	return m
}

var clock = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)

func (m *machine) reset(scope reset.Scope) instance.Reset {
	m.t.Helper()
	result, err := m.target("1").Reset(scope, rules(m.t, resetRules), clock)
	if err != nil {
		m.t.Fatal(err)
	}
	return result
}

// state is all content of the instance, without what is ours.
func (m *machine) state() files {
	m.t.Helper()
	all := files{}
	for name, text := range m.tree(m.root) {
		if !strings.Contains(name, ".freshroot") && text != "/" {
			all[name] = text
		}
	}
	return all
}

func (m *machine) trash() (entries []string) {
	m.t.Helper()
	names, err := filepath.Glob(m.pool.Name() + "/.freshroot/trash/*")
	if err != nil {
		m.t.Fatal(err)
	}
	for _, name := range names {
		entries = append(entries, filepath.Base(name))
	}
	return entries
}

var (
	afterAll = files{
		"etc/hosts": "f", "etc/conf/a": "f", "etc/machine-id": "id", "etc/conf/mine": "u",
		"var/lib/db": "f", "var/lib/app/data": "u", "var/lib/app/cache/seed": "f", "var/lib/app/cache/token": "u",
		"srv/site": "f", "home/ada/file": "u",
	}
	afterVar = files{
		"etc/hosts": "u", "etc/conf/a": "f", "etc/machine-id": "id", "etc/conf/mine": "u", "etc/conf/other": "u",
		"var/lib/db": "f", "var/lib/app/data": "u", "var/lib/app/cache/seed": "f", "var/lib/app/cache/token": "u",
		"srv/site": "u", "home/ada/file": "u", "home/bob/file": "u", "stray": "u",
	}
)

// TestIntegrationReset throws away and undoes, with the keep list.
func TestIntegrationReset(t *testing.T) {
	for scope, want := range map[reset.Scope]files{reset.All: afterAll, reset.Var: afterVar} {
		t.Run(string(scope), func(t *testing.T) {
			m := used(t)
			before := m.state()
			result := m.reset(scope)
			entry := name + "@1-19700101T000001Z." + string(scope)
			wantSpared := []string{"/var/lib/app", "/var/lib/app/cache/token"}
			if scope == reset.All {
				wantSpared = append([]string{"/etc/conf/mine", "/etc/machine-id", "/home/ada"}, wantSpared...)
			}
			if diff := cmp.Diff(instance.Reset{Trashed: entry, Spared: wantSpared}, result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(instance.Result{}, m.boot("1")); diff != "" {
				t.Errorf("the boot that follows (-want +got):\n%s", diff)
			}
			if exists(m.path(".freshroot.new")) || exists(m.path("var/.freshroot.new")) {
				t.Error("the OS finds a mark")
			}
			if diff := cmp.Diff(want, m.state()); diff != "" {
				t.Errorf("after the reset (-want +got):\n%s", diff)
			}
			m.edit(files{"etc/since": "s", "var/since": "s"})
			after := m.state()
			trashed, err := reset.ParseTrashed(entry)
			if err := errors.Join(err, instance.Undo(m.pool, trashed), instance.Undo(m.pool, trashed)); err != nil {
				t.Fatal(err)
			}
			m.boot("1")
			wantBack := before
			if scope == reset.Var {
				wantBack = with(before, files{"etc/since": "s"})
			}
			if diff := cmp.Diff(wantBack, m.state()); diff != "" {
				t.Errorf("after the undo (-want +got):\n%s", diff)
			}
			if err := instance.Undo(m.pool, trashed); err != nil {
				t.Fatal(err)
			}
			m.boot("1")
			if diff := cmp.Diff(after, m.state()); diff != "" {
				t.Errorf("forward again (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIntegrationResetTwice is a reset whose request outlived a power cut: what nobody
// has used does not hide the state that is worth something.
func TestIntegrationResetTwice(t *testing.T) {
	m := used(t)
	before := m.state()
	first := m.reset(reset.All)
	if again := m.reset(reset.All); again.Trashed == first.Trashed {
		t.Errorf("the entry %q is there twice", again.Trashed)
	}
	if diff := cmp.Diff([]string{first.Trashed}, m.trash()); diff != "" {
		t.Errorf("trash (-want +got):\n%s", diff)
	}
	m.boot("1")
	trashed, err := reset.ParseTrashed(first.Trashed)
	if err := errors.Join(err, instance.Undo(m.pool, trashed)); err != nil {
		t.Fatal(err)
	}
	m.boot("1")
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Errorf("after the undo (-want +got):\n%s", diff)
	}
}

// TestIntegrationResetOften keeps the newest states and no more, subvolumes in them or
// not.
func TestIntegrationResetOften(t *testing.T) {
	m := used(t)
	for i := range 5 {
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", m.path("var/lib/machine"))
		m.edit(files{"var/lib/machine/file": "x", "round": fmt.Sprint(i)})
		m.reset(reset.All)
		m.boot("1")
	}
	var want []string
	for i := 3; i <= 5; i++ {
		want = append(want, fmt.Sprintf("%s@%d-19700101T000001Z.all", name, i))
	}
	if diff := cmp.Diff(want, m.trash()); diff != "" {
		t.Errorf("trash (-want +got):\n%s", diff)
	}
	list, err := instance.Trash(m.pool)
	if err := errors.Join(err, instance.Purge(m.pool, list)); err != nil {
		t.Fatal(err)
	}
	if left := m.trash(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	subvolumes := strings.Count(testfs.Run(t, "btrfs", "subvolume", "list", m.pool.Name()), "\n")
	if subvolumes != 5 { // usr, the instance, its parts, the base
		t.Errorf("%d subvolumes are left", subvolumes)
	}
}

// TestIntegrationResetCut starts from what a cut leaves at each point.
func TestIntegrationResetCut(t *testing.T) {
	const entry = name + "@9-19700101T000001Z."
	for title, spoil := range map[string]func(m *machine, trash string) error{
		"staged": func(m *machine, trash string) error {
			return os.MkdirAll(m.pool.Name()+"/.freshroot/staging/"+name+"/etc/x", 0o700)
		},
		"in the trash": func(m *machine, trash string) error {
			testfs.Run(t, "btrfs", "-q", "subvolume", "create", trash+"/"+entry+"all")
			testfs.Run(t, "btrfs", "-q", "subvolume", "create", trash+"/"+entry+"all/etc")
			return os.WriteFile(trash+"/"+entry+"all/.freshroot.new", []byte("reset\n"), 0o600)
		},
		"half deleted": func(m *machine, trash string) error {
			return errors.Join(os.MkdirAll(trash+"/"+entry+"var/lib", 0o700),
				os.WriteFile(trash+"/"+entry+"var/.freshroot.new", []byte("reset\n"), 0o600))
		},
	} {
		for _, scope := range []reset.Scope{reset.All, reset.Var} {
			m := used(t)
			trash := m.pool.Name() + "/.freshroot/trash"
			if err := errors.Join(os.MkdirAll(trash, 0o700), spoil(m, trash)); err != nil {
				t.Fatal(err)
			}
			if list, err := instance.Trash(m.pool); len(list) > 0 || err != nil {
				t.Errorf("%s: in the trash: %v, %v", title, list, err)
			}
			result := m.reset(scope)
			m.boot("1")
			if diff := cmp.Diff([]string{result.Trashed}, m.trash()); diff != "" {
				t.Errorf("%s: trash (-want +got):\n%s", title, diff)
			}
			want := map[reset.Scope]files{reset.All: afterAll, reset.Var: afterVar}[scope]
			if diff := cmp.Diff(want, m.state()); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", title, scope, diff)
			}
		}
	}
}

// TestIntegrationSpareNested spares a directory that holds a subvolume, attributes, and
// what neither is a file nor a directory.
func TestIntegrationSpareNested(t *testing.T) {
	m := used(t)
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", m.path("var/lib/app/sub"))
	m.edit(files{"var/lib/app/sub/file": "s", "var/lib/app/link": "-> /etc/shadow"})
	err := errors.Join(os.Chown(m.path("var/lib/app/data"), 7, 8), os.Chmod(m.path("var/lib/app"), 0o711),
		unix.Mkfifo(m.path("var/lib/app/fifo"), 0o600), os.Chmod(m.path("var/lib"), 0o750),
		unix.Setxattr(m.path("var/lib/app/data"), "user.a", []byte("b"), 0))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"data", "sub", "sub/file", "link", "fifo"}
	describe := func() (all []string) {
		for _, name := range names {
			all = append(all, testfs.Run(t, "stat", "-c", "%n %F %a %u %g %Y", m.path("var/lib/app/"+name)))
		}
		return append(all, testfs.Run(t, "getfattr", "--only-values", "-n", "user.a", m.path("var/lib/app/data")))
	}
	want := describe()
	m.reset(reset.Var)
	m.boot("1")
	if diff := cmp.Diff(want, describe()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := testfs.Run(t, "stat", "-c", "%a", m.path("var/lib/app"), m.path("var/lib")); got != "711\n755\n" {
		t.Errorf("modes of what is kept and of what it is in: %s", got)
	}
}

// TestIntegrationResetLongName has no room for its entry in the trash.
func TestIntegrationResetLongName(t *testing.T) {
	m := used(t)
	long := "root:" + strings.Repeat("n", 220) + ":org.example.os:x86-64"
	if err := os.Rename(m.root, filepath.Join(m.pool.Name(), long)); err != nil {
		t.Fatal(err)
	}
	target := m.target("1")
	target.Name, m.root = long, filepath.Join(m.pool.Name(), long)
	before := m.state()
	_, err := target.Reset(reset.All, nil, clock)
	if !errors.Is(err, unix.ENAMETOOLONG) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.clean()
}

// TestIntegrationHalfDeleted is cleared by the next boot, and other things are not.
func TestIntegrationHalfDeleted(t *testing.T) {
	m := used(t)
	trash := m.pool.Name() + "/.freshroot/trash/"
	half, whole := name+"@1-19700101T000001Z.all", name+"@2-19700101T000001Z.all"
	if err := errors.Join(os.MkdirAll(trash+half, 0o700), os.MkdirAll(trash+whole, 0o700)); err != nil {
		t.Fatal(err)
	}
	for entry, mark := range map[string]string{half: "reset\n", whole: "undo\n"} {
		if err := os.WriteFile(trash+entry+"/.freshroot.new", []byte(mark), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.boot("1")
	if diff := cmp.Diff([]string{whole}, m.trash()); diff != "" {
		t.Errorf("trash (-want +got):\n%s", diff)
	}
}

// TestIntegrationResetFails leaves the old state whole, or mends what can be mended.
func TestIntegrationResetFails(t *testing.T) {
	for title, tc := range map[string]struct {
		spoil func(m *machine) error
		scope reset.Scope
		want  string // of the error; "" is none
	}{
		"no instance": {func(m *machine) error { return os.Rename(m.root, m.root+"x") }, reset.All, ""},
		"no var": {func(m *machine) error {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.path("var"))
			return nil
		}, reset.Var, ""},
		"a file as var": {func(m *machine) error {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.path("var"))
			return os.WriteFile(m.path("var"), nil, 0o644)
		}, reset.Var, "not a directory"},
		"a link as var": {func(m *machine) error {
			return errors.Join(os.Rename(m.path("var"), m.path("srv/var")), os.Symlink("srv/var", m.path("var")))
		}, reset.Var, "symbolic links"},
		"a file as var, all": {func(m *machine) error {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.path("var"))
			return os.WriteFile(m.path("var"), nil, 0o644)
		}, reset.All, ""},
		"a link as etc, all": {func(m *machine) error {
			return errors.Join(os.RemoveAll(m.path("etc")), os.Symlink("/run", m.path("etc")))
		}, reset.All, ""},
		"a directory as var": {func(m *machine) error {
			testfs.Run(t, "btrfs", "-q", "subvolume", "delete", m.path("var"))
			return os.Mkdir(m.path("var"), 0o755)
		}, reset.Var, "is no subvolume"},
		"a file as the instance": {func(m *machine) error {
			return errors.Join(os.Rename(m.root, m.root+"x"), os.WriteFile(m.root, nil, 0o644))
		}, reset.All, ""},
		"a link as the trash": {func(m *machine) error {
			return os.Symlink("/tmp", m.pool.Name()+"/.freshroot/trash")
		}, reset.All, "symbolic links"},
		"read-only": {func(m *machine) error {
			testfs.Run(t, "mount", "-o", "remount,ro", m.pool.Name())
			return nil
		}, reset.All, "read-only file system"},
	} {
		m := used(t)
		if err := tc.spoil(m); err != nil {
			t.Fatal(err)
		}
		foretold := instance.MayReset(m.pool, name, tc.scope)
		_, err := m.target("1").Reset(tc.scope, rules(t, resetRules), clock)
		if tc.scope == reset.Var && (foretold == nil) != (err == nil) {
			t.Errorf("%s: foretold %v, error %v", title, foretold, err)
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: error %v, want %q", title, err, tc.want)
		}
		if tc.want != "" {
			if len(m.state()) < 6 {
				t.Errorf("%s: left: %v", title, m.state())
			}
			continue
		}
		m.boot("1")
		if got := m.read("var/lib/db"); got != "f" {
			t.Errorf("%s: /var has %q", title, got)
		}
	}
}

// TestIntegrationResetFullPool fills the disk with what is thrown away.
func TestIntegrationResetFullPool(t *testing.T) {
	m := used(t)
	f, err := os.Create(m.path("var/big"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(chunk)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	m.reset(reset.Var)
	m.boot("1")
	if diff := cmp.Diff(afterVar, m.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIntegrationResetLarge throws away many files, by a rename.
func TestIntegrationResetLarge(t *testing.T) {
	m := used(t)
	for i := range 20000 {
		dir := m.path(fmt.Sprintf("var/many/%d", i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(fmt.Sprint(dir, "/", i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	few := used(t)
	testfs.Run(t, "sync", "-f", few.root, m.root)
	begin := time.Now()
	few.reset(reset.Var)
	took := time.Since(begin)
	begin = time.Now()
	result := m.reset(reset.Var)
	t.Logf("a reset of 20,000 files took %v, of a few %v", time.Since(begin), took)
	m.boot("1")
	if diff := cmp.Diff(afterVar, m.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	begin = time.Now()
	list, err := instance.Trash(m.pool)
	if err := errors.Join(err, instance.Purge(m.pool, list)); err != nil || len(list) != 1 {
		t.Errorf("purge of %q: %v", result.Trashed, err)
	}
	t.Logf("to delete them took %v", time.Since(begin))
}

func TestIntegrationUndoFails(t *testing.T) {
	m := used(t)
	m.reset(reset.Var)
	m.boot("1")
	before := m.state()
	trash := m.pool.Name() + "/.freshroot/trash/"
	half := reset.Trashed{Instance: name, Number: 8, Time: clock, Scope: reset.Var}
	file := reset.Trashed{Instance: name, Number: 9, Time: clock, Scope: reset.Var}
	err := errors.Join(os.Mkdir(trash+half.String(), 0o755), os.WriteFile(trash+file.String(), nil, 0o600),
		os.WriteFile(trash+half.String()+"/.freshroot.new", []byte("reset\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for want, entry := range map[string]reset.Trashed{
		"no such file":      {Instance: name, Number: 7, Time: clock, Scope: reset.Var},
		"not a directory":   file,
		"was being deleted": half,
	} {
		if err := instance.Undo(m.pool, entry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", entry, err, want)
		}
	}
	if diff := cmp.Diff(before, m.state()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIntegrationRequest(t *testing.T) {
	m := newMachine(t, 128)
	for _, want := range []reset.Request{{}, {Reset: reset.Var}, {Reset: reset.All}} {
		if want != (reset.Request{}) {
			if err := instance.WriteRequest(m.pool, name, want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := instance.ReadRequest(m.pool, name); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	file := m.pool.Name() + "/.freshroot/requests/" + name
	for _, text := range []string{"", "reset usr\n", strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := instance.ReadRequest(m.pool, name); err == nil {
			t.Errorf("%.20q is read as %v", text, got)
		}
	}
	for range 2 {
		if err := instance.DropRequest(m.pool, name); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := instance.ReadRequest(m.pool, name); got != (reset.Request{}) || err != nil {
		t.Errorf("dropped, and there is %v, %v", got, err)
	}
}
