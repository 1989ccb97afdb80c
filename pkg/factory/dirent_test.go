package factory

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// record is a struct linux_dirent64.
func record(size uint16, kind byte, name string) []byte {
	b := make([]byte, max(int(size), direntHeader+len(name)))
	binary.NativeEndian.PutUint16(b[16:], size)
	b[18] = kind
	copy(b[direntHeader:], name)
	return b
}

func TestNextDirent(t *testing.T) {
	long := strings.Repeat("n", 255)
	for _, test := range []struct {
		name  string
		block []byte
		want  dirent
		rest  int
		err   error
	}{
		{"plain", record(24, unix.DT_REG, "a\x00"), dirent{"a", unix.DT_REG}, 0, nil},
		{"more follow", append(record(24, 4, "a\x00"), 1, 2), dirent{"a", 4}, 2, nil},
		{"longest", record(280, 8, long+"\x00"), dirent{long, 8}, 0, nil},
		{"padding", record(32, 8, "ab\x00junk"), dirent{"ab", 8}, 0, nil},
		{"empty block", nil, dirent{}, 0, errDirent},
		{"cut in the header", record(24, 8, "a\x00")[:19], dirent{}, 0, errDirent},
		{"cut in the name", record(32, 8, "abcdefgh\x00")[:24], dirent{}, 0, errDirent},
		{"size 0", record(0, 8, "a\x00"), dirent{}, 0, errDirent},
		{"size of the header", record(19, 8, "a\x00"), dirent{}, 0, errDirent},
		{"no end", record(24, 8, "abcde"), dirent{}, 0, errDirent},
		{"no name", record(24, 8, "\x00"), dirent{}, 0, errDirent},
		{"slash", record(32, 8, "../etc\x00"), dirent{}, 0, errDirent},
	} {
		got, rest, err := nextDirent(test.block)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(dirent{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if err != test.err || len(rest) != test.rest {
			t.Errorf("%s: %d bytes left, error %v", test.name, len(rest), err)
		}
	}
}

// No block of bytes leads to a panic, a name with a slash, or no progress.
func FuzzNextDirent(f *testing.F) {
	f.Add(record(24, 8, "a\x00"))
	f.Add(append(record(24, 8, "a\x00"), record(32, 4, "../../x\x00")...))
	f.Fuzz(func(t *testing.T, block []byte) {
		for len(block) > 0 {
			e, rest, err := nextDirent(block)
			if err != nil {
				return
			}
			if e.name == "" || strings.ContainsAny(e.name, "/\x00") || len(rest) >= len(block) {
				t.Fatalf("name %q, %d of %d bytes left", e.name, len(rest), len(block))
			}
			block = rest
		}
	})
}

// What the kernel writes reads as what os.ReadDir says.
func TestNextDirentOfKernel(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"a", strings.Repeat("l", 255), "odd\n\xff", "z"} {
		must(t, os.WriteFile(filepath.Join(top, name), nil, 0o600))
	}
	must(t, os.Mkdir(filepath.Join(top, "dir"), 0o700))
	fd, err := unix.Open(top, dirFlags, 0)
	must(t, err)
	defer closeFD(fd)
	block := make([]byte, namesSize)
	n, err := unix.Getdents(fd, block)
	must(t, err)
	got := map[string]bool{}
	for block = block[:n]; len(block) > 0; {
		var e dirent
		e, block, err = nextDirent(block)
		must(t, err)
		got[e.name] = e.kind == unix.DT_DIR
	}
	want := map[string]bool{".": true, "..": true}
	entries, err := os.ReadDir(top)
	must(t, err)
	for _, e := range entries {
		want[e.Name()] = e.IsDir()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
