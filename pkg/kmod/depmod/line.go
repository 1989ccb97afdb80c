package depmod

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	// maxLine is far above the longest line of modules.dep, 2 kB for a module that
	// needs 40 others.
	maxLine = 64 << 10
	// maxIndex is far above the longest index, 1.5 MB of aliases.
	maxIndex = 64 << 20
)

// eachLine calls add with the words of every line of an index that is not empty or a
// comment. An index that does not exist has no lines.
func eachLine(fsys fs.FS, name string, add func(words []string) error) error {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxIndex))
	lines.Buffer(nil, maxLine)
	number, size := 0, 0
	for lines.Scan() {
		number++
		size += len(lines.Bytes()) + 1
		words := strings.Fields(lines.Text())
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if err := add(words); err != nil {
			return fmt.Errorf("read %s line %d: %w", name, number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s line %d: %w", name, number+1, err)
	}
	if size >= maxIndex {
		return fmt.Errorf("read %s: larger than 64 MiB", name)
	}
	return nil
}
