package archive

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

func TestInspectRefuses(t *testing.T) {
	archive := func(records ...cpio.Record) string {
		files := tree{}
		for _, r := range records {
			files[r.Name] = r
		}
		data, err := files.pack(time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	good := archive(cpio.StaticFile("init", "#!", 0o755))
	tests := []struct{ name, data, want string }{
		{"empty", "", "file 1 of the archive: no cpio header"},
		{"cut off", good[:150], "file 2 of the archive: no cpio header"},
		{"cut off in a name", good[:112], "file 1 of the archive: unexpected EOF"},
		{"no digits", good[:20] + "x" + good[21:], "invalid syntax"},
		{"name of 4 GiB", good[:94] + "FFFFFFFF" + good[102:], "unexpected EOF"},
		{"file of 4 GiB", good[:54] + "FFFFFFFF" + good[62:], "unexpected EOF"},
		{"no name", good[:94] + "00000000" + good[102:], "unexpected EOF"},
		{"not zstd", "\x28\xb5\x2f\xfd....", "unpack: "},
		{"bad table", archive(cpio.StaticFile(TableFile, "x", 0o644)),
			"read /modules/table: not a module table"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Inspect(strings.NewReader(tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// zeros never end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestInspectBounds(t *testing.T) {
	if _, err := Inspect(zeros{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got error %v, want ErrTooLarge", err)
	}
}

// What nextFile takes off an archive is what u-root's reader finds there.
func FuzzNextFile(f *testing.F) {
	files := baseTree()
	files["init"] = cpio.StaticFile("init", "#!/bin/sh\n", 0o755)
	data, err := files.pack(time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		file, content, rest, err := nextFile(data)
		if err != nil {
			return
		}
		if len(content)+len(rest)+headerSize > len(data) {
			t.Errorf("%d and %d bytes come out of %d", len(content), len(rest), len(data))
		}
		record, err := cpio.Newc.Reader(bytes.NewReader(data)).ReadRecord()
		if err == io.EOF && file.Name == trailer {
			return
		}
		if err != nil {
			return // u-root takes digits only in pairs
		}
		want := File{cpio.Normalize(record.Name), Mode(record.Mode), record.FileSize}
		file.Name = cpio.Normalize(file.Name)
		if diff := cmp.Diff(want, file); diff != "" {
			t.Errorf("file (-u-root +ours):\n%s", diff)
		}
	})
}
