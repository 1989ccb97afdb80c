package sysusers_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/account"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/sysusers"
)

// specifiers of a root that has a machine id of its own, and no build id.
func specifiers(letter byte) (string, error) {
	switch letter {
	case 'm':
		return "0123456789abcdef0123456789abcdef", nil
	case 'o':
		return "debian", nil
	case 'B':
		return "", nil
	case 'b':
		return "", specifier.ErrUnresolved
	default:
		return "", specifier.ErrUnknown
	}
}

// root is one with nothing but a file /srv of 33:34 and bash.
func root(notes *[]string) sysusers.Root {
	return sysusers.Root{
		Specifier: specifiers,
		Owner: func(path string) (uid, gid uint32, ok bool) {
			return 33, 34, path == "/srv"
		},
		Same:  func(a, b string) bool { return a == "/bin/bash" && b == a },
		Today: 19000,
		Note:  func(n sysusers.Note) { *notes = append(*notes, n.Text) },
	}
}

func TestLineErrors(t *testing.T) {
	for line, want := range map[string]string{
		"u":                                     "needs a type and a name",
		`u "a`:                                  "not well-formed: quotes are not balanced",
		`"" a`:                                  "empty type",
		"x a":                                   `unknown type "x"`,
		"u? a":                                  `unknown modifiers in "u?"`,
		"u!! a":                                 `unknown modifiers in "u!!"`,
		"g! a":                                  "lines of type 'g' take no '!'",
		"u -":                                   "lines of type 'u' need a name in the second field",
		"u a - b /c /d e":                       `too many fields: "e"`,
		"u 5a":                                  `"5a" is no valid name`,
		"u a.b":                                 `"a.b" is no valid name`,
		"u %B":                                  `"" is no valid name`,
		"u %Q":                                  `replace specifiers in "%Q": expand %Q: unknown specifier`,
		"u a %b":                                `replace specifiers in "%b": expand %b: specifier has no value here`,
		"u %m":                                  `"0123456789abcdef0123456789abcdef" is no valid name`,
		"u a %B":                                `"" is no valid id`,
		"u a 65535":                             `"65535": no valid id`,
		"u a 4294967295":                        `"4294967295": no valid id`,
		"u a 4294967296":                        `"4294967296": no valid id`,
		"u a +5":                                `"+5": no valid id`,
		"u a 05":                                `"05": no valid id`,
		"u a 5:":                                `"": no valid id`,
		"u a 5:a.b":                             `"a.b": no valid id`,
		"u a - x:y":                             `"x:y" is no valid GECOS field`,
		"u a - \xff":                            `"\xff" is no valid GECOS field`,
		"u a - \uffff":                          `"\uffff" is no valid GECOS field`,
		"u a - - home":                          `"home" is no valid home directory`,
		"u a - - /a/../b":                       `"/a/../b" is no valid home directory`,
		"u a - - - /":                           `"/" is no valid shell`,
		"g a x":                                 `"x": no valid id`,
		"g a - text":                            "lines of type 'g' take no GECOS field",
		"m a":                                   "lines of type 'm' need a group in the third field",
		"m - a":                                 "lines of type 'm' need a user in the second field",
		"m a 7":                                 `"7" is no valid name`,
		"m a b - /home":                         "lines of type 'm' take no home directory",
		"r a 1-2":                               "lines of type 'r' take no name",
		"r -":                                   "lines of type 'r' need a range in the third field",
		"r - 5-4":                               `"5-4" is no valid range of ids`,
		"r - 5-":                                `"5-" is no valid range of ids`,
		"r - 1-2 - - /shell":                    "lines of type 'r' take no shell",
		"u a - - /" + strings.Repeat("b", 256):  `"/` + strings.Repeat("b", 256) + `" is no valid home directory`,
		"u " + strings.Repeat("%m", 8):          `replace specifiers in "%m%m%m%m%m%m%m%m": name too long`,
		"u a - - " + strings.Repeat("/%m", 125): `replace specifiers in "` + strings.Repeat("/%m", 125) + `": name too long`,
	} {
		var notes []string
		err := sysusers.New(root(&notes)).Line("x.conf", 7, line)
		var lineError *sysusers.LineError
		if !errors.As(err, &lineError) {
			t.Errorf("%q: %v", line, err)
			continue
		}
		want = "x.conf:7: " + want
		if diff := cmp.Diff([]string{want, want}, append(notes, err.Error())); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
}

// present are files with an entry of each kind.
var present = sysusers.Files{
	Passwd:  []byte("root:x:0:0::/root:/bin/sh\nold:x:998:7::/:\n+::::::\n"),
	Group:   []byte("root:x:0:\nstaff:x:50:zoe\n+:::\n"),
	Shadow:  []byte("root:*:1::::::\nghost:$6$a:1::::::\n"),
	GShadow: []byte("staff:!::\n"),
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		config string
		want   string // the four files, without what was there
		notes  []string
	}{
		{config: "# nothing\n\n  \r\n", want: ""},
		{config: "u root 0\ng staff -\nm zoe staff\nu zoe -\n", want: `
zoe:x:999:
staff:!::zoe
zoe:!*::
zoe:x:999:999::/:/usr/sbin/nologin
zoe:!*:19000::::::
`, notes: []string{"Making group 'zoe' with GID 999.", "Making user 'zoe' (n/a) with UID 999 and GID 999."}},
		{config: "m ada staff\nm bob staff\n", want: `
staff:x:50:ada,bob,zoe
ada:x:999:
bob:x:997:
staff:!::ada,bob
ada:!*::
bob:!*::
ada:x:999:999::/:/usr/sbin/nologin
bob:x:997:997::/:/usr/sbin/nologin
ada:!*:19000::::::
bob:!*:19000::::::
`, notes: []string{
			"Making group 'ada' with GID 999.", "Making user 'ada' (n/a) with UID 999 and GID 999.",
			"Making group 'bob' with GID 997.", "Making user 'bob' (n/a) with UID 997 and GID 997."}},
		{config: "u! ghost 7 'A %o' /var//x/ /bin/sh\n", want: `
ghost:x:7:
ghost:!*::
ghost:x:7:7:A debian:/var/x:/bin/sh
ghost:$6$a:19000::::::
`, notes: []string{"Making group 'ghost' with GID 7.", "Making user 'ghost' (A debian) with UID 7 and GID 7."}},
		{config: "u! a /srv\nu b 5:staff\nu c 5:77\n", want: `
a:x:34:
a:!*::
a:x:33:34::/:/usr/sbin/nologin
b:x:5:50::/:/usr/sbin/nologin
a:!*:19000:::::1:
b:!*:19000::::::
`, notes: []string{
			"Making group 'a' with GID 34.", "Making user 'a' (n/a) with UID 33 and GID 34.",
			"Making user 'b' (n/a) with UID 5 and GID 50.", "make user c: there is no group with id 77"}},
		{config: "r - 20\ng a -\ng b -\n", want: "\na:x:20:\na:!*::\n", notes: []string{
			"Making group 'a' with GID 20.", "make group b: no id is free"}},
		{config: "g a 5\ng a 5\ng a 6\n", want: "\na:x:5:\na:!*::\n", notes: []string{
			"x.conf:3: conflicts with x.conf:1, which comes first; ignored",
			"Making group 'a' with GID 5."}},
	} {
		got, notes := run(t, c.config, present)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.config, diff)
		}
		if diff := cmp.Diff(c.notes, notes); diff != "" {
			t.Errorf("notes of %q (-want +got):\n%s", c.config, diff)
		}
	}
}

