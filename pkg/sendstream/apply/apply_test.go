package apply_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/sendstream"
	"github.com/freshroot/freshroot/pkg/sendstream/apply"
	"github.com/freshroot/freshroot/pkg/sendstream/sendtest"
)

// stream is a stream that is being written.
type stream []byte

func begun() *stream {
	s := stream(sendtest.Begun())
	return &s
}

// do adds a command for a path; attributes are pairs of a number and a value.
func (s *stream) do(op sendstream.Op, path string, attributes ...any) *stream {
	list := []sendtest.Attribute{{Number: sendtest.Path, Value: path}}
	for i := 0; i < len(attributes); i += 2 {
		list = append(list, sendtest.Attribute{Number: uint16(attributes[i].(int)), Value: attributes[i+1]})
	}
	*s = sendtest.Command(*s, op, list...)
	return s
}

func (s *stream) end() []byte { return sendtest.Command(*s, sendstream.End) }

func applyTo(t testing.TB, dir string, stream []byte) error {
	t.Helper()
	_, err := apply.Apply(testfs.Open(t, dir), bytes.NewReader(stream))
	return err
}

// write and clone are the attributes of such a command.
func write(offset uint64, data string) []any {
	return []any{sendtest.Offset, offset, sendtest.Data, data}
}

func clone(uuid sendstream.UUID, from string, start, size, to uint64) []any {
	return []any{
		sendtest.Offset, to, sendtest.CloneLen, size, sendtest.CloneUUID, uuid,
		sendtest.ClonePath, from, sendtest.CloneStart, start,
	}
}

func encoded(packing uint32, data string, size, start, plain uint64) []any {
	return []any{
		sendtest.Offset, uint64(0), sendtest.FileLen, size, sendtest.PlainLen, plain,
		sendtest.PlainStart, start, sendtest.Packing, packing, sendtest.Data, data,
	}
}

