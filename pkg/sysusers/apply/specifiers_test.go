package apply_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/specifier"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
)

// TestSpecifiers takes what it can from the root.
func TestSpecifiers(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []file{
		{path: "usr/lib/os-release", text: "ID=\"my os\"\nVERSION_ID='1.2'\n#VARIANT_ID=no\nBUILD_ID=a\nBUILD_ID=b\n"},
		{path: "etc/machine-id", text: "0123456789ABCDEF0123456789abcdef\n"},
	} {
		f.mode = 0o644
		f.buildOwn(t, dir)
	}
	lookup := apply.Specifiers(testfs.Open(t, dir))
	want := map[byte]string{
		'o': "my os", 'w': "1.2", 'W': "", 'A': "", 'M': "", 'B': "b",
		'm': "0123456789abcdef0123456789abcdef", 'T': "/tmp", 'V': "/var/tmp",
	}
	got := map[byte]string{}
	for letter := range want {
		value, err := lookup(letter)
		if err != nil {
			t.Errorf("%%%c: %v", letter, err)
		}
		got[letter] = value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := lookup('U'); !errors.Is(err, specifier.ErrUnknown) {
		t.Errorf("%%U: %v", err)
	}
}

// TestSpecifiersUnresolved has a root that nothing is known of.
func TestSpecifiersUnresolved(t *testing.T) {
	dir := t.TempDir()
	lookup := apply.Specifiers(testfs.Open(t, dir))
	for _, letter := range []byte("moAwWBM") {
		if value, err := lookup(letter); !errors.Is(err, specifier.ErrUnresolved) {
			t.Errorf("%%%c is %q, %v", letter, value, err)
		}
	}
	file{path: "etc/machine-id", text: "uninitialized\n", mode: 0o644}.buildOwn(t, dir)
	if value, err := lookup('m'); !errors.Is(err, specifier.ErrUnresolved) {
		t.Errorf("%%m is %q, %v", value, err)
	}
}

// TestIntegrationSpecifiers has systemd-sysusers write what each of them stands for.
func TestIntegrationSpecifiers(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	var lines []string
	for _, letter := range "aAbBHlqmMovwWTVuUgGhsSZ%1+" {
		lines = append(lines, "u u"+string(rune('a'+len(lines)))+" - \"is %"+string(letter)+"\"")
	}
	id := etc("machine-id", strings.Repeat("0123456789abcdef", 2)+"\n")
	release := etc("os-release", "ID=x\nVERSION_ID=\"5\"\nVARIANT_ID=srv\nIMAGE_ID=\n")
	compare(t, program, state{files: []file{config(lines...), id, release}})
	compare(t, program, state{files: []file{config(lines...)}})
}

// TestReleaseLeadsOut sees that a link in the root does not show what is outside.
func TestReleaseLeadsOut(t *testing.T) {
	outside, dir := filepath.Join(t.TempDir(), "os-release"), t.TempDir()
	if err := os.WriteFile(outside, []byte("ID=outside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	etc("passwd", "").buildOwn(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "etc/os-release")); err != nil {
		t.Fatal(err)
	}
	value, err := apply.Specifiers(testfs.Open(t, dir))('o')
	if !errors.Is(err, specifier.ErrUnresolved) {
		t.Errorf("%%o is %q, %v", value, err)
	}
}