// TestRootAlone makes root, which no other account is like.
func TestRootAlone(t *testing.T) {
	got, _ := run(t, "u root 0 Super /root\n", sysusers.Files{})
	want := "\nroot:x:0:\nroot:!*::\nroot:x:0:0:Super:/root:/bin/bash\nroot:!unprovisioned:19000::::::\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoginDefs(t *testing.T) {
	for defs, want := range map[string]string{
		"":                                     "999",
		"SYS_UID_MAX 600 \nSYS_GID_MAX\t500\n": "500",
		"SYS_UID_MAX 600\nSYS_GID_MAX 700\n":   "600",
		"#SYS_UID_MAX 5\n SYS_UID_MAX 6\nSYS_UID_MAXX 7\nSYS_UID_MAX 8x\n": "999",
		"SYS_UID_MAX 5000\n": "999",
	} {
		files := sysusers.Files{LoginDefs: []byte(defs)}
		got, _ := run(t, "g a -", files)
		if diff := cmp.Diff("\na:x:"+want+":\na:!*::\n", got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", defs, diff)
		}
	}
}

// TestKnownElsewhere leaves alone what a directory service has.
func TestKnownElsewhere(t *testing.T) {
	answer := func(name string, id uint32) func(string) (string, uint32, bool) {
		return func(key string) (string, uint32, bool) {
			return name, id, key == name || key == strconv.Itoa(int(id))
		}
	}
	var notes []string
	facts := root(&notes)
	facts.User, facts.Group = answer("ada", 999), answer("staff", 998)
	c := sysusers.New(facts)
	err := c.Read("x", strings.NewReader("u ada -\ng staff 5\nu a 998\nu b 5:staff\nu c 999\n"))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(sysusers.Files{})
	if err != nil {
		t.Fatal(err)
	}
	want := "a:x:996:996::/:/usr/sbin/nologin\nb:x:5:998::/:/usr/sbin/nologin\n" +
		"c:x:995:995::/:/usr/sbin/nologin\n"
	if diff := cmp.Diff(want, string(write(t, plan).Passwd)); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, strings.Join(notes, "\n"))
	}
}

