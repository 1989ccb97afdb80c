package esp

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/uki"
)

// checker collects what is wrong.
type checker struct {
	State
	versions []Version
	wrong    []string
}

// Check says what keeps a partition from booting the versions that it has entries for, each in
// a line: files that are missing or not those of the pool, and boot loaders that are missing.
// versions are those of the pool, with files for an architecture. Not each has to have an
// entry, as some may have been left out. It reads all that is compared.
func Check(s State, versions []Version, arch string) (wrong []string, err error) {
	c := checker{State: s, versions: versions}
	style := s.UsedStyle()
	menu, inMenu := menus[style]
	lost := inMenu && len(s.Entries) == 0
	if lost {
		c.add("%s is not there", menu.path)
	}
	if lost || style == None {
		err := c.checkFilesAlone()
		return c.wrong, err
	}
	c.checkLoader(arch)
	c.checkNames()
	for _, e := range s.Entries {
		if err := c.checkEntry(e); err != nil {
			return c.wrong, fmt.Errorf("check entry %s: %w", shown(e.Path), err)
		}
	}
	return c.wrong, nil
}

// add adds a line, once.
func (c *checker) add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(c.wrong, line) {
		c.wrong = append(c.wrong, line)
	}
}

// checkLoader wants a systemd-boot for entries that only it reads, where firmware finds it, and
// entries for one that is there.
func (c *checker) checkLoader(arch string) {
	isTheirs := func(e Entry) bool { return !isMenu(e.Path) }
	reads := slices.ContainsFunc(c.Entries, isTheirs) || len(c.Entries) == 0 && c.hasLoader()
	if !reads || bls.Arch(arch) == "" {
		return
	}
	own, boot := loaderPaths(arch)
	if c.needLoader(own, boot) != nil {
		c.add("nothing reads the entries: neither %s nor %s is systemd-boot", own, boot)
	} else if _, found := c.installed(boot); !found {
		c.add("%s, which firmware looks for, is not there", boot)
	} else {
		c.compareLoaders(own, boot)
	}
	if len(c.Entries)+len(c.Foreign) == 0 && len(c.versions) > 0 {
		c.add("systemd-boot has no entry")
	}
}

// compareLoaders wants the two copies of systemd-boot to be one program: there is no checksum
// that would tell when a bit of one has changed.
func (c *checker) compareLoaders(own, boot string) {
	a, found := c.installed(own)
	if !found {
		return
	}
	if a.version == "" {
		c.add("%s is not systemd-boot", own)
		return
	}
	b, _ := c.installed(boot)
	if a.version == b.version && a.signed == b.signed && a.sum != b.sum {
		c.add("%s and %s are both systemd-boot %s, and differ", own, boot, shown(a.version))
	}
}

// checkNames finds entries of ours that cannot be told to be ours any more.
func (c *checker) checkNames() {
	for _, file := range c.Foreign {
		name, err := bls.ParseName(path.Base(file))
		if err != nil {
			continue
		}
		for _, v := range c.versions {
			if strings.EqualFold(idOf(v.Usr).entry(name.Suffix).ID, name.ID) {
				c.add("%s is no entry for %s, as its name says", shown(file), v.Usr)
			}
		}
	}
}

// checkEntry compares what an entry boots with the pool.
func (c *checker) checkEntry(e Entry) error {
	of := slices.IndexFunc(c.versions, func(v Version) bool { return idOf(v.Usr) == e.id() })
	switch {
	case of < 0: // which the pool does not have, or without a kernel
		return nil
	case strings.HasSuffix(strings.ToLower(e.Path), bls.EFISuffix):
		return c.checkImage(e.Path, c.versions[of])
	}
	return c.checkFiles(c.versions[of])
}

// checkFilesAlone compares files that a boot loader which we do not know may boot. Of some
// versions there may be none.
func (c *checker) checkFilesAlone() error {
	for _, v := range c.versions {
		_, kernel := c.sizes[idOf(v.Usr).path(kernelName)]
		_, initramfs := c.sizes[idOf(v.Usr).path(initramfsName)]
		if !kernel && !initramfs {
			continue
		}
		if err := c.checkFiles(v); err != nil {
			return err
		}
	}
	return nil
}

// checkFiles compares kernel and initramfs with those of the pool.
func (c *checker) checkFiles(v Version) error {
	for _, f := range []struct {
		name string
		File
	}{{kernelName, v.Kernel}, {initramfsName, v.Initramfs}} {
		file := idOf(v.Usr).path(f.name)
		if f.Open == nil {
			continue
		}
		if _, found := c.sizes[file]; !found {
			c.add("%s is not there", shown(file))
			continue
		}
		if same, err := c.same(file, f.File, 0); err != nil {
			return err
		} else if !same {
			c.add("%s is not that of %s", shown(file), v.Usr)
		}
	}
	return nil
}

// checkImage compares what is in a unified kernel image. The stub may be of anywhere.
func (c *checker) checkImage(file string, v Version) error {
	for _, p := range []part{{".linux", v.Kernel}, {".initrd", v.Initramfs}} {
		if p.file.Size == 0 {
			continue
		}
		if same, err := c.hasPart(file, p); err != nil {
			return err
		} else if !same {
			c.add("%s: its section %s is not that of %s", shown(file), p.name, v.Usr)
		}
	}
	return nil
}

// hasPart says whether an image has a section of this content.
func (c *checker) hasPart(file string, p part) (bool, error) {
	f, err := c.fsys.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	image, can := f.(io.ReaderAt)
	if !can {
		return false, fmt.Errorf("read %s: not supported", shown(file))
	}
	there, err := uki.Find(image, p.name)
	if err != nil {
		return false, nil // it is no image any more
	}
	want, err := p.file.Open()
	if err != nil {
		return false, err
	}
	defer want.Close()
	return equal(there, want)
}
