package sysusers

import (
	"bufio"
	"errors"
	"io"
)

// blank is what is stripped from the ends of a line.
const blank = " \t\n\r"

// errLongLine ends the reading: what follows is not known to be lines.
var errLongLine = errors.New("line longer than 1 MiB")

// lineReader cuts a text into lines. A line ends at a line feed, a carriage return, a
// zero byte, or at one of each in a row, so that lines are counted the same whichever
// system wrote the file.
type lineReader struct {
	r    *bufio.Reader
	line []byte
}

// next returns a line without its end, or io.EOF after the last one.
func (l *lineReader) next() (string, error) {
	l.line = l.line[:0]
	for {
		b, err := l.r.ReadByte()
		switch {
		// The last line need not end.
		case err == io.EOF && len(l.line) > 0:
			return string(l.line), nil
		case err != nil:
			return "", err
		case ends(b):
			return string(l.line), l.skipEnd(b)
		case len(l.line) == maxLine-1:
			return "", errLongLine
		}
		l.line = append(l.line, b)
	}
}

// skipEnd passes over the other bytes of an end of line that began with a byte.
func (l *lineReader) skipEnd(first byte) error {
	seen := []byte{first}
	for seen[len(seen)-1] != 0 {
		next, err := l.r.Peek(1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		// The same byte again is the end of another line, which is empty.
		b := next[0]
		if !ends(b) || contains(seen, b) {
			return nil
		}
		seen = append(seen, b)
		l.r.Discard(1)
	}
	return nil
}

// ends says that a byte ends a line.
func ends(b byte) bool { return b == '\n' || b == '\r' || b == 0 }

// contains is for the few bytes of an end of line.
func contains(bytes []byte, b byte) bool {
	for _, c := range bytes {
		if c == b {
			return true
		}
	}
	return false
}
