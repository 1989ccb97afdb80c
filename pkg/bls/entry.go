package bls

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Named is an entry with its file name.
type Named struct {
	Name Name
	Entry
}

// Entry is what an entry of type 1 says. Paths are absolute on the partition, with
// slashes.
type Entry struct {
	Title        string
	SortKey      string
	Version      string
	MachineID    string
	Architecture string // EFI's name, see Arch
	Linux        string
	EFI          string // an EFI program, in the place of Linux
	Initrd       []string
	Options      string
}

// MaxEntry is how many bytes an entry, or a loader.conf, may have.
const MaxEntry = 64 << 10

// errTooLong says that a file is no entry for its size alone.
var errTooLong = errors.New("longer than 64 KiB")

// Field is a line of an entry or of loader.conf: a key and all behind it.
type Field struct{ Key, Value string }

// ParseFields reads the lines that are neither empty nor comments.
func ParseFields(text []byte) (fields []Field, err error) {
	if len(text) > MaxEntry {
		return nil, errTooLong
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, value := line, []byte(nil)
		if i := bytes.IndexAny(line, " \t"); i >= 0 {
			key, value = line[:i], bytes.TrimSpace(line[i:])
		}
		fields = append(fields, Field{string(key), string(value)})
	}
	return fields, nil
}

// Parse reads an entry. It must name a kernel or an EFI program.
func Parse(text []byte) (e Entry, err error) {
	fields, err := ParseFields(text)
	if err != nil {
		return Entry{}, fmt.Errorf("parse entry: %w", err)
	}
	for _, f := range fields {
		e.set(f)
	}
	if e.Linux == "" && e.EFI == "" {
		return Entry{}, errors.New("parse entry: neither linux nor efi")
	}
	return e, nil
}

// set takes a field over. Those that may repeat add up, of others the last one counts.
func (e *Entry) set(f Field) {
	switch f.Key {
	case "initrd":
		e.Initrd = append(e.Initrd, f.Value)
	case "options":
		e.Options = strings.TrimSpace(e.Options + " " + f.Value)
	default:
		if value := e.single(f.Key); value != nil {
			*value = f.Value
		}
	}
}

// single returns where a field that does not repeat is, nil if it is not known.
func (e *Entry) single(key string) *string {
	return map[string]*string{
		"title": &e.Title, "sort-key": &e.SortKey, "version": &e.Version,
		"machine-id": &e.MachineID, "architecture": &e.Architecture,
		"linux": &e.Linux, "efi": &e.EFI,
	}[key]
}

// Format returns the text of the entry.
func (e Entry) Format() []byte {
	fields := []Field{
		{"title", e.Title}, {"sort-key", e.SortKey}, {"version", e.Version},
		{"machine-id", e.MachineID}, {"architecture", e.Architecture},
		{"linux", e.Linux}, {"efi", e.EFI},
	}
	for _, path := range e.Initrd {
		fields = append(fields, Field{"initrd", path})
	}
	return FormatFields(append(fields, Field{"options", e.Options}))
}

// FormatFields returns the text of fields. Those without a value are left out.
func FormatFields(fields []Field) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		if value := Line(f.Value); value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", f.Key, value)
		}
	}
	return b.Bytes()
}

// Line makes a text one line that a boot loader reads as it is: what is not printable
// becomes a space, and spaces at the ends go.
func Line(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text))
}
