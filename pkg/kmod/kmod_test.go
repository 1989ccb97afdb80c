package kmod

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"a*", "a", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"?", "", false},
		{"a?c", "a/c", true},
		{"[a-c]x", "bx", true},
		{"[!a-c]x", "bx", false},
		{"[^a-c]x", "dx", true},
		{"[]x]", "]", true},
		{"[!]x]", "]", false},
		{"[a-]", "-", true},
		{"[c-a]", "b", false},
		{`[\]]`, "]", true},
		{"[", "[", true},
		{"[ab", "[ab", true},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`a\`, `a\`, false},
		{"pci:v00001AF4d*sv*", "pci:v00001AF4d00001001sv00001AF4", true},
		{"usb:v0781p*d0[0-4]*", "usb:v0781p5151d0311", true},
	}
	for _, tt := range tests {
		if got := Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

// A pattern of many stars makes a matcher that backtracks into each of them run for
// longer than anybody waits.
func TestMatchManyStars(t *testing.T) {
	pattern := strings.Repeat("*a", 1000) + "*b"
	if Match(pattern, strings.Repeat("a", 4000)) {
		t.Error("pattern without a b in the name matches")
	}
}

// fnmatchProgram reads pattern and name lines from its input and says, for each
// pair, what the fnmatch of the C library thinks of it.
const fnmatchProgram = `
import ctypes, sys
libc = ctypes.CDLL(None)
lines = sys.stdin.buffer.read().split(b"\n")
for pattern, name in zip(lines[0::2], lines[1::2]):
    print("01"[libc.fnmatch(pattern, name, 0) == 0])
`

func TestMatchAgreesWithLibc(t *testing.T) {
	python := kerneltest.Tool(t, "python3")
	rng := rand.New(rand.NewPCG(1, 2))
	pairs := make([]string, 0, 200_000)
	for len(pairs) < cap(pairs) {
		pairs = append(pairs, randomPattern(rng), randomText(rng, "aabc-]", 7))
	}
	cmd := exec.Command(python, "-c", fnmatchProgram)
	cmd.Stdin = strings.NewReader(strings.Join(pairs, "\n"))
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the oracle: %v", err)
	}
	want := strings.Fields(string(out))
	if len(want) != len(pairs)/2 {
		t.Fatalf("the oracle gave %d answers for %d questions", len(want), len(pairs)/2)
	}
	matches := 0
	for i, w := range want {
		pattern, name := pairs[2*i], pairs[2*i+1]
		if got := Match(pattern, name); got != (w == "1") {
			t.Errorf("Match(%q, %q) = %v, libc differs", pattern, name, got)
		}
		matches += strings.Count(w, "1")
	}
	if matches < len(want)/20 {
		t.Errorf("only %d of %d patterns match: the test does not test much",
			matches, len(want))
	}
}

// randomPattern makes patterns whose elements match often.
func randomPattern(rng *rand.Rand) string {
	parts := []string{"a", "a", "b", "c", "*", "*", "?", "[ab]", "[!a]", "[^b]", "[a-c]",
		"[]a]", "[!]a]", "[a-]", "[--a]", "[c-a]", `\a`, `\*`, `\]`, `[\]a]`, `[\a-\c]`,
		"]", "-", "[a", "["}
	var b strings.Builder
	for range rng.IntN(6) {
		b.WriteString(parts[rng.IntN(len(parts))])
	}
	return b.String()
}

func randomText(rng *rand.Rand, alphabet string, length int) string {
	b := make([]byte, rng.IntN(length))
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(b)
}

var (
	testModules = []Module{
		{Name: "xor"},
		{Name: "btrfs", Before: []Prerequisite{
			{Name: "libcrc32c"}, {Name: "xor"}, {Name: "sha256", Soft: true},
		}},
		{Name: "libcrc32c", Before: []Prerequisite{
			{Name: "crc32c_intel", Soft: true}, {Name: "crc32c_generic"},
		}},
		{Name: "crc32c_generic"},
		{Name: "crc32c_intel"},
		{Name: "sha256", Before: []Prerequisite{{Name: "btrfs", Soft: true}}},
		{Name: "act_mpls", After: []string{"mpls_gso", "nowhere"}},
		{Name: "mpls_gso", Before: []Prerequisite{{Name: "nowhere", Soft: true}}},
		{Name: "loop", Before: []Prerequisite{{Name: "loop"}}},
	}
	testAliases = []Alias{
		{"pci:v*d*sv*sd*bc01sc08i02*", "nvme"},
		{"pci:v00001AF4d*sv*sd*bc*sc*i*", "virtio_pci"},
		{"pci:v00001AF5d*sv*sd*bc*sc*i*", "virtio_pci"},
		{"pci:v00001AF4d00001001*", "nvme"},
		{"fs_btrfs", "btrfs"},
		{"p*:everything", "xor"},
		{"of", "loop"},
	}
)

const testText = `freshroot-modules 1 6.1.0-56-amd64
act_mpls >mpls_gso >nowhere
btrfs libcrc32c xor ?sha256
crc32c_generic
crc32c_intel
libcrc32c ?crc32c_intel crc32c_generic
loop loop
mpls_gso ?nowhere
sha256 ?btrfs
xor

