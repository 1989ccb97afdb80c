package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// style colours text, if it is the terminal's.
type style bool

// styleOf looks at where text goes: colours are for terminals, and not for people who
// set NO_COLOR (no-color.org).
func styleOf(w io.Writer) style {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (s style) good(text string) string  { return s.paint("32", text) }
func (s style) warn(text string) string  { return s.paint("33", text) }
func (s style) bad(text string) string   { return s.paint("31", text) }
func (s style) title(text string) string { return s.paint("1", text) }

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[m"
}
