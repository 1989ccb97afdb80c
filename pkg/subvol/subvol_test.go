package subvol_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/subvol"
)

func TestParse(t *testing.T) {
	for name, want := range map[string]subvol.Member{
		"usr:org.example.kiosk:x86-64:1.2": {
			Kind: subvol.Usr, Vendor: "org.example.kiosk", Arch: "x86-64", Version: "1.2"},
		"usr:org.fedoraproject.WorkStation:x86_64:25beta": {
			Kind: subvol.Usr, Vendor: "org.fedoraproject.WorkStation", Arch: "x86-64", Version: "25beta"},
		"usr:v:arm64:1.2+3": {
			Kind: subvol.Usr, Vendor: "v", Arch: "arm64", Version: "1.2",
			Tries: subvol.Tries{Counted: true, Left: 3}},
		"usr:v:aarch64:1.2+git5+0-3": {
			Kind: subvol.Usr, Vendor: "v", Arch: "arm64", Version: "1.2+git5",
			Tries: subvol.Tries{Counted: true, Done: 3}},
		"usr:v:riscv64:1+git": {Kind: subvol.Usr, Vendor: "v", Arch: "riscv64", Version: "1+git"},
		"usr:v:x86-64:1+2-":   {Kind: subvol.Usr, Vendor: "v", Arch: "x86-64", Version: "1+2-"},
		"root:default:org.example.kiosk:amd64": {
			Kind: subvol.Root, Name: "default", Vendor: "org.example.kiosk", Arch: "x86-64"},
		"home:ada:1000:100": {Kind: subvol.Home, Name: "ada", UID: 1000, GID: 100},
		"runtime:org.gnome.Platform3_20:x86-64:3.20.1": {
			Kind: subvol.Runtime, Vendor: "org.gnome.Platform3_20", Arch: "x86-64", Version: "3.20.1"},
		"framework:org.gnome.Sdk:s390x:1+2": {
			Kind: subvol.Framework, Vendor: "org.gnome.Sdk", Arch: "s390x", Version: "1+2"},
		"app:org.libreoffice.LibreOffice:Platform3_20:x86-64:133": {
			Kind: subvol.App, Vendor: "org.libreoffice.LibreOffice", Runtime: "Platform3_20",
			Arch: "x86-64", Version: "133"},
	} {
		got, err := subvol.Parse(name)
		if err != nil {
			t.Errorf("Parse(%q): %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseRejects(t *testing.T) {
	for name, want := range map[string]string{
		"":                            `parse member "": not a kind of member`,
		"lost+found":                  "not a kind of member",
		"usr":                         "0 fields behind",
		"usr:v:x86-64":                "2 fields behind",
		"usr:v:x86-64:1:2":            "4 fields behind",
		"usr::x86-64:1":               "vendor: empty",
		"usr:v::1":                    "arch: empty",
		"usr:v:x86-64:":               "version: empty",
		"usr:v:x86-64:+3":             "version: empty",
		"usr:.v:x86-64:1":             "starts with a dot",
		"usr:a/b:x86-64:1":            `byte '/' is not allowed`,
		"usr:v:x86-64:1,2":            `byte ',' is not allowed`,
		"usr:v:x86-64:1\n":            `byte '\n' is not allowed`,
		"usr:v:x86-64:1+9999999999":   "out of range",
		"usr:v:x86-64:1+1-9999999999": "out of range",
		"root:../x:v:x86-64":          "starts with a dot",
		"home:ada:1000:4294967295":    "means no id",
		"home:ada:65535:1":            "means no id",
		"home:ada:01000:1":            "is not an id",
		"home:ada:-1:1":               "is not an id",
		"usr:" + strings.Repeat("v", 300) + ":x86-64:1": "longer than 255 bytes",
	} {
		_, err := subvol.Parse(name)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", name, err, want)
		}
	}
}

func TestTriesBad(t *testing.T) {
	for name, want := range map[string]bool{
		"usr:v:x86-64:1":     false,
		"usr:v:x86-64:1+1":   false,
		"usr:v:x86-64:1+0":   true,
		"usr:v:x86-64:1+0-3": true,
		"usr:v:x86-64:1+2-1": false,
	} {
		m, err := subvol.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if m.Tries.Bad() != want {
			t.Errorf("%q: Bad() = %v, want %v", name, m.Tries.Bad(), want)
		}
	}
}

func TestHostArchIsCanonical(t *testing.T) {
	arch := subvol.HostArch()
	if got := subvol.CanonicalArch(arch); got != arch {
		t.Errorf("CanonicalArch(%q) = %q, want it unchanged", arch, got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"usr:org.example.kiosk:x86_64:1.2+3-1", "root:default:v:arm64",
		"home:ada:1000:1000", "app:a:b:c:d", "usr:::", "usr:v:x86-64:1+0-0",
		"usr:v:x86-64:", "usr:v:x86-64:1:2", "usr:v:x86-64:1+9999999999", "usr:v:x86-64x:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m, err := subvol.Parse(name)
		// A parser that has seen a name of the same vendor says the same.
		var p subvol.Parser
		_, _ = p.Parse("usr:v:x86-64:0")
		if like, likeErr := p.Parse(name); like != m || fmt.Sprint(likeErr) != fmt.Sprint(err) {
			t.Errorf("%q: %v (%v), by a parser %v (%v)", name, m, err, like, likeErr)
		}
		if err != nil {
			return
		}
		again, err := subvol.Parse(m.String())
		if err != nil {
			t.Fatalf("%q parses, its canonical form does not: %v", name, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("%q changes in its canonical form (-first +again):\n%s", name, diff)
		}
	})
}