@
xor p*:everything
loop of
@fs_
btrfs fs_btrfs
@pci
nvme pci:v*d*sv*sd*bc01sc08i02*
virtio_pci pci:v00001AF4d*sv*sd*bc*sc*i* pci:v00001AF5d*sv*sd*bc*sc*i*
nvme pci:v00001AF4d00001001*
`

func TestEncode(t *testing.T) {
	got, err := Encode("6.1.0-56-amd64", testModules, testAliases)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testText, string(got)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tests := []struct {
		name    string
		release string
		module  Module
		alias   Alias
		want    string
	}{
		{"release", "6.1\n", Module{Name: "a"}, Alias{"a", "a"}, "kernel release"},
		{"no release", "", Module{Name: "a"}, Alias{"a", "a"}, "kernel release"},
		{"space", "6", Module{Name: "a b"}, Alias{"a", "a"}, `module name "a b"`},
		{"mark", "6", Module{Name: "@a"}, Alias{"a", "a"}, `module name "@a"`},
		{"before", "6", Module{Name: "a", Before: []Prerequisite{{Name: "?b"}}},
			Alias{"a", "a"}, `module name "?b"`},
		{"after", "6", Module{Name: "a", After: []string{""}}, Alias{"a", "a"},
			`module name ""`},
		{"pattern", "6", Module{Name: "a"}, Alias{"a\n@", "a"}, `alias "a\n@" of "a"`},
		{"alias of", "6", Module{Name: "a"}, Alias{"a", "@a"}, `alias "a" of "@a"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Encode(tt.release, []Module{tt.module}, []Alias{tt.alias})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func parse(t *testing.T, text string) *Table {
	t.Helper()
	table, err := ParseTable([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableOrder(t *testing.T) {
	table := parse(t, testText)
	tests := []struct {
		name           string
		order, require []string
	}{
		{"xor", []string{"xor"}, []string{"xor"}},
		{"btrfs",
			[]string{"crc32c_intel", "crc32c_generic", "libcrc32c", "xor", "sha256", "btrfs"},
			[]string{"crc32c_generic", "libcrc32c", "xor", "btrfs"}},
		{"crc32c-generic", []string{"crc32c_generic"}, []string{"crc32c_generic"}},
		{"act_mpls", []string{"act_mpls", "mpls_gso"}, []string{"act_mpls"}},
		{"loop", []string{"loop"}, []string{"loop"}},
		{"nowhere", nil, nil},
		{"", nil, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.order, table.Order(tt.name)); diff != "" {
			t.Errorf("Order(%q) (-want +got):\n%s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.require, table.Required(tt.name)); diff != "" {
			t.Errorf("Required(%q) (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestTableLookup(t *testing.T) {
	table := parse(t, testText)
	tests := []struct {
		modalias string
		want     []string
	}{
		{"pci:v00008086d0000F1A5sv00008086sd0000390Abc01sc08i02", []string{"nvme"}},
		{"pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00",
			[]string{"virtio_pci", "nvme"}},
		{"fs-btrfs", []string{"btrfs"}},
		{"fs_btrfs", []string{"btrfs"}},
		{"platform:everything", []string{"xor"}},
		{"of", []string{"loop"}},
		{"of:", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, table.Lookup(tt.modalias)); diff != "" {
			t.Errorf("Lookup(%q) (-want +got):\n%s", tt.modalias, diff)
		}
	}
}

func TestTableFacts(t *testing.T) {
	table := parse(t, testText)
	want := []string{"act_mpls", "btrfs", "crc32c_generic", "crc32c_intel", "libcrc32c",
		"loop", "mpls_gso", "sha256", "xor"}
	if diff := cmp.Diff(want, table.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if got, want := table.Aliases(), len(testAliases); got != want {
		t.Errorf("Aliases() = %d, want %d", got, want)
	}
	if got, want := table.Release(), "6.1.0-56-amd64"; got != want {
		t.Errorf("Release() = %q, want %q", got, want)
	}
}

func TestParseTableRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "not a module table"},
		{"other version", "freshroot-modules 2 6.1\n", "not a module table"},
		{"no release", "freshroot-modules 1 \n", "not a module table"},
		{"cut off", "freshroot-modules 1 6.1", "not a module table"},
		{"not sorted", magic + "6.1\nb\na\n", `"a" out of order after "b"`},
		{"twice", magic + "6.1\na x\na y\n", `"a" out of order after "a"`},
		{"no group", magic + "6.1\na\n\na pci:*\n", `"a pci:*" where a group`},
		{"too large", magic + strings.Repeat("x", maxTable), "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseTable([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestNormalizePattern(t *testing.T) {
	tests := []struct{ pattern, want string }{
		{"fs-btrfs", "fs_btrfs"},
		{"usb:v0781p-d0[0-4]*-[!a-b]-", "usb:v0781p_d0[0-4]*_[!a-b]_"},
		{"open-[a-b", "open_[a_b"},
	}
	for _, tt := range tests {
		if got := NormalizePattern(tt.pattern); got != tt.want {
			t.Errorf("NormalizePattern(%q) = %q, want %q", tt.pattern, got, tt.want)
		}
	}
}

// Whatever the text, the questions have answers without end or repetition.
func FuzzParseTable(f *testing.F) {
	f.Add(testText, "fs-btrfs", "btrfs")
	f.Add(magic+"6.1\na ?b >a\nb a\n\n@\na *\n@pci\n\nb  x\n", "pci:", "a")
	f.Add(magic+"6.1\n\n", "", "")
	f.Fuzz(func(t *testing.T, text, modalias, name string) {
		table, err := ParseTable([]byte(text))
		if err != nil {
			return
		}
		known := table.Names()
		order := table.Order(name)
		if len(order) > len(known) {
			t.Errorf("Order has %d names, the table %d", len(order), len(known))
		}
		isSubset(t, table.Required(name), order)
		isSubset(t, order, known)
		words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' })
		isSubset(t, table.Lookup(modalias), words)
	})
}

func isSubset(t *testing.T, part, whole []string) {
	t.Helper()
	in := map[string]bool{}
	for _, s := range whole {
		in[s] = true
	}
	seen := map[string]bool{}
	for _, s := range part {
		if !in[s] || seen[s] {
			t.Errorf("%q is unknown or comes twice", s)
		}
		seen[s] = true
	}
}

func BenchmarkParseTable(b *testing.B) {
	for b.Loop() {
		if _, err := ParseTable([]byte(testText)); err != nil {
			b.Fatal(err)
		}
	}
}