// TestIntegrationClone clones where extents cannot be shared: on a tmpfs, and within a block.
func TestIntegrationClone(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m")
	s := begun().do(sendstream.Mkfile, "a").do(sendstream.Mkfile, "b")
	s.do(sendstream.Write, "a", write(0, "0123456789")...)
	s.do(sendstream.Clone, "b", clone(sendstream.UUID{}, "a", 2, 5, 3)...)
	s.do(sendstream.Clone, "a", clone(sendstream.UUID{}, "a", 0, 3, 7)...)
	if err := applyTo(t, dir, s.end()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "0123456012", "b": "\x00\x00\x0023456"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

// TestIntegrationDevices receives device nodes as btrfs sends them: under a name that says
// nothing of where they will be.
func TestIntegrationDevices(t *testing.T) {
	null := []any{sendtest.Mode, uint64(0o20666), sendtest.Rdev, uint64(0x103)}
	dir := testfs.Tmpfs(t, "size=1m")
	s := begun().do(sendstream.Mknod, "o1", null...).do(sendstream.Mkdir, "dev")
	s.do(sendstream.Rename, "o1", sendtest.To, "dev/null")
	s.do(sendstream.Chmod, "dev/null", sendtest.Mode, uint64(0o666))
	if err := applyTo(t, dir, s.end()); err != nil {
		t.Error(err)
	}
	if left := zoo.Snapshot(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	dir = testfs.Tmpfs(t, "size=1m")
	s = begun().do(sendstream.Mknod, "o1", null...).do(sendstream.Link, "null", sendtest.Target, "o1")
	err := applyTo(t, dir, s.do(sendstream.Unlink, "o1").end())
	if err == nil || !strings.Contains(err.Error(), "device node outside of dev") {
		t.Errorf("error %v", err)
	}
}

// TestIntegrationHostile sees that no stream reaches what is not in the tree.
func TestIntegrationHostile(t *testing.T) {
	uid, times := []any{sendtest.UID, uint64(7), sendtest.GID, uint64(7)}, []any{
		sendtest.Atime, sendstream.Time{}, sendtest.Mtime, sendstream.Time{},
	}
	huge := uint64(math.MaxInt64)
	tests := []struct {
		name, want string
		stream     *stream
	}{
		{"up", "leads out", begun().do(sendstream.Mkfile, "../new")},
		{"absolute", "leads out", begun().do(sendstream.Mkfile, "/tmp/new")},
		{"in the middle", "leads out", begun().do(sendstream.Mkdir, "a").do(sendstream.Mkdir, "a/../../new")},
		{"zero", "zero byte", begun().do(sendstream.Mkdir, "a\x00b")},
		{"through a link", "not a directory", link("link").do(sendstream.Mkfile, "link/new")},
		{"write to a link", "too many levels", link("link/secret").do(sendstream.Write, "link", write(0, "x")...)},
		{"truncate a link", "too many levels", link("link/secret").do(sendstream.Truncate, "link", sendtest.Size, uint64(0))},
		{"chmod a link", "not supported", link("link/secret").do(sendstream.Chmod, "link", sendtest.Mode, uint64(0o777))},
		{"rename to", "leads out", begun().do(sendstream.Mkfile, "a").do(sendstream.Rename, "a", sendtest.To, "../new")},
		{"rename from", "leads out", begun().do(sendstream.Rename, "../outside/secret", sendtest.To, "a")},
		{"link from", "leads out", begun().do(sendstream.Link, "a", sendtest.Target, "../outside/secret")},
		{"clone from", "leads out", begun().do(sendstream.Mkfile, "a").
			do(sendstream.Clone, "a", clone(sendstream.UUID{}, "../outside/secret", 0, 1, 0)...)},
		{"clone another", "another subvolume", begun().do(sendstream.Mkfile, "a").
			do(sendstream.Clone, "a", clone(sendstream.UUID{1}, "a", 0, 1, 0)...)},
		{"clone far", "beyond", begun().do(sendstream.Mkfile, "a").
			do(sendstream.Clone, "a", clone(sendstream.UUID{}, "a", huge, huge, 0)...)},
		{"clone more", "too short", begun().do(sendstream.Mkfile, "a").do(sendstream.Mkfile, "b").
			do(sendstream.Clone, "b", clone(sendstream.UUID{}, "a", 0, 10, 0)...)},
		{"remove the top", "", begun().do(sendstream.Rmdir, "")},
		{"a FIFO", "not a regular file", begun().do(sendstream.Mkfifo, "p").do(sendstream.Write, "p", write(0, "x")...)},
		{"a directory", "is a directory", begun().do(sendstream.Mkdir, "d").do(sendstream.Write, "d", write(0, "x")...)},
		{"twice", "file exists", begun().do(sendstream.Mkdir, "d").do(sendstream.Mkdir, "d")},
		{"far", "beyond", begun().do(sendstream.Mkfile, "a").do(sendstream.Write, "a", write(math.MaxUint64, "x")...)},
		{"large", "beyond", begun().do(sendstream.Mkfile, "a").do(sendstream.Truncate, "a", sendtest.Size, uint64(math.MaxUint64))},
		{"owner", "none above", begun().do(sendstream.Chown, "", sendtest.UID, uint64(math.MaxUint32), sendtest.GID, uint64(0))},
		{"lzo", "compression 3", begun().do(sendstream.Mkfile, "a").do(sendstream.EncodedWrite, "a", encoded(3, "x", 1, 0, 1)...)},
		{"bomb", "no extent", begun().do(sendstream.Mkfile, "a").do(sendstream.EncodedWrite, "a", encoded(2, "x", 1, 0, huge)...)},
		{"part", "no extent", begun().do(sendstream.Mkfile, "a").do(sendstream.EncodedWrite, "a", encoded(0, "x", 2, 9, 10)...)},
		{"zstd", "decompress", begun().do(sendstream.Mkfile, "a").do(sendstream.EncodedWrite, "a", encoded(2, "xxxx", 1, 0, 1)...)},
		{"zlib", "decompress", begun().do(sendstream.Mkfile, "a").do(sendstream.EncodedWrite, "a", encoded(1, "xxxx", 1, 0, 1)...)},
		{"snapshot", "without -p", first(sendstream.Snapshot)},
		{"no data", "without --no-data", begun().do(sendstream.UpdateExtent, "a")},
		{"no subvolume", "out of place", first(sendstream.Mkdir)},
		{"owner up", "leads out", begun().do(sendstream.Chown, "../outside/secret", uid...)},
		{"times up", "leads out", begun().do(sendstream.Utimes, "../outside/secret", times...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			top := testfs.Tmpfs(t, "size=4m")
			m := &zoo.Maker{T: t, Dir: top}
			m.File("outside/secret", "secret", 0o600)
			m.Mkdir("tree", 0o755)
			m.Age()
			before := zoo.Snapshot(t, m.Path("outside"))
			err := applyTo(t, m.Path("tree"), test.stream.end())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			zoo.Equal(t, before, zoo.Snapshot(t, m.Path("outside")))
		})
	}
}

// link begins a stream with a link to a place beside the tree.
func link(path string) *stream {
	return begun().do(sendstream.Symlink, "link", sendtest.Target, strings.Replace(path, "link", "../outside", 1))
}

// first is a stream that begins with a command.
func first(op sendstream.Op) *stream {
	s := stream(sendtest.Stream(2))
	return s.do(op, "s")
}

func TestIntegrationFull(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=64k")
	s := begun().do(sendstream.Mkfile, "a")
	for i := range 8 {
		s.do(sendstream.Write, "a", write(uint64(i)<<15, strings.Repeat("x", 1<<15))...)
	}
	if err := applyTo(t, dir, s.end()); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v, want that there is no space", err)
	}
}

// TestIntegrationCut sees that a stream that ends at any byte but the last is not taken
// for whole.
func TestIntegrationCut(t *testing.T) {
	top := testfs.Tmpfs(t, "size=4m")
	whole := begun().do(sendstream.Mkdir, "d").do(sendstream.Mkfile, "d/f").
		do(sendstream.Write, "d/f", write(0, "content")...).end()
	for n := range whole {
		dir, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := applyTo(t, dir, whole[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}
