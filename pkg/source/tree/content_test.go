package tree_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// TestIntegrationContent writes files with zeros at each place in relation to blocks and to
// the buffer, and counts the blocks that they take.
func TestIntegrationContent(t *testing.T) {
	const block, buffer = 4 << 10, 256 << 10
	data := func(n int) string { return strings.Repeat("d", n) }
	zero := func(n int) string { return strings.Repeat("\x00", n) }
	tests := []struct {
		name, content string
		blocks        int64 // of 4 KiB
	}{
		{"empty", "", 0},
		{"a byte", "d", 1},
		{"a zero", zero(1), 0},
		{"zeros at the end", data(block) + zero(5*block+1), 1},
		{"zeros at the start", zero(3*block) + "d", 1},
		{"less than a block", data(10) + zero(block-10) + data(10), 2},
		{"around", data(block) + zero(2*block) + data(block), 2},
		{"beyond the buffer", data(buffer) + zero(buffer) + data(1), buffer/block + 1},
		{"an odd end", zero(buffer+block) + zero(100), 0},
		{"in every block", strings.Repeat(zero(block-1)+"d", 70), 70},
	}
	dir := testfs.Tmpfs(t, "size=16m,huge=never")
	b, err := tree.New(testfs.Open(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, test := range tests {
		size := int64(len(test.content))
		if err := b.File(test.name, tree.Attributes{Mode: 0o600}, size, strings.NewReader(test.content)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, test.name)
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, []byte(test.content)) {
			t.Errorf("%s: %d bytes of content differ (%v)", test.name, len(got), err)
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Blocks != test.blocks*8 {
			t.Errorf("%s takes %d blocks of 512 bytes (%v), want %d", test.name, st.Blocks, err, test.blocks*8)
		}
	}
	err = b.File("short", tree.Attributes{}, 10, strings.NewReader("less"))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that ends too early: %v", err)
	}
}

// TestIntegrationFinish makes directories whose attributes keep others out, and change with
// all that is made in them.
func TestIntegrationFinish(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m")
	b, err := tree.New(testfs.Open(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a := tree.Attributes{UID: 7, GID: 8, Mode: 0o2511, Mtime: unix.Timespec{Sec: 1e9, Nsec: 5}}
	for _, err := range []error{
		b.Dir("closed", a),
		b.File("closed/implied/file", tree.Attributes{}, 0, strings.NewReader("")),
		b.Dir("closed", a), // a second time changes nothing
		b.Finish(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var closed, implied unix.Stat_t
	for name, st := range map[string]*unix.Stat_t{"closed": &closed, "closed/implied": &implied} {
		if err := unix.Stat(filepath.Join(dir, name), st); err != nil {
			t.Fatal(err)
		}
	}
	if closed.Uid != 7 || closed.Gid != 8 || closed.Mode != unix.S_IFDIR|0o2511 || closed.Mtim != a.Mtime {
		t.Errorf("it has %+v", closed)
	}
	if implied.Uid != 0 || implied.Gid != 0 || implied.Mode != unix.S_IFDIR|0o755 || implied.Mtim.Sec != 0 {
		t.Errorf("what the archive does not describe has %+v", implied)
	}
}

func TestIntegrationNotEmpty(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.New(testfs.Open(t, dir)); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("error %v", err)
	}
}
