package lint

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/freshroot/freshroot/pkg/golden"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/tmpfiles"
)

// checkLayout wants a usr-merged tree.
func checkLayout(t *tree) (found []Finding) {
	for _, name := range golden.Unmerged(t.fsys) {
		found = append(found, Finding{
			Severity: Error, Path: name,
			What: "a directory beside /usr",
			Why:  "only /usr is in the image, so what is in it would be missing",
			Do:   "merge it into /usr: on Debian the package usrmerge does",
		})
	}
	return found
}

// checkFactory wants a factory that has something in it, and only what may be filled
// from it.
func checkFactory(t *tree) (found []Finding) {
	if !t.has("usr/lib/os-release") {
		found = append(found, Finding{
			Severity: Error, Path: "usr/lib/os-release",
			What: "is missing",
			Why:  "it says which system this is; systemd takes a root without for none",
			Do:   "ship it there, and link /etc/os-release to it",
		})
	}
	if len(t.factory) == 0 {
		found = append(found, Finding{
			Severity: Error, Path: factoryDir,
			What: "is missing or empty",
			Why:  "there is nothing to fill an empty /etc and /var with",
			Do:   "run freshroot factory build",
		})
	}
	for _, f := range t.factory {
		if rootfs.Reserved(f.path) {
			found = append(found, Finding{
				Severity: Warning, Path: path.Join(factoryDir, f.path),
				What: "is not for a factory to fill",
				Why:  "/" + f.path + " is the OS's or the kernel's, and is never filled",
				Do:   "remove it",
			})
		}
	}
	return found
}

// inits are the programs that the init starts, the first that is there.
var inits = []string{"sbin/init", "bin/init", "lib/systemd/systemd", "bin/sh"}

// checkInit wants a PID 1.
func checkInit(t *tree) []Finding {
	for _, name := range inits {
		end, how := t.resolve("usr/" + name)
		if how != exists {
			continue
		}
		// What is found lies in /usr, for nothing else is there before the factory.
		info, err := fs.Stat(t.fsys, end)
		if err == nil && info.Mode().Perm()&0o111 != 0 {
			return nil
		}
	}
	return []Finding{{
		Severity: Error, Path: "usr/sbin/init",
		What: "there is no init",
		Why:  "the kernel has nothing to start",
		Do:   "install an init, such as systemd-sysv or busybox",
	}}
}

// mayBeMade says that a machine makes a file for itself, so that it is no fault that
// the image has none. What a build drops is such a file, or else it would not boot.
func (t *tree) mayBeMade(name string) bool {
	return name == "etc/machine-id" || name == "etc/mtab" || t.rules.Find(name, 0) != nil
}

// source says whether what a line links to or copies is there.
func (t *tree) source(l tmpfiles.Line) end {
	_, how := t.resolve(absolute(linkOf(l)))
	return how
}

// linkOf is what a line makes, if it is a link. What C copies is found in the same way:
// its source is absolute.
func linkOf(l tmpfiles.Line) file {
	return file{path: strings.TrimPrefix(l.Path, "/"), target: l.Argument}
}

// checkTmpfiles wants the sources of lines that link or copy.
func checkTmpfiles(t *tree) (found []Finding) {
	for _, l := range t.tmpfiles {
		link := linkOf(l)
		if !l.Is("LC") || l.IfExists || hasPrefix(absolute(link), documentation) {
			continue
		}
		if how := t.source(l); how == missing || how == loop {
			found = append(found, noSource(l, link))
		}
	}
	return found
}

// noSource says what it means that a line has no source. Links into /etc are made by
// vendors in advance, for what a person may write there.
func noSource(l tmpfiles.Line, link file) Finding {
	where := fmt.Sprintf("%s:%d", l.File, l.Number)
	if l.Is("C") {
		return Finding{
			Severity: Note, Path: link.path,
			What: fmt.Sprintf("%s copies it from %q, which is not there", where, l.Argument),
			Why:  "systemd-tmpfiles passes over such a line without a word",
			Do:   "add it, or remove the line",
		}
	}
	f := Finding{
		Severity: Warning, Path: link.path,
		What: fmt.Sprintf("%s links it to %q, which is not there", where, l.Argument),
		Why:  "whoever opens it fails",
		Do:   "add what it leads to, or mark the line with ? (since systemd 257)",
	}
	switch {
	case strings.HasPrefix(l.Argument, tmpfiles.Factory+"/"):
		f.Severity = Error // nobody else makes what the factory lacks
	case !strings.HasPrefix(absolute(link), "usr/"):
		f.Severity = Note
	}
	return f
}

// checkLines wants lines of tmpfiles.d and sysusers.d that can be read. systemd goes on
// without the others, so that this is no error.
func checkLines(t *tree) (found []Finding) {
	for _, p := range t.broken {
		what := fmt.Sprintf("line %d cannot be used: %v", p.Line, p.Err)
		if p.Line == 0 {
			what = "cannot be read: " + cause(p.Err)
		}
		found = append(found, Finding{
			Severity: Warning, Path: p.File,
			What: what,
			Why:  "what it makes is missing",
			Do:   "correct it",
		})
	}
	return found
}
