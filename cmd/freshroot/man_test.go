package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/dist"
	"github.com/freshroot/freshroot/internal/testfs"
)

// manPages writes all pages to a directory that is not there yet.
func manPages(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a/b")
	if _, err := run(t, "man", dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestManShown sees what people do of the pages.
func TestManShown(t *testing.T) {
	dir := manPages(t)
	for page, wants := range map[string][]string{
		"freshroot": {
			" COMMANDS ", " status Show what runs, why, and what the next boot may choose from ",
			" --version version for freshroot ",
		},
		"freshroot-etc-diff": {
			" --json print JSON ", " --root DIR root DIR whose /etc is compared (default: /) ",
		},
		"freshroot-factory-build": {"; ** is any number", " -n, --dry-run only ", " --exclude GLOB drop "},
		"freshroot-tmpfiles":      {" tmpfiles.d/*.conf below ", " --prefix PREFIX only "},
	} {
		out := testfs.Run(t, "man", "--warnings", "-l", "-P", "cat", filepath.Join(dir, page+".8"))
		words := strings.Join(strings.Fields(out), " ")
		for _, want := range wants {
			if !strings.Contains(words, want) {
				t.Errorf("%s lacks %q:\n%s", page, want, out)
			}
		}
		for _, noise := range []string{"=false", `=""`, "=[]"} {
			if strings.Contains(words, noise) {
				t.Errorf("%s has %q:\n%s", page, noise, out)
			}
		}
		if got := strings.Count(words, " OPTIONS "); got != 1 {
			t.Errorf("%s has %d lists of options", page, got)
		}
	}
}

// TestManIndent compares the first line of a list with the others.
func TestManIndent(t *testing.T) {
	page := filepath.Join(manPages(t), "freshroot-etc-diff.8")
	out := testfs.Run(t, "man", "--warnings", "-l", "-P", "cat", page)
	var got []string
	for line := range strings.Lines(out) {
		text := strings.TrimLeft(line, " ")
		for _, item := range []string{"A  added", "M  modified", "D  deleted"} {
			if strings.HasPrefix(text, item) {
				got = append(got, line[:len(line)-len(text)]+item)
			}
		}
	}
	want := []string{"         A  added", "         M  modified", "         D  deleted"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManPages looks for pages that nobody needs, and for names of pages that are not.
func TestManPages(t *testing.T) {
	dir := manPages(t)
	if got, _ := filepath.Glob(filepath.Join(dir, "freshroot-completion-*")); got != nil {
		t.Errorf("pages %q", got)
	}
	for _, page := range []string{"freshroot.8", "freshroot-etc.8", "freshroot-completion.8"} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil {
			t.Fatal(err)
		}
		_, also, _ := strings.Cut(string(text), ".SH SEE ALSO\n")
		for _, name := range strings.Split(strings.TrimSpace(also), ", ") {
			name = strings.TrimSuffix(strings.TrimPrefix(name, `\fB`), `(8)\fP`)
			if _, err := os.Stat(filepath.Join(dir, name+".8")); err != nil {
				t.Errorf("%s: see also %s: %v", page, name, err)
			}
		}
	}
}

// TestManOfUnits looks for the pages that the units for systemd name.
func TestManOfUnits(t *testing.T) {
	dir := manPages(t)
	units, err := fs.Glob(dist.Systemd, "systemd/*.service")
	if err != nil || units == nil {
		t.Fatalf("units %q: %v", units, err)
	}
	for _, unit := range units {
		text, err := fs.ReadFile(dist.Systemd, unit)
		_, page, found := strings.Cut(string(text), "\nDocumentation=man:")
		if err != nil || !found {
			t.Errorf("%s names no page: %v", unit, err)
			continue
		}
		page, _, _ = strings.Cut(page, "(8)\n")
		if _, err := os.Stat(filepath.Join(dir, page+".8")); err != nil {
			t.Errorf("%s: %v", unit, err)
		}
	}
}

func TestMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"a_b *.conf <x>\n\n  A  a_b\n": "a\\_b \\*.conf \\<x>\n\n      A  a_b\n",
		"":                             "",
	} {
		if diff := cmp.Diff(want, markdown(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
