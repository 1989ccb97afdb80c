package bls_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/bootctl"
	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
)

func TestName(t *testing.T) {
	counted := func(left, done uint32) subvol.Tries {
		return subvol.Tries{Counted: true, Left: left, Done: done}
	}
	for _, c := range []struct {
		file string
		want bls.Name
	}{
		{"a-1.conf", bls.Name{ID: "a-1", Suffix: ".conf"}},
		{"a-1+3.conf", bls.Name{ID: "a-1", Tries: counted(3, 0), Suffix: ".conf"}},
		{"a_1+0-3.efi", bls.Name{ID: "a_1", Tries: counted(0, 3), Suffix: ".efi"}},
		{"a-1+git.conf", bls.Name{ID: "a-1+git", Suffix: ".conf"}},
	} {
		got, err := bls.ParseName(c.file)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.file, err, diff)
		}
		if got.String() != c.file {
			t.Errorf("%s becomes %s", c.file, got)
		}
	}
	for _, file := range []string{
		"", ".conf", "a", "a.conf~", "a b.conf", "a~1.conf", "ä.conf", "+3.conf", "a+99999999999.conf",
	} {
		if got, err := bls.ParseName(file); err == nil {
			t.Errorf("%q parses as %+v", file, got)
		}
	}
}

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"org.example.os": "org.example.os", "1.0~rc1": "1.0_7erc1", "1_7e": "1_5f7e", "1+2": "1_2b2",
		"..": "_2e_2e", "1.": "1_2e", ".": "_2e", "1.0^git-a": "1.0_5egit-a",
	} {
		if got := bls.Safe(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestEntry(t *testing.T) {
	e := bls.Entry{
		Title: "An OS\n\x1b[31m", SortKey: "org.example.os", Version: "1.0~rc1",
		Architecture: "x64", Linux: "/freshroot/a/linux", Initrd: []string{"/i1", "/i2"}, Options: "freshroot.usr=a:b quiet",
	}
	want := `title        An OS  [31m
sort-key     org.example.os
version      1.0~rc1
architecture x64
linux        /freshroot/a/linux
initrd       /i1
initrd       /i2
options      freshroot.usr=a:b quiet
`
	if diff := cmp.Diff(want, string(e.Format())); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	got, err := bls.Parse(e.Format())
	e.Title = "An OS  [31m"
	if diff := cmp.Diff(e, got); diff != "" || err != nil {
		t.Errorf("parsed again: %v (-want +got):\n%s", err, diff)
	}
}

func TestParse(t *testing.T) {
	text := "# a comment\n\n  title\tTabs \r\nlinux /l\noptions a\noptions b  c\nfoo bar\nlinux\t/other\n"
	want := bls.Entry{Title: "Tabs", Linux: "/other", Options: "a b  c"}
	got, err := bls.Parse([]byte(text))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", "title x\n", strings.Repeat("#\n", 1<<16)} {
		if _, err := bls.Parse([]byte(bad)); err == nil {
			t.Errorf("%.20q is an entry", bad)
		}
	}
}

// TestIntegrationBootctl has bootctl of systemd read and order entries of all sorts.
func TestIntegrationBootctl(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=16m")
	entries := randomEntries()
	for _, e := range entries {
		write(t, filepath.Join(dir, bls.EntriesDir, e.Name.String()), e.Format())
		write(t, filepath.Join(dir, e.Linux), nil)
	}
	slices.SortFunc(entries, bls.Compare)
	var want []bootctl.Entry
	for _, e := range entries {
		want = append(want, bootctl.Entry{
			ID: e.Name.ID + ".conf", Title: e.Title, SortKey: e.SortKey, Version: e.Version,
			Options: e.Options, TriesLeft: int(e.Name.Tries.Left),
		})
	}
	if diff := cmp.Diff(want, bootctl.List(t, dir)); diff != "" {
		t.Errorf("entries in their order (-ours +bootctl's):\n%s", diff)
	}
}

// randomEntries returns entries whose order depends on all that it may depend on.
func randomEntries() (entries []bls.Named) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, version := range []string{"1.0", "1.10", "1.9", "2-1", "10_7e"} {
		for _, prefix := range []string{"os-", "x.y-", "b-"} {
			for range 2 {
				e := bls.Named{Name: bls.Name{ID: prefix + version, Suffix: bls.ConfSuffix}}
				e.Name.Tries = pick(r, subvol.Tries{},
					subvol.Tries{Counted: true, Left: 2, Done: 1}, subvol.Tries{Counted: true, Done: 3})
				e.Entry = bls.Entry{
					Title: pick(r, "One", "Other"), SortKey: pick(r, "", "os", "b"),
					Version: pick(r, "1.0~rc1", "1.0", "1.0^p", "25.1"),
					Linux:   "/freshroot/linux", Options: "freshroot.usr=" + pick(r, "a:b", "c:d"),
				}
				known := func(f bls.Named) bool { return f.Name == e.Name || bls.Compare(e, f) == 0 }
				if !slices.ContainsFunc(entries, known) {
					entries = append(entries, e)
				}
			}
		}
	}
	return entries
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("title a\nlinux /b\noptions c\ninitrd d\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := bls.Parse(text)
		if err != nil {
			return
		}
		first, err := bls.Parse(e.Format())
		if err != nil {
			return // a kernel of no visible name
		}
		second, err := bls.Parse(first.Format())
		if diff := cmp.Diff(first, second); diff != "" || err != nil {
			t.Errorf("%v (-first +second):\n%s", err, diff)
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("a+3-1.conf")
	f.Fuzz(func(t *testing.T, file string) {
		n, err := bls.ParseName(file)
		if err != nil {
			return
		}
		if again, err := bls.ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q: %+v becomes %+v, %v", file, n, again, err)
		}
	})
}
