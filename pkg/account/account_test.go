package account_test

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/account"
)

func TestUsers(t *testing.T) {
	text := "root:x:0:0:Super User:/root:/bin/bash\n" +
		"\n # a comment\n" +
		"short:x:5:6\n" +
		"noids:x::\n" +
		"nogid:x:5\n" +
		"word:x:5x:6::/:\n" +
		"big:x:4294967296:6::/:\n" +
		"minus:x:-1:6::/:\n" +
		"  odd: x : +007:\t8:g:/h:/s\n" +
		"zero\x00:x:1:1::/:\n" +
		"+\n-@net\n+nis::::::\n+ids:x:7:8:::/bin/sh\n" +
		"last:x:4294967295:65535::/:"
	want := []account.User{
		{Name: "root", Password: "x", GECOS: "Super User", Home: "/root", Shell: "/bin/bash"},
		{Name: "short", Password: "x", UID: 5, GID: 6},
		{Name: "odd", Password: " x ", UID: 7, GID: 8, GECOS: "g", Home: "/h", Shell: "/s"},
		{Name: "+"},
		{Name: "-@net"},
		{Name: "+nis"},
		{Name: "+ids", Password: "x", UID: 7, GID: 8, Shell: "/bin/sh"},
		{Name: "last", Password: "x", UID: 4294967295, GID: 65535, Home: "/"},
	}
	if diff := cmp.Diff(want, slices.Collect(account.Users(text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroups(t *testing.T) {
	text := "root:x:0:\nadm:x:4:ada, bob,,\tcyd\nnone:x\nword:x:y:\n+\n+nis:::\n+cut::\nend:*:7"
	want := []account.Group{
		{Name: "root", Password: "x"},
		{Name: "adm", Password: "x", GID: 4, Members: []string{"ada", "bob", "cyd"}},
		{Name: "+"},
		{Name: "+nis"},
		{Name: "end", Password: "*", GID: 7},
	}
	if diff := cmp.Diff(want, slices.Collect(account.Groups(text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShadows(t *testing.T) {
	const u = account.Unset
	text := "root:*:19000:0:99999:7:::\n" +
		"old:!:1:2:3\n" +
		"old2:!:1:2:3: \n" +
		"all:$6$a:1:2:3:4:5:6:7\n" +
		"unset:::::::4294967295:\n" +
		"colon:::::::1:2:\n" +
		"short:!:1:2\n" +
		"+\n"
	want := []account.Shadow{
		{"root", "*", 19000, 0, 99999, 7, u, u, u},
		{"old", "!", 1, 2, 3, u, u, u, u},
		{"old2", "!", 1, 2, 3, u, u, u, u},
		{"all", "$6$a", 1, 2, 3, 4, 5, 6, 7},
		{"unset", "", u, u, u, u, u, u, u},
		{"+", "", 0, 0, 0, u, u, u, u},
	}
	if diff := cmp.Diff(want, slices.Collect(account.Shadows(text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGroupShadows(t *testing.T) {
	text := "adm:!:ada,bob:cyd,\nplain\n+\n"
	want := []account.GroupShadow{
		{Name: "adm", Password: "!", Administrators: []string{"ada", "bob"}, Members: []string{"cyd"}},
		{Name: "plain"},
		{Name: "+"},
	}
	if diff := cmp.Diff(want, slices.Collect(account.GroupShadows(text))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAppend(t *testing.T) {
	const u = account.Unset
	for _, c := range []struct {
		want  string
		entry interface{ Append([]byte) ([]byte, error) }
	}{
		{"ada:x:7:8:Ada:/home/ada:/bin/sh\n",
			account.User{"ada", "x", 7, 8, "Ada", "/home/ada", "/bin/sh"}},
		{"+nis::::::\n", account.User{Name: "+nis", UID: 7}},
		{"adm:x:4:ada,bob\n", account.Group{"adm", "x", 4, []string{"ada", "bob"}}},
		{"+:::\n", account.Group{Name: "+"}},
		{"ada:!*:19000:::::1:\n", account.Shadow{"ada", "!*", 19000, u, u, u, u, 1, u}},
		{"ada::0:0:0:0:0:0:0\n", account.Shadow{Name: "ada"}},
		{"adm:!*:ada:ada,bob\n",
			account.GroupShadow{"adm", "!*", []string{"ada"}, []string{"ada", "bob"}}},
	} {
		got, err := c.entry.Append(nil)
		if err != nil {
			t.Errorf("%+v: %v", c.entry, err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.entry, diff)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	for _, entry := range []interface{ Append([]byte) ([]byte, error) }{
		account.User{Name: "a", Shell: "/bin/sh:x"},
		account.User{Name: "a\nb"},
		account.Group{Name: "a", Members: []string{"b:c"}},
		account.Group{Name: "a", Members: []string{"b,c"}},
		account.Shadow{Name: "a", Password: "x\n"},
		account.GroupShadow{Name: "a", Administrators: []string{"b\n"}},
	} {
		got, err := entry.Append([]byte("kept"))
		if !errors.Is(err, account.ErrField) || string(got) != "kept" {
			t.Errorf("%+v: wrote %q, %v", entry, got, err)
		}
	}
}

func TestDatabase(t *testing.T) {
	d := account.Parse(
		[]byte("b:x:2:2::/:\na:x:1:1::/:\nb:x:3:3::/:\nc:x:1:9::/:\n"),
		[]byte("z:x:5:a\ny:x:5:b\nz:x:6:\n"))
	user := func(name string, uid, gid uint32) account.User {
		return account.User{Name: name, Password: "x", UID: uid, GID: gid, Home: "/"}
	}
	type answer struct {
		Entry any
		Found bool
	}
	ask := func(entry any, found bool) answer { return answer{entry, found} }
	for i, c := range []struct{ want, got answer }{
		{ask(user("b", 2, 2), true), ask(any2(d.UserByName("b")))},
		{ask(user("a", 1, 1), true), ask(any2(d.UserByID(1)))},
		{ask(user("b", 3, 3), true), ask(any2(d.UserByID(3)))},
		{ask(account.User{}, false), ask(any2(d.UserByName("")))},
		{ask(account.User{}, false), ask(any2(d.UserByID(9)))},
		{ask(account.Group{"z", "x", 5, []string{"a"}}, true), ask(any2(d.GroupByName("z")))},
		{ask(account.Group{"z", "x", 5, []string{"a"}}, true), ask(any2(d.GroupByID(5)))},
		{ask(account.Group{}, false), ask(any2(d.GroupByID(7)))},
		{ask(account.Group{}, false), ask(any2(d.GroupByName("a")))},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("question %d (-want +got):\n%s", i, diff)
		}
	}
	if diff := cmp.Diff([]int{4, 3}, []int{len(d.Users()), len(d.Groups())}); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}

func any2[E any](entry E, found bool) (any, bool) { return entry, found }

// FuzzParse sees that what is read is written so that it reads the same, and that a
// search finds what a walk finds.
func FuzzParse(f *testing.F) {
	f.Add("root:x:0:0:r:/root:/bin/sh\n+::::::\n#\n")
	f.Add("adm:x:4:ada,bob\nz:x:5\n+\n")
	f.Add("root:*:19000:0:99999:7:::\na:!:1:2:3:4:5:6:7\n")
	f.Add("a:!:b,c:d,e\n-x\n  y:z: , ,:\x00")
	f.Fuzz(func(t *testing.T, text string) {
		again(t, text, account.Users)
		again(t, text, account.Groups)
		again(t, text, account.GroupShadows)
		again(t, text, account.Shadows)
		d := account.Parse([]byte(text), nil)
		for _, u := range d.Users() {
			got, _ := d.UserByName(u.Name)
			first := d.Users()[slices.IndexFunc(d.Users(), func(o account.User) bool { return o.Name == u.Name })]
			if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("user %q (-want +got):\n%s", u.Name, diff)
			}
		}
	})
}

type entry interface {
	Append([]byte) ([]byte, error)
}

// again writes entries and reads them. A name that begins with white or # would not be
// an entry, and those of a directory service lose their ids in writing.
func again[E entry](t *testing.T, text string, read func(string) iter.Seq[E]) {
	t.Helper()
	for e := range read(text) {
		once, err := e.Append(nil)
		if err != nil {
			continue // a colon in the last field
		}
		entries := 0
		for second := range read(string(once)) {
			entries++
			twice, err := second.Append(nil)
			if err != nil {
				t.Fatalf("%q: %v", once, err)
			}
			if diff := cmp.Diff(string(once), string(twice)); diff != "" {
				t.Errorf("(-first +second):\n%s", diff)
			}
		}
		if entries != 1 {
			t.Errorf("%q reads as %d entries", once, entries)
		}
	}
}
