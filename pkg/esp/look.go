package esp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/uki"
)

// State is what is on a partition.
type State struct {
	Entries []Entry  // ours, also those in menus
	Foreign []string // paths of entries and menus of others

	fsys    fs.FS
	sizes   map[string]int64 // of our files, by their paths
	loaders []loader
	conf    bool // there is a loader.conf
	timeout int  // of our menu, in seconds
}

// Entry is an entry of ours.
type Entry struct {
	Path    string // of the file, or of the menu that it is in
	Vendor  string // that it pins
	Version string
	Tries   subvol.Tries
	Options string // of the kernel, without the pin
}

// UsedStyle is the style of our entries. If there are none it is that of a menu which has left
// its directory, or None where there are only kernels and initramfs of ours, without a
// systemd-boot that would read entries, else Entries.
func (s State) UsedStyle() Style {
	for _, e := range s.Entries {
		switch {
		case e.Path == menus[Extlinux].path:
			return Extlinux
		case e.Path == menus[Grub].path:
			return Grub
		case strings.HasSuffix(e.Path, bls.EFISuffix):
			return UKI
		}
	}
	if len(s.Entries) == 0 && s.hasFiles() && !s.hasLoader() {
		return s.lostMenu()
	}
	return Entries
}

// lostMenu is the style of a menu whose directory has none, or None.
func (s State) lostMenu() Style {
	for _, style := range []Style{Extlinux, Grub} {
		menu := menus[style].path
		_, noDir := fs.Stat(s.fsys, path.Dir(menu))
		_, noMenu := fs.Stat(s.fsys, menu)
		if noDir == nil && errors.Is(noMenu, fs.ErrNotExist) {
			return style
		}
	}
	return None
}

// hasFiles says whether there is a kernel or an initramfs of ours, whole or not.
func (s State) hasFiles() bool {
	for file := range s.sizes {
		if strings.HasPrefix(file, dir+"/") {
			return true
		}
	}
	return false
}

// hasLoader says whether systemd-boot is in one of its places.
func (s State) hasLoader() bool {
	return slices.ContainsFunc(s.loaders, func(l loader) bool { return l.version != "" })
}

// Bounds of what is read.
const (
	maxNames = 10000   // in a directory
	maxMenu  = 1 << 20 // bytes of a menu
)

// dir is where kernels and initramfs are, and temporary what is not finished.
const (
	dir       = "freshroot"
	temporary = dir + "/new.tmp"
)

// The files of a version.
const (
	kernelName    = "linux"
	initramfsName = "initrd"
)

// Look reads a partition. What is not ours may look like anything, and is no error.
func Look(fsys fs.FS) (State, error) {
	s := State{fsys: fsys, sizes: map[string]int64{}, timeout: defaultTimeout}
	err := inOrder(
		s.lookAtEntries, s.lookAtImages, s.lookAtMenus, s.lookAtFiles, s.lookAtLoaders)
	if err != nil {
		return State{}, fmt.Errorf("look at boot partition: %w", err)
	}
	return s, nil
}

// lookAtEntries reads the entries of type 1.
func (s *State) lookAtEntries() error {
	return s.each(bls.EntriesDir, bls.ConfSuffix, func(file string) error {
		text, err := s.read(file, bls.MaxEntry)
		if err != nil {
			return err
		}
		parsed, err := bls.Parse(text)
		if err != nil || !strings.HasPrefix(parsed.Linux, "/"+dir+"/") {
			s.Foreign = append(s.Foreign, file)
			return nil
		}
		s.addEntry(file, parsed.Options)
		return nil
	})
}

// maxCmdline is the longest command line that an image may have; kernels know less.
const maxCmdline = 64 << 10

// lookAtImages reads the command lines of unified kernel images. One that has none, or is
// no such image, is of somebody else.
func (s *State) lookAtImages() error {
	return s.each(bls.UnifiedDir, bls.EFISuffix, func(file string) error {
		f, err := s.fsys.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		var cmdline []byte
		if r, can := f.(io.ReaderAt); can {
			cmdline, _ = uki.Read(r, ".cmdline", maxCmdline)
		}
		s.addEntry(file, string(cmdline))
		return nil
	})
}

// addEntry adds an entry by what it tells the kernel. It is ours if it has our pin.
func (s *State) addEntry(file, cmdline string) {
	name, err := bls.ParseName(path.Base(file))
	e, ours := parsePin(strings.TrimRight(cmdline, "\x00"))
	if err != nil || !ours {
		s.Foreign = append(s.Foreign, file)
		return
	}
	e.Path, e.Tries = file, name.Tries
	s.Entries = append(s.Entries, e)
}

// lookAtMenus reads the versions that our menus have.
func (s *State) lookAtMenus() error {
	for _, style := range []Style{Extlinux, Grub} {
		m := menus[style]
		text, err := s.read(m.path, maxMenu)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !bytes.HasPrefix(text, []byte(menuMark)):
			s.Foreign = append(s.Foreign, m.path)
		default:
			s.sizes[m.path] = int64(len(text))
			s.readMenu(m, string(text))
		}
	}
	return nil
}

func (s *State) readMenu(m menu, text string) {
	for line := range strings.Lines(text) {
		var timeout int
		if n, _ := fmt.Sscanf(line, m.timeout, &timeout); n == 1 {
			s.timeout = max(timeout/m.unit, 0)
		}
		if i := strings.Index(line, pinKey); i >= 0 {
			e, _ := parsePin(m.unquote(strings.TrimSpace(line[i:])))
			e.Path = m.path
			s.Entries = append(s.Entries, e)
		}
	}
}

// lookAtFiles notes the sizes of the files that are ours.
func (s *State) lookAtFiles() error {
	if info, err := fs.Stat(s.fsys, temporary); err == nil {
		s.sizes[temporary] = info.Size()
	}
	vendors, err := s.names(dir)
	if err != nil {
		return err
	}
	for _, vendor := range vendors {
		versions, err := s.names(path.Join(dir, vendor))
		if err != nil {
			return err
		}
		for _, version := range versions {
			for _, name := range []string{kernelName, initramfsName} {
				file := path.Join(dir, vendor, version, name)
				if info, err := fs.Stat(s.fsys, file); err == nil && info.Mode().IsRegular() {
					s.sizes[file] = info.Size()
				}
			}
		}
	}
	_, err = fs.Stat(s.fsys, bls.LoaderConf)
	s.conf = err == nil
	return nil
}

// each calls f with the files of a directory whose names end in a suffix, in capitals or
// not, as boot loaders look for them.
func (s *State) each(dir, suffix string, f func(file string) error) error {
	names, err := s.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		file := path.Join(dir, name)
		info, err := fs.Stat(s.fsys, file)
		if !strings.HasSuffix(strings.ToLower(name), suffix) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		s.sizes[file] = info.Size()
		if err := f(file); err != nil {
			return err
		}
	}
	return nil
}

// names lists a directory. One that is not there, or none, has nothing in it.
func (s *State) names(dir string) ([]string, error) {
	info, err := fs.Stat(s.fsys, dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f, err := s.fsys.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, is := f.(fs.ReadDirFile)
	if !is {
		return nil, fmt.Errorf("list %q: not supported", dir)
	}
	found, err := list.ReadDir(maxNames)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(found) == maxNames {
		return nil, fmt.Errorf("list %q: more than %d names", dir, maxNames)
	}
	return sortedNames(found), nil
}

// read reads a file that has at most longest bytes. Of a longer one, one more comes.
func (s *State) read(file string, longest int64) ([]byte, error) {
	f, err := s.fsys.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, longest+1))
}
