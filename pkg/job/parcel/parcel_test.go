package parcel_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/job/parcel"
)

const limit = 1 << 20

// tree lists what is at a path: mode, and content or target.
func tree(t *testing.T, top string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content []byte
		switch {
		case info.Mode().IsRegular():
			content, err = os.ReadFile(path)
		case info.Mode()&fs.ModeSymlink != 0:
			var target string
			target, err = os.Readlink(path)
			content = []byte(target)
		}
		list[strings.TrimPrefix(path, top)] = info.Mode().String() + " " + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), mode))
	if err != nil {
		t.Fatal(err)
	}
}

func TestDirectory(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "a/b")
	write(t, from+"/file", "content\n", 0o640)
	write(t, from+"/run/program \u00e4", "", 0o755)
	for link, target := range map[string]string{"absolute": "/etc", "run/up": "../../file"} {
		if err := os.Symlink(target, filepath.Join(from, link)); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Unix(1e9, 0)
	if err := os.Chtimes(from+"/file", then, then); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there already
		var b bytes.Buffer
		if err := parcel.Pack(t.Context(), &b, from); err != nil {
			t.Fatal(err)
		}
		b.Write(make([]byte, 4096)) // as on a disk that is larger
		if err := parcel.Unpack(t.Context(), &b, to, limit); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree(t, from), tree(t, to)); diff != "" {
			t.Errorf("(-from +to):\n%s", diff)
		}
	}
	info, err := os.Stat(to + "/file")
	if err != nil || !info.ModTime().Equal(then) {
		t.Errorf("time %v: %v", info.ModTime(), err)
	}
}

func TestFile(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "a/to")
	write(t, from, "content\n", 0o600)
	var b bytes.Buffer
	err := parcel.Pack(t.Context(), &b, from)
	if err == nil {
		err = parcel.Unpack(t.Context(), &b, to, limit)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"": "drwxr-xr-x ", "/to": "-rw------- content\n"}
	if diff := cmp.Diff(want, tree(t, filepath.Dir(to))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPackRefuses(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	var b bytes.Buffer
	if err := parcel.Pack(done, &b, t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := parcel.Pack(t.Context(), &b, "/dev/null"); err == nil {
		t.Error("a device is packed")
	}
	if err := parcel.Pack(t.Context(), &b, "/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("/nonexistent: %v", err)
	}
}

// entries makes a tar; names that end in a slash are directories, those with "->" links.
func entries(t testing.TB, list ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range list {
		header := &tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}
		link, target, isLink := strings.Cut(name, "->")
		switch {
		case isLink:
			header.Name, header.Linkname, header.Typeflag = link, target, tar.TypeSymlink
		case strings.HasSuffix(name, "/"):
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestUnpackRefuses(t *testing.T) {
	var large bytes.Buffer
	w := tar.NewWriter(&large)
	_ = w.WriteHeader(&tar.Header{Name: ".", Mode: 0o600, Size: limit})
	for name, test := range map[string]struct {
		tar  []byte
		want string
	}{
		"nothing":        {make([]byte, 1024), "nothing in it"},
		"no tar":         {bytes.Repeat([]byte("x"), 1024), "invalid tar header"},
		"other":          {entries(t, "a"), `begins with "a"`},
		"dots":           {entries(t, "./", "../a"), "escapes"},
		"absolute":       {entries(t, "./", "/a"), "escapes"},
		"through a link": {entries(t, "./", "out->..", "out/a"), "escapes"},
		"over a tree":    {entries(t, "./", "d/", "d/a", "d->a"), "not empty"},
		"a device":       {device(t), "neither file"},
		"too large":      {large.Bytes(), "larger than it may be"},
		"cut off":        {entries(t, "./", "a")[:700], "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			err := parcel.Unpack(t.Context(), bytes.NewReader(test.tar), filepath.Join(top, "x"), limit)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if list, _ := filepath.Glob(top + "/x/.freshroot-new"); list != nil {
				t.Errorf("left: %q", list)
			}
			if got, _ := os.ReadDir(top); len(got) > 1 {
				t.Errorf("made beside the target: %v", got)
			}
		})
	}
}

// device is a tar with one.
func device(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.Write(entries(t, "./"))
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "null", Typeflag: tar.TypeChar}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzUnpack looks for what is made beside the target.
func FuzzUnpack(f *testing.F) {
	f.Add(entries(f, "."))
	f.Add(entries(f, "./", "d/", "d/a", "l->d", "l/b", "../c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		_ = parcel.Unpack(t.Context(), bytes.NewReader(data), filepath.Join(top, "x"), limit)
		if got, _ := os.ReadDir(top); len(got) > 1 {
			t.Errorf("made beside the target: %v", got)
		}
	})
}
