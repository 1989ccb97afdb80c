package apply_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// snapshot describes all that is below a directory: what a line can set or spoil. Times
// from since on are the test's own and differ between two runs.
func snapshot(t testing.TB, root string, since time.Time) map[string]string {
	t.Helper()
	tree := map[string]string{}
	names := map[uint64]string{} // of hard links
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if slices.Contains(fixed, strings.TrimPrefix(name, "/")) {
			return fs.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		text := describe(t, path, &st, since)
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if first, seen := names[st.Ino]; seen {
				text = "hard link to " + first
			} else {
				names[st.Ino] = name
			}
		}
		tree[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func describe(t testing.TB, path string, st *unix.Stat_t, since time.Time) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%06o %d:%d", st.Mode, st.Uid, st.Gid)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, " %q", content)
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, " -> %q", target)
	case unix.S_IFCHR, unix.S_IFBLK:
		fmt.Fprintf(&b, " %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if at := time.Unix(st.Mtim.Unix()); at.Before(since) {
		fmt.Fprintf(&b, " %s", at.UTC().Format(time.RFC3339Nano))
	}
	b.WriteString(xattrs(t, path))
	return b.String()
}

func xattrs(t testing.TB, path string) string {
	t.Helper()
	var b strings.Builder
	buf, value := make([]byte, 4096), make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if name == "" {
			continue
		}
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			t.Fatalf("%s %s: %v", path, name, err)
		}
		fmt.Fprintf(&b, " %s=%q", name, value[:n])
	}
	return b.String()
}
