package esp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/uki"
	"github.com/freshroot/freshroot/pkg/version"
)

// loader is an EFI program where firmware and we look for the boot loader.
type loader struct {
	path    string
	version string // of systemd-boot, "" if it is something else
	signed  bool
	sum     [sha256.Size]byte // of all of it
}

// maxLoader is more than any boot loader has, in bytes.
const maxLoader = 16 << 20

// loaderMark precedes the version in systemd-boot (bootctl looks for the same).
const loaderMark = "#### LoaderInfo: systemd-boot "

// loaderVersion returns the version of systemd-boot, "" for another program.
func loaderVersion(program []byte) string {
	_, rest, found := bytes.Cut(program, []byte(loaderMark))
	if !found {
		return ""
	}
	const longest = 64
	version, _, _ := bytes.Cut(rest[:min(len(rest), longest)], []byte(" ####"))
	return string(version)
}

// The directories with the boot loader: its own, and that for firmware which knows of
// none.
const (
	ownLoaderDir  = "EFI/systemd"
	bootLoaderDir = "EFI/BOOT"
)

// loaderPaths are where systemd-boot is installed.
func loaderPaths(arch string) (own, boot string) {
	name := bls.Arch(arch)
	return ownLoaderDir + "/systemd-boot" + name + ".efi",
		bootLoaderDir + "/BOOT" + strings.ToUpper(name) + ".EFI"
}

// lookAtLoaders reads the versions of the boot loaders that are installed.
func (s *State) lookAtLoaders() error {
	for _, dir := range []string{ownLoaderDir, bootLoaderDir} {
		names, err := s.names(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			file := path.Join(dir, name)
			info, err := fs.Stat(s.fsys, file)
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			program, err := s.read(file, maxLoader)
			if err != nil {
				return err
			}
			s.sizes[file] = info.Size()
			s.loaders = append(s.loaders, loader{
				file, loaderVersion(program), uki.Signed(bytes.NewReader(program)), sha256.Sum256(program),
			})
		}
	}
	return nil
}

// installed returns the boot loader at a path, which FAT does not tell from one with
// other capitals.
func (s *State) installed(path string) (l loader, found bool) {
	for _, l := range s.loaders {
		if strings.EqualFold(l.path, path) {
			return l, true
		}
	}
	return loader{}, false
}

// errNoLoader says that there is nothing that would read the entries.
var errNoLoader = errors.New("the partition has no systemd-boot, and none was given: " +
	"install it (package systemd-boot-efi) or put it into the golden master")

// installLoader puts systemd-boot in its places, where it is missing or older. Another
// program is left where it is.
func (d *decider) installLoader() error {
	own, boot := loaderPaths(d.Arch)
	if d.Loader.Open == nil {
		return d.needLoader(own, boot)
	}
	program, err := d.Loader.read(maxLoader)
	if err != nil {
		return fmt.Errorf("read boot loader: %w", err)
	}
	ours := loader{
		version: loaderVersion(program),
		signed:  d.Sign != nil || uki.Signed(bytes.NewReader(program)),
	}
	if ours.version == "" {
		return errors.New("the boot loader is not systemd-boot")
	}
	for _, path := range []string{own, boot} {
		if there, found := d.installed(path); !found || d.replaces(ours, there, path == boot) {
			d.write(path, d.Loader, d.Sign)
		}
	}
	if !d.conf {
		text := bls.FormatFields([]bls.Field{{Key: "timeout", Value: fmt.Sprint(d.Timeout)}})
		d.write(bls.LoaderConf, Bytes(text), nil)
	}
	return nil
}

// needLoader makes sure that there is a systemd-boot.
func (s *State) needLoader(paths ...string) error {
	for _, path := range paths {
		if l, found := s.installed(path); found && l.version != "" {
			return nil
		}
	}
	return errNoLoader
}

// replaces says whether a boot loader takes the place of another one. shared is the
// place that any program may have. A firmware that checks signatures would no longer
// boot if an unsigned one took the place of one that is signed.
func (d *decider) replaces(ours, there loader, shared bool) bool {
	switch newer := version.Compare(there.version, ours.version) < 0; {
	case there.version == "" && shared:
		d.warn("%s is another boot loader, and is left as it is", shown(there.path))
	case there.signed && !ours.signed && newer:
		d.warn("%s is signed and the newer %s is not: it is left as it is; give a key to sign with",
			shown(there.path), shown(ours.version))
	default:
		return newer || ours.signed && !there.signed
	}
	return false
}

// read returns the content of a small file.
func (f File) read(longest int64) ([]byte, error) {
	if f.Size > longest {
		return nil, fmt.Errorf("longer than %d bytes", longest)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, longest))
}
