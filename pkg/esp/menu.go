package esp

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// menuMark begins the menus that are ours.
const menuMark = "# Written by freshroot esp sync, which replaces it.\n"

// menu is a file with all entries. The versions in it are read back by their pins, with
// all that follows on the line, so the command line ends its line in all formats.
type menu struct {
	path    string
	prompt  string // the line, if any, without which the timeout has no effect
	timeout string // the line with it, for fmt
	unit    int    // of that, in a second
	format  func(entries []menuEntry) string
	unquote func(text string) string
}

var menus = map[Style]menu{
	Extlinux: {
		"extlinux/extlinux.conf", "prompt 1\n", "timeout %d\n", 10, formatExtlinux, strings.Clone,
	},
	Grub: {"grub/grub.cfg", "", "set timeout=%d\n", 1, formatGrub, grubUnquote},
}

// defaultTimeout is how long a menu is shown, in seconds, where nothing else is said.
const defaultTimeout = 3

// header begins a menu. With a prompt, a timeout of 0 would be to wait forever.
func (m menu) header(timeout int) string {
	text := menuMark
	if timeout > 0 {
		text += m.prompt
	}
	return text + fmt.Sprintf(m.timeout, m.unit*timeout)
}

func isMenu(path string) bool {
	return path == menus[Extlinux].path || path == menus[Grub].path
}

// menuEntry is what all menus say of a version. Paths begin with a slash.
type menuEntry struct {
	id, title, kernel, initramfs, cmdline string
}

// writeMenu adds the menu. A version that is protected stays in it.
func (d *decider) writeMenu() error {
	m := menus[d.Style]
	if slices.Contains(d.Foreign, m.path) {
		return fmt.Errorf("%s is not ours: move it away", m.path)
	}
	return d.updateMenu(m, slices.Concat(d.want, d.keptVersions()))
}

// retireMenu removes a menu that is not of the style that is wanted, but for versions
// that are protected.
func (d *decider) retireMenu(style Style) error {
	path := menus[style].path
	kept := slices.DeleteFunc(d.keptVersions(), func(v Version) bool {
		return !slices.ContainsFunc(d.Entries, func(e Entry) bool {
			return e.Path == path && e.id() == idOf(v.Usr)
		})
	})
	switch {
	case style == d.Style || d.sizes[path] == 0:
		return nil
	case len(kept) > 0:
		return d.updateMenu(menus[style], kept)
	}
	d.remove(path)
	return nil
}

// keptVersions returns what is known of the versions that are protected, though not
// wanted, and have their files here.
func (d *decider) keptVersions() (list []Version) {
	for _, id := range d.kept {
		if _, found := d.sizes[id.path(kernelName)]; !found {
			continue
		}
		v := Version{Usr: subvol.Member{Vendor: id.vendor, Version: id.version}, Title: id.vendor}
		v.Options = d.options(v)
		if _, found := d.sizes[id.path(initramfsName)]; found {
			v.Initramfs = Bytes(nil) // not to be written, but to be named
		}
		list = append(list, v)
	}
	return list
}

func (d *decider) updateMenu(m menu, versions []Version) error {
	var entries []menuEntry
	for _, v := range versions {
		entries = append(entries, menuEntryOf(v))
	}
	return d.update(m.path, Bytes([]byte(m.header(d.Timeout)+m.format(entries))))
}

func menuEntryOf(v Version) menuEntry {
	id := idOf(v.Usr)
	e := menuEntry{
		id: id.entry(bls.ConfSuffix).ID, title: bls.Line(v.Title + " " + id.version),
		kernel: "/" + id.path(kernelName), cmdline: v.cmdline(),
	}
	if v.Initramfs.Open != nil {
		e.initramfs = "/" + id.path(initramfsName)
	}
	return e
}

// formatExtlinux is for U-Boot, which boots the default and, should a file of it be
// missing, the others in their order (U-Boot doc/README.pxe).
func formatExtlinux(entries []menuEntry) string {
	var b bytes.Buffer
	if len(entries) > 0 {
		fmt.Fprintf(&b, "default %s\n", entries[0].id)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "\nlabel %s\n\tmenu label %s\n\tlinux %s\n", e.id, e.title, e.kernel)
		if e.initramfs != "" {
			fmt.Fprintf(&b, "\tinitrd %s\n", e.initramfs)
		}
		fmt.Fprintf(&b, "\tappend %s\n", e.cmdline)
	}
	return b.String()
}

// formatGrub has one entry after the other: what it says does not depend on what GRUB
// finds. The partition is searched by the kernel, wherever the menu was read from.
func formatGrub(entries []menuEntry) string {
	var b bytes.Buffer
	b.WriteString("set default=0\n")
	if len(entries) > 1 {
		b.WriteString("set fallback=1\n")
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "\nmenuentry %s --id %s {\n", grubQuote(e.title), e.id)
		fmt.Fprintf(&b, "\tsearch --no-floppy --file --set=root %s\n", e.kernel)
		fmt.Fprintf(&b, "\tlinux %s %s\n", e.kernel, grubQuoteWords(e.cmdline))
		if e.initramfs != "" {
			fmt.Fprintf(&b, "\tinitrd %s\n", e.initramfs)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func grubQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// grubSpecial are the characters that mean something to GRUB's shell, but for double
// quotes, which keep words together for it as for the kernel.
const grubSpecial = "\\'$;&|<>{}()#~*?[]!`"

func grubQuoteWords(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(grubSpecial, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// grubUnquote takes back what grubQuoteWords did.
func grubUnquote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
