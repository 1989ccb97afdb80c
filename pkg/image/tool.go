package image

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/freshroot/freshroot/dist"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// Where the tool and its units go. Links in /usr enable the units in every instance,
// also in one that an older version made.
const (
	toolFile = "usr/bin/freshroot"
	systemd  = "usr/lib/systemd/systemd"
	unitDir  = "usr/lib/systemd/system"
)

// installTool puts this program and its units into the tree, without which nobody would
// bless a version. What is there already was put there on purpose.
func (s *stage) installTool(context.Context) error {
	if s.options.Tool == "" || exists(s.root, toolFile) {
		return nil
	}
	tool, err := os.Open(s.options.Tool)
	if err != nil {
		return err
	}
	defer tool.Close()
	if err := s.checkTool(tool); err != nil {
		return err
	}
	if err := s.write(toolFile, tool, 0o755); err != nil {
		return err
	}
	if exists(s.root, systemd) {
		return s.installUnits()
	}
	return s.installScripts()
}

// checkTool refuses a program that could not run in the OS: for another architecture, or
// with libraries, which an OS may not have. It leaves the file at its beginning.
func (s *stage) checkTool(tool *os.File) error {
	arch := elfArch(tool)
	if _, err := tool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if arch != s.options.Usr.Arch {
		return fmt.Errorf("%s is for %q, the image for %q: name one that fits with --tool, "+
			"or do without with --no-tool", tool.Name(), arch, s.options.Usr.Arch)
	}
	program, err := elf.NewFile(tool)
	if err != nil {
		return fmt.Errorf("%s: %w", tool.Name(), err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s needs the libraries of this machine: build it with CGO_ENABLED=0, "+
				"and name it with --tool", tool.Name())
		}
	}
	return nil
}

// installUnits installs and enables the units.
func (s *stage) installUnits() error {
	return fs.WalkDir(dist.Systemd, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := dist.Systemd.ReadFile(name)
		if err != nil {
			return err
		}
		unit := path.Base(name)
		if err := s.write(path.Join(unitDir, unit), bytes.NewReader(text), 0o644); err != nil {
			return err
		}
		for _, target := range wantedBy(string(text)) {
			if err := s.enable(unit, target); err != nil {
				return err
			}
		}
		return nil
	})
}

// wantedBy returns the targets that a unit of ours is to be enabled for.
func wantedBy(unit string) (targets []string) {
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "WantedBy="); ok {
			targets = append(targets, strings.Fields(value)...)
		}
	}
	return targets
}

// installScripts installs and enables the scripts for the init of an OS without systemd.
// They go where it has such: into its /etc, or that of its factory.
func (s *stage) installScripts() error {
	etc := "etc"
	if !exists(s.root, etc) {
		etc = "usr/share/factory/etc"
	}
	scripts, err := fs.ReadDir(dist.Sysv, "sysv")
	if err != nil {
		return err
	}
	for _, script := range scripts {
		links := dist.Links(rootfs.FS(s.tree), etc, script.Name())
		if len(links) == 0 {
			s.filled.Warnings = append(s.filled.Warnings, "The OS has no init that is known: "+
				`have it run "freshroot bless" when all that matters is up.`)
			return nil
		}
		if err := s.installScript(path.Join(etc, "init.d"), script.Name(), links); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) installScript(dir, name string, links map[string]string) error {
	text, err := dist.Sysv.ReadFile(path.Join("sysv", name))
	if err != nil {
		return err
	}
	if err := s.write(path.Join(dir, name), bytes.NewReader(text), 0o755); err != nil {
		return err
	}
	for link, target := range links {
		if err := s.link(target, link); err != nil {
			return err
		}
	}
	return s.order(dir, name)
}

// order has startpar start a script, where the OS has that.
func (s *stage) order(dir, script string) error {
	for _, name := range dist.InitdOrder {
		file := path.Join(dir, name)
		text, err := s.root.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		ordered := dist.Order(name, string(text), script)
		if err := s.write(file, strings.NewReader(ordered), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) enable(unit, target string) error {
	return s.link("../"+unit, path.Join(unitDir, target+".wants", unit))
}

// link makes a symbolic link, unless something has its name.
func (s *stage) link(target, name string) error {
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	err := s.root.Symlink(target, name)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}
