package writelog

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logOf writes a log as the format has it: of a request the place and the length in
// sectors, the flags, and data whose every byte is the number of the entry.
func logOf(requests ...[3]uint64) []byte {
	b := header(uint64(len(requests)))
	for i, r := range requests {
		b = append(b, pad(words(r[0], r[1], r[2], 0))...)
		if Flags(r[2])&(Discard|Mark) == 0 {
			b = append(b, bytes.Repeat([]byte{byte(i + 1)}, int(r[1])*sectorSize)...)
		}
	}
	return b
}

func header(entries uint64) []byte { return pad(words(magic, version, entries, sectorSize)) }

func words(list ...uint64) (b []byte) {
	for _, w := range list {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

func pad(b []byte) []byte { return append(b, make([]byte, sectorSize-len(b))...) }

func read(b []byte) (*Log, error) { return Read(bytes.NewReader(b), int64(len(b))) }

func TestRead(t *testing.T) {
	l, err := read(logOf([3]uint64{8, 2, uint64(FUA)}, [3]uint64{0, 0, uint64(Flush)},
		[3]uint64{16, 1 << 20, uint64(Discard)}, [3]uint64{1, 1, 0}))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{FUA, 4096, 1024, 1024}, {Flush, 0, 0, 2560}, {Discard, 8192, 0, 3072}, {0, 512, 512, 3584},
	}
	if diff := cmp.Diff(want, l.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	cut := logOf([3]uint64{0, 2, 0})
	sectors := header(0)
	sectors[sectorOffset] = 1
	for want, text := range map[string][]byte{
		"header: EOF":                      nil,
		"magic 0x0, version 0":             make([]byte, sectorSize),
		"sectors of 513 bytes":             sectors,
		"9 entries in 512 bytes":           header(9),
		"entry 0: unexpected EOF":          cut[:len(cut)-1],
		"entry 0: EOF":                     header(1),
		"entry 0: flags 0x10":              logOf([3]uint64{0, 0, 16}),
		"entry 0: more than 1 GiB":         append(header(1), pad(words(0, 1<<22, 0, 0))...),
		"entry 0: 1 sectors at 1152921504": append(header(1), pad(words(1<<60, 1, 0, 0))...),
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestIntegrationQEMU reads what QEMU has written, and makes the same disk of it.
func TestIntegrationQEMU(t *testing.T) {
	if _, err := exec.LookPath("qemu-io"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	disk, log := filepath.Join(dir, "disk"), filepath.Join(dir, "log")
	const size = 4 << 20
	for path, size := range map[string]int64{disk: size, log: 0} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("qemu-io", "-c", "write -P 1 0 8k", "-c", "flush",
		"-c", "write -P 2 4k 64k", "-c", "write -z 1M 64k", "-c", "write -P 3 8k 512",
		"--image-opts", "driver=blklogwrites,file.driver=file,file.filename="+disk+
			",log.driver=file,log.filename="+log).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	l, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	got := make(memory, size)
	if err := l.Apply(got, All(len(l.Entries))); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) || l.Entries[1].Flags != Flush {
		t.Errorf("another disk, or no flush: %+v", l.Entries)
	}
}

// FuzzRead reads hostile logs, and cuts what it can read.
func FuzzRead(f *testing.F) {
	f.Add(logOf([3]uint64{0, 2, 1}, [3]uint64{8, 9, 2}))
	f.Add(header(1))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := read(text)
		if err != nil {
			return
		}
		c := l.Cut(seeded(1), 0)
		if err := l.Apply(discard{}, c); err != nil {
			t.Error(err)
		}
	})
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