// run returns the lines that are new, and what is said.
func run(t *testing.T, config string, files sysusers.Files) (fresh string, notes []string) {
	t.Helper()
	c := sysusers.New(root(&notes))
	if err := c.Read("x.conf", strings.NewReader(config)); err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(files)
	if err != nil {
		t.Fatal(err)
	}
	after := write(t, plan)
	for _, f := range []struct{ before, after []byte }{
		{files.Group, after.Group}, {files.GShadow, after.GShadow},
		{files.Passwd, after.Passwd}, {files.Shadow, after.Shadow},
	} {
		for line := range strings.Lines(string(f.after)) {
			if !strings.Contains(string(f.before), line) {
				fresh += line
			}
		}
	}
	if fresh != "" {
		fresh = "\n" + fresh
	}
	return fresh, notes
}

// write returns the files that a plan writes.
func write(t *testing.T, p *sysusers.Plan) (files sysusers.Files) {
	t.Helper()
	for _, f := range []struct {
		write func(io.Writer) (bool, error)
		to    *[]byte
	}{
		{p.WritePasswd, &files.Passwd}, {p.WriteGroup, &files.Group},
		{p.WriteShadow, &files.Shadow}, {p.WriteGShadow, &files.GShadow},
	} {
		var b bytes.Buffer
		if _, err := f.write(&b); err != nil {
			t.Fatal(err)
		}
		*f.to = b.Bytes()
	}
	return files
}

func TestRead(t *testing.T) {
	text := "g a 5\r\n\r\n# c\n\rx\x00g b 6\n\x00!\rg c 7"
	var notes []string
	c := sysusers.New(root(&notes))
	err := c.Read("x", strings.NewReader(text))
	want := []string{"x:4: needs a type and a name", "x:6: needs a type and a name"}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[0], fmt.Sprint(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestReadGiantLine(t *testing.T) {
	var notes []string
	c := sysusers.New(root(&notes))
	endless := io.MultiReader(strings.NewReader("g a 5\n"), neverEnding{})
	err := c.Read("x", endless)
	if diff := cmp.Diff(`read "x": line longer than 1 MiB`, fmt.Sprint(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type neverEnding struct{}

func (neverEnding) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// TestPresentUnwritable keeps files whose entries would not be the same again.
func TestPresentUnwritable(t *testing.T) {
	var notes []string
	c := sysusers.New(root(&notes))
	if err := c.Line("x", 1, "u a -"); err != nil {
		t.Fatal(err)
	}
	plan, err := c.Plan(sysusers.Files{Passwd: []byte("b:x:1:1::/:/bin/sh:more\n")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.WritePasswd(io.Discard); !errors.Is(err, account.ErrField) {
		t.Errorf("error %v", err)
	}
}

// FuzzConfig sees that what is made can be read, that no id is given out twice, that
// what was there stays, and that a second time brings nothing more.
func FuzzConfig(f *testing.F) {
	f.Add("u a 5\ng b -\nm a b\nr - 1-50\n", "x:x:5:5::/:\n", "b:x:7:\n")
	f.Add("u! a /srv \"A %o\" /x /bin/sh\nu b -:c\nm d e", "+\n", "-x\n")
	f.Add("u a 7:b\r\ng b 7\x00u c 7:7", "", "#\n")
	f.Fuzz(func(t *testing.T, config, passwd, group string) {
		first, before := fuzzed(t, config, sysusers.Files{Passwd: []byte(passwd), Group: []byte(group)})
		if first == nil {
			return
		}
		old, now := account.Parse([]byte(passwd), []byte(group)), account.Parse(first.Passwd, first.Group)
		if before {
			taken := map[uint32]bool{}
			for _, u := range old.Users() {
				taken[u.UID] = true
				if got, ok := now.UserByName(u.Name); !ok || got.Shell != u.Shell {
					t.Errorf("user %q became %+v", u.Name, got)
				}
			}
			for _, u := range now.Users() {
				if _, ok := old.UserByName(u.Name); !ok && taken[u.UID] {
					t.Errorf("id %d is given to %q too", u.UID, u.Name)
				}
				taken[u.UID] = true
			}
		}
		if second, _ := fuzzed(t, config, *first); second != nil {
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("a second time (-first +second):\n%s", diff)
			}
		}
	})
}

// fuzzed returns the files after a configuration came to them, or nil where they cannot
// be written. What would not change is as it was.
func fuzzed(t *testing.T, config string, files sysusers.Files) (after *sysusers.Files, users bool) {
	t.Helper()
	var notes []string
	c := sysusers.New(root(&notes))
	c.Read("x", strings.NewReader(config))
	plan, err := c.Plan(files)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []struct {
		write func(io.Writer) (bool, error)
		to    *[]byte
	}{
		{plan.WritePasswd, &files.Passwd}, {plan.WriteGroup, &files.Group},
		{plan.WriteShadow, &files.Shadow}, {plan.WriteGShadow, &files.GShadow},
	} {
		var b bytes.Buffer
		changed, err := f.write(&b)
		if err != nil {
			return nil, false
		}
		if changed {
			*f.to = b.Bytes()
			users = users || i == 0
		}
	}
	return &files, users
}
