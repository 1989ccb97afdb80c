// Package archive builds the initramfs of freshroot: the init, the kernel modules that
// it needs to reach a disk, and nothing else.
//
// The init is compiled by u-root's builder, or given ready-made. The modules are
// picked and ordered by [depmod] and described by a [kmod] table, so that the init
// need not know any of depmod's indexes. All of it is one cpio archive in the newc
// format, as the kernel's [buffer format] wants it, compressed with zstd.
//
// The same input gives the same bytes: names are sorted, owners are root, times are
// one time, inode numbers are counted, and the compressor is part of this program.
//
// It needs no privileges: device nodes exist in the archive only. It refuses two files
// at one place, and modules that are asked for and do not exist.
//
// [depmod]: https://pkg.go.dev/github.com/freshroot/freshroot/pkg/kmod/depmod
// [kmod]: https://pkg.go.dev/github.com/freshroot/freshroot/pkg/kmod
// [buffer format]: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html
package archive

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/freshroot/freshroot/pkg/kmod"
	"github.com/freshroot/freshroot/pkg/kmod/depmod"
)

const (
	// ModulesDir is where the modules are, as NAME.ko.
	ModulesDir = "modules"
	// TableFile is the module table; without modules there is none.
	TableFile = ModulesDir + "/table"
)

// Options say what to build.
type Options struct {
	// Output is the file to write. It is replaced at once or not at all.
	Output string
	// Init is a ready-made init. If it is empty, the init is compiled.
	Init string
	// Source is the checkout to compile the init from; empty is the current
	// directory.
	Source string
	// Kernel is where the modules are. It does not matter if Modules is empty.
	Kernel Kernel
	// Modules are the modules to include, along with all that they need.
	Modules Modules
	// Add are further files.
	Add []Addition
	// Shell is what people get when they ask for a shell. ShellRescue is compiled
	// from Source, also if Init is given.
	Shell Shell
	// Compression is how the archive is compressed.
	Compression Compression
	// Time is the time of all files; the zero value is the epoch.
	Time time.Time
}

// Result tells what was built.
type Result struct {
	Output      string `json:"output"`
	Release     string `json:"release,omitempty"`
	Size        int64  `json:"size"`         // of the output
	Unpacked    int64  `json:"unpacked"`     // of the archive before compression
	InitSize    int64  `json:"init_size"`    // of the init, not compressed
	ModulesSize int64  `json:"modules_size"` // of all modules, not compressed
	Modules     int    `json:"modules"`
	Aliases     int    `json:"aliases"`
	RescueSize  int64  `json:"rescue_size,omitempty"` // of ShellRescue, not compressed
	Btrfs       bool   `json:"btrfs,omitempty"`       // the program is in ShellRescue
}

// Build makes an initramfs.
func Build(ctx context.Context, o Options) (Result, error) {
	r := Result{Output: o.Output}
	// The modules come first: a wrong name should not cost a compilation.
	files := baseTree()
	if err := addModules(files, o, &r); err != nil {
		return r, err
	}
	for _, a := range o.Add {
		if err := addFile(files, a); err != nil {
			return r, err
		}
	}
	if err := addInit(ctx, files, o, &r); err != nil {
		return r, err
	}
	if err := addShell(ctx, files, o, &r); err != nil {
		return r, err
	}
	// All of it is in memory, 15 MB for the default set, so that the output can be
	// written in one go.
	packed, err := files.pack(o.Time)
	if err != nil {
		return r, err
	}
	r.Unpacked = int64(len(packed))
	packed, err = compress(ctx, packed, o.Compression)
	if err != nil {
		return r, err
	}
	r.Size = int64(len(packed))
	return r, writeFile(o.Output, packed)
}

// addInit puts the init at /init, where the kernel looks for it.
func addInit(ctx context.Context, files tree, o Options, r *Result) error {
	// It is a file and not a link to one in /bin, as u-root has it: one file less.
	var data []byte
	var err error
	if o.Init != "" {
		data, err = readInit(o.Init)
	} else {
		data, err = compileInit(ctx, o.Source)
	}
	if err != nil {
		return err
	}
	r.InitSize = int64(len(data))
	return files.add(cpio.StaticFile("init", string(data), 0o755))
}

// CheckInit makes sure that [Build] and [CompileInit] will have an init: one that is
// ready-made, or Go and a checkout to compile it from. Its errors are those that they have.
func CheckInit(ctx context.Context, init, source string) error {
	if init == "" {
		return checkSource(ctx, source, InitPackage)
	}
	_, err := readInit(init)
	return err
}

// readInit reads a ready-made init. What the kernel cannot execute it reports as "no
// working init found", long after the mistake, so the kind of the file is checked.
func readInit(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read init: %w", err)
	}
	if !bytes.HasPrefix(data, []byte("\x7fELF")) && !bytes.HasPrefix(data, []byte("#!")) {
		return nil, fmt.Errorf("read init %q: neither an ELF program nor a script", name)
	}
	return data, nil
}

// addModules adds the modules and their table.
func addModules(files tree, o Options, r *Result) error {
	if o.Modules.Empty() {
		return nil
	}
	// The root keeps a tree that has links or odd paths from leading elsewhere.
	dir, err := os.OpenRoot(o.Kernel.Dir)
	if err != nil {
		return fmt.Errorf("open modules of %s: %w", o.Kernel.Release, err)
	}
	defer dir.Close()
	modules, err := depmod.Open(dir.FS())
	if err != nil {
		return fmt.Errorf("modules in %s: %w", o.Kernel.Dir, err)
	}
	selected, err := modules.Select(o.Modules.Required, o.Modules.Optional)
	if err != nil {
		return fmt.Errorf("modules in %s: %w", o.Kernel.Dir, err)
	}
	for _, m := range selected {
		data, err := modules.Read(m)
		if err != nil {
			return fmt.Errorf("modules in %s: %w", o.Kernel.Dir, err)
		}
		// One directory for all, under the names that the table has.
		r.ModulesSize += int64(len(data))
		file := cpio.StaticFile(path.Join(ModulesDir, m.Name+".ko"), string(data), 0o644)
		if err := files.add(file); err != nil {
			return err
		}
	}
	aliases := modules.Aliases(selected)
	r.Release, r.Modules, r.Aliases = o.Kernel.Release, len(selected), len(aliases)
	return addTable(files, o.Kernel.Release, selected, aliases)
}

// addTable adds the table of the selected modules.
func addTable(files tree, release string, selected []depmod.Module,
	aliases []kmod.Alias) error {
	plain := make([]kmod.Module, len(selected))
	for i, m := range selected {
		plain[i] = m.Module
	}
	table, err := kmod.Encode(release, plain, aliases)
	if err != nil {
		return err
	}
	return files.add(cpio.StaticFile(TableFile, string(table), 0o644))
}

// writeFile replaces a file by one rename, so that nobody ever sees a part of it.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	// After the rename there is nothing left to remove.
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	// Without a sync the rename may reach the disk before the data.
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
