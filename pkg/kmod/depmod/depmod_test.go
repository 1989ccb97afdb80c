package depmod

import (
	"bufio"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod"
)

// indexes makes a tree of what depmod would write.
func indexes(dep, builtin, softdep, alias string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, text := range map[string]string{"modules.dep": dep,
		"modules.builtin": builtin, "modules.softdep": softdep, "modules.alias": alias} {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

const (
	testDep = `kernel/fs/btrfs/btrfs.ko: kernel/crypto/xor.ko.zst kernel/lib/libcrc32c.ko.xz
kernel/crypto/xor.ko.zst:
kernel/lib/libcrc32c.ko.xz:
kernel/crypto/crc32c_generic.ko:
kernel/arch/x86/crypto/crc32c-intel.ko:
kernel/crypto/sha256.ko:
updates/after.ko.gz:
kernel/a.ko: kernel/b.ko
kernel/b.ko: kernel/a.ko
kernel/self.ko: kernel/self.ko
kernel/dangling.ko: kernel/gone.ko
`
	testBuiltin = "kernel/fs/ext4/ext4.ko\nkernel/crypto/md5.ko\n"
	testSoftdep = `# Soft dependencies extracted from modules themselves.
softdep libcrc32c pre: crypto-crc32c
softdep btrfs pre: crypto-sha256
softdep btrfs ignored pre: md5 crypto-nowhere post: after
softdep nowhere pre: sha256
softdep crc32c_intel pre: btrfs

`
	testAlias = `# Aliases extracted from modules themselves.
alias fs-btrfs btrfs
alias crypto-crc32c crc32c_intel
alias crypto-crc32c crc32c_generic
alias cpu:type:x86,ven*fam*mod*:feature:*0094* crc32c_intel
alias crypto-sha256 sha256
alias crypto-sha256 md5
alias usb:v0781p-d0[0-4]* xor
`
)

func openTest(t *testing.T) *Tree {
	t.Helper()
	tree, err := Open(indexes(testDep, testBuiltin, testSoftdep, testAlias))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func names(modules []Module) []string {
	var names []string
	for _, m := range modules {
		names = append(names, m.Name)
	}
	return names
}

func TestSelect(t *testing.T) {
	all := []string{"sha256", "crc32c_intel", "crc32c_generic", "libcrc32c", "xor",
		"btrfs", "after"}
	tests := []struct {
		name               string
		required, optional []string
		want               []string
	}{
		{"nothing", nil, nil, nil},
		{"no needs", []string{"xor"}, nil, []string{"xor"}},
		{"dash", []string{"crc32c-generic"}, nil, []string{"crc32c_generic"}},
		{"built in", []string{"ext4", "md5"}, nil, nil},
		{"alias", []string{"crypto-sha256"}, nil, []string{"sha256"}},
		{"optional", nil, []string{"xor", "gone", "kernel/gone/*"}, []string{"xor"}},
		{"twice", []string{"xor", "xor"}, []string{"xor"}, []string{"xor"}},
		{"closure", []string{"sha256", "fs-btrfs"}, nil, all},
		{"paths", []string{"kernel/crypto/*"}, nil, []string{"crc32c_generic", "sha256",
			"xor"}},
		{"path without suffix", []string{"*/xor"}, nil, []string{"xor"}},
		{"cycle", []string{"a"}, nil, []string{"b", "a"}},
		{"needs itself", []string{"self"}, nil, []string{"self"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := openTest(t).Select(tt.required, tt.optional)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names(got)); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSelectTellsHardFromSoft(t *testing.T) {
	got, err := openTest(t).Select([]string{"btrfs"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Module{
		{kmod.Module{Name: "crc32c_generic"}, "kernel/crypto/crc32c_generic.ko"},
		{kmod.Module{Name: "crc32c_intel", Before: []kmod.Prerequisite{
			{Name: "btrfs", Soft: true},
		}}, "kernel/arch/x86/crypto/crc32c-intel.ko"},
		{kmod.Module{Name: "libcrc32c", Before: []kmod.Prerequisite{
			{Name: "crc32c_intel", Soft: true}, {Name: "crc32c_generic"},
		}}, "kernel/lib/libcrc32c.ko.xz"},
		{kmod.Module{Name: "xor"}, "kernel/crypto/xor.ko.zst"},
		{kmod.Module{Name: "sha256"}, "kernel/crypto/sha256.ko"},
		{kmod.Module{Name: "btrfs", Before: []kmod.Prerequisite{
			{Name: "libcrc32c"}, {Name: "xor"}, {Name: "sha256", Soft: true},
		}, After: []string{"after"}}, "kernel/fs/btrfs/btrfs.ko"},
		{kmod.Module{Name: "after"}, "updates/after.ko.gz"},
	}
	byName := func(modules []Module) map[string]Module {
		m := map[string]Module{}
		for _, module := range modules {
			m[module.Name] = module
		}
		return m
	}
	if diff := cmp.Diff(byName(want), byName(got)); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
}

func TestSelectMissing(t *testing.T) {
	_, err := openTest(t).Select([]string{"gone", "xor", "kernel/gone/*"}, nil)
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got error %v, want a MissingError", err)
	}
	if diff := cmp.Diff([]string{"gone", "kernel/gone/*"}, missing.Names); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	wantError(t, err, `modules ["gone" "kernel/gone/*"]: neither in the tree nor built`)
	_, err = openTest(t).Select([]string{"dangling"}, nil)
	wantError(t, err, `module "dangling": needs "gone", which modules.dep does not list`)
}

func TestAliases(t *testing.T) {
	tree := openTest(t)
	modules, err := tree.Select([]string{"xor", "crc32c_intel"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []kmod.Alias{
		{Pattern: "fs_btrfs", Module: "btrfs"},
		{Pattern: "crypto_crc32c", Module: "crc32c_intel"},
		{Pattern: "crypto_crc32c", Module: "crc32c_generic"},
		{Pattern: "cpu:type:x86,ven*fam*mod*:feature:*0094*", Module: "crc32c_intel"},
		{Pattern: "crypto_sha256", Module: "sha256"},
		{Pattern: "usb:v0781p_d0[0-4]*", Module: "xor"},
	}
	if diff := cmp.Diff(want, tree.Aliases(modules)); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
}

// wantError checks the text of an error.
func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want one with %q", err, part)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name, dep, builtin, softdep, alias string
		want                               string
	}{
		{"absolute path", "a.ko:\n/etc/b.ko:\n", "", "", "",
			`modules.dep line 2: path "/etc/b.ko" leaves the tree`},
		{"dots", "a.ko: ../../b.ko\n", "", "", "",
			`modules.dep line 1: path "../../b.ko" leaves the tree`},
		{"dots inside", "kernel/../../b.ko:\n", "", "", "", "leaves the tree"},
		{"no module", "etc/shadow:\n", "", "", "", `path "etc/shadow" is not of a module`},
		{"other suffix", "a.ko.sh:\n", "", "", "", `path "a.ko.sh" is not of a module`},
		{"no name", "kernel/.ko:\n", "", "", "", `path "kernel/.ko" is not of a module`},
		{"no colon", "a.ko b.ko\n", "", "", "", `modules.dep line 1: no colon`},
		{"builtin", "", "# x\n/a.ko\n", "", "", "modules.builtin line 2: path"},
		{"softdep", "", "", "\n\nhard a b\n", "", `modules.softdep line 3: "hard a b"`},
		{"alias", "", "", "", "alias a\n", `modules.alias line 1: "alias a" is no alias`},
		{"long line", strings.Repeat("x", maxLine+1), "", "", "",
			"modules.dep line 1: " + bufio.ErrTooLong.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(indexes(tt.dep, tt.builtin, tt.softdep, tt.alias))
			wantError(t, err, tt.want)
		})
	}
}

func TestOpenBoundsIndex(t *testing.T) {
	line := "#" + strings.Repeat("x", 1022) + "\n"
	_, err := Open(indexes("", "", "", strings.Repeat(line, maxIndex/len(line)+1)))
	wantError(t, err, "modules.alias: larger than 64 MiB")
}

func TestOpenWithoutIndexes(t *testing.T) {
	if _, err := Open(fstest.MapFS{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that wraps fs.ErrNotExist", err)
	}
	tree, err := Open(fstest.MapFS{"modules.dep": {Data: []byte("a.ko:\n")}})
	if err != nil {
		t.Fatalf("with modules.dep alone: %v", err)
	}
	if _, err := tree.Select([]string{"a"}, nil); err != nil {
		t.Error(err)
	}
}

// What can be opened can be selected from and encoded, or is refused with an error.
func FuzzOpen(f *testing.F) {
	f.Add(testDep, testBuiltin, testSoftdep, testAlias, "btrfs")
	f.Add("a.ko: b.ko\nb.ko: a.ko", "", "softdep a pre: b post: a", "alias * a",
		"kernel/*")
	f.Add("\x00.ko:", "", "softdep a", "alias [a a", "a")
	f.Fuzz(func(t *testing.T, dep, builtin, softdep, alias, want string) {
		tree, err := Open(indexes(dep, builtin, softdep, alias))
		if err != nil {
			return
		}
		modules, err := tree.Select([]string{want}, nil)
		if err != nil {
			return
		}
		plain := make([]kmod.Module, len(modules))
		for i, m := range modules {
			plain[i] = m.Module
			if !fs.ValidPath(m.Path) {
				t.Errorf("path %q of %q leaves the tree", m.Path, m.Name)
			}
		}
		text, err := kmod.Encode("6.1", plain, tree.Aliases(modules))
		if err != nil {
			return
		}
		table, err := kmod.ParseTable(text)
		if err != nil {
			t.Fatalf("the table cannot be parsed: %v\n%s", err, text)
		}
		if len(table.Names()) != len(modules) {
			t.Errorf("table has %d modules of %d", len(table.Names()), len(modules))
		}
	})
}
