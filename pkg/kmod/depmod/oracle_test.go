package depmod

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod"
	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

// oracle is modprobe, on a tree that differs from that of the kernel in one thing:
// the softdeps of a module are on one line, since modprobe looks at the first only.
type oracle struct {
	modprobe, root, release string
}

func newOracle(t *testing.T, kernel, release string) oracle {
	t.Helper()
	o := oracle{kerneltest.Tool(t, "modprobe"), t.TempDir(), release}
	from := filepath.Join(kernel, "lib/modules", release)
	to := filepath.Join(o.root, "lib/modules", release)
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "modules.softdep" {
			continue
		}
		if err := os.Symlink(filepath.Join(from, e.Name()),
			filepath.Join(to, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	softdeps := mergeSoftdeps(t, filepath.Join(from, "modules.softdep"))
	err = os.WriteFile(filepath.Join(to, "modules.softdep"), softdeps, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// mergeSoftdeps returns the file with one line for each module.
func mergeSoftdeps(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	merged := map[string]string{}
	for line := range strings.Lines(string(data)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if words[0] == "softdep" {
			merged[words[1]] += " " + words[2]
		}
	}
	var out bytes.Buffer
	for name, words := range merged {
		fmt.Fprintf(&out, "softdep %s%s\n", name, words)
	}
	return out.Bytes()
}

// run returns the lines that modprobe prints; a name that it does not know has none.
func (o oracle) run(t *testing.T, args ...string) []string {
	t.Helper()
	args = append([]string{"-C", os.DevNull, "-d", o.root, "-S", o.release}, args...)
	out, err := exec.Command(o.modprobe, args...).Output()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// order returns the names of what modprobe would load, each once.
func (o oracle) order(t *testing.T, name string) []string {
	t.Helper()
	var names []string
	for _, line := range o.run(t, "--show-depends", name) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "insmod" {
			continue
		}
		name := kmod.Normalize(strings.TrimSuffix(filepath.Base(words[1]), ".ko"))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// wholeTree returns the table of all modules of a kernel.
func wholeTree(t testing.TB, fsys fs.FS) (text []byte, aliases []kmod.Alias) {
	t.Helper()
	tree, err := Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := tree.Select([]string{"kernel/*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	aliases = tree.Aliases(modules)
	return encode(t, modules, aliases), aliases
}

func encode(t testing.TB, modules []Module, aliases []kmod.Alias) []byte {
	t.Helper()
	plain := make([]kmod.Module, len(modules))
	for i, m := range modules {
		plain[i] = m.Module
	}
	text, err := kmod.Encode("6.1.0", plain, aliases)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parseTable(t testing.TB, text []byte) *kmod.Table {
	t.Helper()
	table, err := kmod.ParseTable(text)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestOrderAgreesWithModprobe(t *testing.T) {
	kernel, release := kerneltest.Tree(t)
	o := newOracle(t, kernel, release)
	text, _ := wholeTree(t, os.DirFS(filepath.Join(kernel, "lib/modules", release)))
	table := parseTable(t, text)
	names := table.Names()
	rng := rand.New(rand.NewPCG(3, 4))
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = append([]string{"btrfs", "overlay", "nvme", "virtio_blk", "usb_storage",
		"sd_mod", "sdhci_pci", "act_mpls", "cifs", "vfio"}, names[:300]...)
	long := 0
	for _, name := range names {
		want, got := o.order(t, name), table.Order(name)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order of %s (-modprobe +table):\n%s", name, diff)
		}
		if len(want) > 3 {
			long++
		}
	}
	t.Logf("%d modules compared, %d of them with more than 3 to load", len(names), long)
}

func TestLookupAgreesWithModprobe(t *testing.T) {
	kernel, release := kerneltest.Tree(t)
	o := newOracle(t, kernel, release)
	text, aliases := wholeTree(t, os.DirFS(filepath.Join(kernel, "lib/modules", release)))
	table := parseTable(t, text)
	rng := rand.New(rand.NewPCG(5, 6))
	found := 0
	for range 500 {
		name := instance(rng, aliases[rng.IntN(len(aliases))].Pattern)
		if table.Order(name) != nil {
			continue // modprobe takes it for the name of a module
		}
		want := slices.DeleteFunc(o.run(t, "-R", name), func(s string) bool {
			return s == ""
		})
		got := table.Lookup(name)
		// modprobe names a module for each of its patterns that fit.
		want = uniq(want)
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Errorf("look up %s (-modprobe +table):\n%s", name, diff)
		}
		found += len(got)
	}
	t.Logf("500 aliases compared, %d modules found", found)
}

// uniq returns the list without repetitions.
func uniq(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// instance returns a name that a pattern fits, or nearly.
func instance(rng *rand.Rand, pattern string) string {
	var name strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '*' && rng.IntN(2) == 0:
			name.WriteString("00")
		case c == '*':
		case c == '?':
			name.WriteByte('0')
		case c == '[':
			name.WriteByte(pattern[i+1])
			i += strings.IndexByte(pattern[i:], ']')
		case rng.IntN(200) == 0:
			name.WriteByte('F')
		default:
			name.WriteByte(c)
		}
	}
	return name.String()
}

func BenchmarkParseWholeTable(b *testing.B) {
	kernel, release := kerneltest.Tree(b)
	text, _ := wholeTree(b, os.DirFS(filepath.Join(kernel, "lib/modules", release)))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := kmod.ParseTable(text); err != nil {
			b.Fatal(err)
		}
	}
}
