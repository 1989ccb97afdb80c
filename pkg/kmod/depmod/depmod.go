// Package depmod reads the modules of one kernel release: the indexes that depmod(8)
// leaves in /lib/modules/RELEASE, and the modules themselves.
//
// It runs where an initramfs is built. [Open] reads the indexes, [Tree.Select] finds
// what the wanted modules need, [Tree.Aliases] which hardware they serve, and
// [Tree.Read] unpacks a module. The results are what [kmod.Encode] writes for the
// boot.
//
// A tree is only ever read through its [fs.FS]. Paths in modules.dep that point out
// of the tree are refused; so are lines, files and modules beyond sensible sizes.
// modprobe.d(5) is left out on purpose: an initramfs that depends on the
// configuration of the machine it was built on is not reproducible.
//
// The file formats are described in [modules.dep(5)] and [depmod.d(5)].
//
// [modules.dep(5)]: https://man7.org/linux/man-pages/man5/modules.dep.5.html
// [depmod.d(5)]: https://man7.org/linux/man-pages/man5/depmod.d.5.html
package depmod

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/kmod"
)

// Tree is what depmod knows about the modules of one kernel.
type Tree struct {
	fsys    fs.FS
	files   map[string]file
	builtin map[string]bool
	aliases []kmod.Alias
}

// file is a module of the tree.
type file struct {
	path string
	// needs is everything that has to be loaded before, in load order.
	needs []string
	// pre and post are softdeps: names of modules, or aliases.
	pre, post []string
}

// Open reads the indexes of a tree: modules.dep, which has to exist, and
// modules.builtin, modules.softdep and modules.alias.
func Open(fsys fs.FS) (*Tree, error) {
	t := &Tree{fsys: fsys, files: map[string]file{}, builtin: map[string]bool{}}
	if _, err := fs.Stat(fsys, "modules.dep"); err != nil {
		return nil, fmt.Errorf("read modules.dep: %w", err)
	}
	// Softdeps are added to the modules, so these come first.
	for _, index := range []struct {
		name string
		add  func(words []string) error
	}{
		{"modules.dep", t.addDep},
		{"modules.builtin", t.addBuiltin},
		{"modules.softdep", t.addSoftdep},
		{"modules.alias", t.addAlias},
	} {
		if err := eachLine(fsys, index.name, index.add); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addDep takes a line "PATH: PATH...": a module, and all it needs, last first.
func (t *Tree) addDep(words []string) error {
	p, ok := strings.CutSuffix(words[0], ":")
	if !ok {
		return fmt.Errorf("no colon after %q", words[0])
	}
	name, err := moduleName(p)
	if err != nil {
		return err
	}
	f := file{path: p}
	for i := len(words) - 1; i > 0; i-- {
		need, err := moduleName(words[i])
		if err != nil {
			return err
		}
		f.needs = append(f.needs, need)
	}
	t.files[name] = f
	return nil
}

// addBuiltin takes a line "PATH".
func (t *Tree) addBuiltin(words []string) error {
	name, err := moduleName(words[0])
	if err != nil {
		return err
	}
	t.builtin[name] = true
	return nil
}

// addSoftdep takes a line "softdep NAME pre: WORD... post: WORD...". A module may
// have many, which add up; modprobe looks at the first only, and so misses three of
// the four checksums of btrfs. Words ahead of "pre:" mean nothing to modprobe either.
func (t *Tree) addSoftdep(words []string) error {
	if len(words) < 2 || words[0] != "softdep" {
		return fmt.Errorf("%q is no softdep", strings.Join(words, " "))
	}
	name := kmod.Normalize(words[1])
	f, ok := t.files[name]
	if !ok {
		return nil
	}
	kind := ""
	for _, word := range words[2:] {
		switch {
		case word == "pre:" || word == "post:":
			kind = word
		case kind == "pre:":
			f.pre = append(f.pre, word)
		case kind == "post:":
			f.post = append(f.post, word)
		}
	}
	t.files[name] = f
	return nil
}

// addAlias takes a line "alias PATTERN MODULE".
func (t *Tree) addAlias(words []string) error {
	if len(words) != 3 || words[0] != "alias" {
		return fmt.Errorf("%q is no alias", strings.Join(words, " "))
	}
	t.aliases = append(t.aliases, kmod.Alias{
		Pattern: kmod.NormalizePattern(words[1]),
		Module:  kmod.Normalize(words[2]),
	})
	return nil
}

// moduleName returns the name of the module in a file. The path has to stay in the
// tree.
func moduleName(p string) (string, error) {
	if !fs.ValidPath(p) {
		return "", fmt.Errorf("path %q leaves the tree of modules", p)
	}
	name, suffix, _ := strings.Cut(path.Base(p), ".ko")
	switch suffix {
	case "", ".gz", ".xz", ".zst":
	default:
		return "", fmt.Errorf("path %q is not of a module", p)
	}
	if name == "" || !strings.Contains(path.Base(p), ".ko") {
		return "", fmt.Errorf("path %q is not of a module", p)
	}
	return kmod.Normalize(name), nil
}
