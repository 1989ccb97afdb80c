package layout_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/freshroot/freshroot/"

// The rings, from the inside out. A package may import those of its own ring and of
// the rings before; docs/development.md says what each ring is for.
var rings = []struct {
	name      string
	packages  []string
	forbidden []string // standard and other packages that it must not import itself
}{
	{
		"pure",
		[]string{
			"pkg/version", "pkg/subvol", "pkg/cmdline", "pkg/gpt", "pkg/kmod", "pkg/kmod/depmod", "pkg/volatile",
			"pkg/words", "pkg/specifier", "pkg/dropin", "pkg/acl", "pkg/account", "pkg/tmpfiles", "pkg/sysusers",
			"pkg/merge", "pkg/job", "pkg/keep", "pkg/machineid", "pkg/reset",
			"pkg/signature",
			"pkg/efivar",
			"pkg/units",
			"pkg/bls", "pkg/uki", "pkg/golden/pam", "pkg/golden/rules", "pkg/golden/shipped", "pkg/sysusers/sha512crypt",
			"pkg/source/compress",
			"pkg/source/oci",
			"pkg/sendstream",
		},
		[]string{"os", "os/exec", "syscall", "net", "log", "log/slog", "golang.org/x/sys/unix"},
	},
	{
		"kernel",
		[]string{
			"pkg/mount", "pkg/btrfs", "pkg/factory", "pkg/device", "pkg/disk", "pkg/rootfs", "pkg/instance", "pkg/pool", "pkg/facts",
			"pkg/tmpfiles/apply", "pkg/sysusers/apply", "pkg/keep/bind", "pkg/machineid/identity", "pkg/golden", "pkg/golden/lint",
			"pkg/source/tree", "pkg/sendstream/apply", "pkg/source",
		},
		[]string{"os/exec", "net", "log", "log/slog"},
	},
	{
		"programs",
		[]string{
			"dist", "pkg/archive", "pkg/esp", "pkg/image", "pkg/program", "initramfs", "cmd/freshroot",
			"pkg/vm", "pkg/directboot", "pkg/job/guest", "pkg/job/host", "pkg/job/parcel", "pkg/job/helper",
			"pkg/download",
		},
		nil,
	},
}

// tests are packages that only tests and the scripts of the repository use.
var tests = []string{"internal/", "qemu-tests"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func goList(t *testing.T, args ...string) (list []goPackage) {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		list = append(list, p)
	}
}

func ringOf(path string) int {
	for i, ring := range rings {
		if slices.Contains(ring.packages, path) {
			return i
		}
	}
	return -1
}

func isTest(path string) bool {
	return slices.ContainsFunc(tests, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) ||
		strings.HasSuffix(path, "test")
}

func TestRings(t *testing.T) {
	for _, p := range goList(t, module+"...") {
		if isTest(p.ImportPath) {
			continue
		}
		ring := ringOf(p.ImportPath)
		if ring < 0 {
			t.Errorf("%s is in no ring", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			own, ours := strings.CutPrefix(imported, module)
			if ours && ringOf(own) < 0 || ringOf(own) > ring {
				t.Errorf("%s (%s) imports %s, which is further out", p.ImportPath, rings[ring].name, own)
			}
			if slices.Contains(rings[ring].forbidden, imported) {
				t.Errorf("%s (%s) imports %s", p.ImportPath, rings[ring].name, imported)
			}
		}
	}
}

// TestInitIsLean keeps out of the init what would make it large or slow to load.
func TestInitIsLean(t *testing.T) {
	heavy := []string{"net", "net/http", "encoding/json", "log", "log/slog", "os/exec", "regexp", "text/template",
		"crypto/tls", "github.com/spf13/cobra", "github.com/klauspost/compress/zstd"}
	for _, p := range goList(t, module+"initramfs") {
		for _, dep := range p.Deps {
			if slices.Contains(heavy, dep) {
				t.Errorf("the init links %s", dep)
			}
		}
	}
}
