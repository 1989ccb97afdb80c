package gpt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	diskfs "github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/gpt"
)

const (
	diskSize = 8 << 20
	diskID   = "01234567-89ab-cdef-0123-456789abcdef"
	espID    = "11111111-89ab-cdef-0123-456789abcdef"
	poolID   = "22222222-89ab-cdef-0123-456789abcdef"
	rootType = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
)

// newDisk returns a disk that go-diskfs has partitioned: an ESP and a pool.
func newDisk(t testing.TB, sector int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		t.Fatal(err)
	}
	at := func(mib int) uint64 { return uint64(mib << 20 / sector) }
	table := &diskfs.Table{
		LogicalSectorSize: sector, PhysicalSectorSize: sector, GUID: diskID, ProtectiveMBR: true,
		Partitions: []*diskfs.Partition{
			{Index: 1, Start: at(1), End: at(3) - 1, Type: diskfs.EFISystemPartition, Name: "EFI", GUID: espID},
			{Index: 3, Start: at(3), End: at(7) - 1, Type: rootType, Name: "frèshroot 𝄞", GUID: poolID,
				Attributes: gpt.NoAuto},
		},
	}
	storage := file.New(f, false)
	w, err := storage.Writable()
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Write(w, diskSize); err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func guid(t testing.TB, s string) gpt.GUID {
	t.Helper()
	g, err := gpt.ParseGUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func read(disk []byte, sector int) (*gpt.Table, error) {
	return gpt.Read(bytes.NewReader(disk), int64(len(disk)), sector)
}

func TestRead(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		got, err := read(newDisk(t, sector), sector)
		if err != nil {
			t.Fatal(err)
		}
		end := int64(diskSize - sector - 128*128)
		want := &gpt.Table{DiskGUID: guid(t, diskID), SectorSize: sector, End: end, Partitions: []gpt.Partition{
			{Number: 1, Type: guid(t, gpt.ESP), GUID: guid(t, espID), Offset: 1 << 20, Size: 2 << 20, Label: "EFI"},
			{Number: 3, Type: guid(t, gpt.RootType("x86-64")), GUID: guid(t, poolID),
				Offset: 3 << 20, Size: 4 << 20, Attributes: gpt.NoAuto, Label: "frèshroot 𝄞"},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sectors of %d (-want +got):\n%s", sector, diff)
		}
	}
}

func TestProbeFindsTheSectorSize(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		disk := newDisk(t, sector)
		table, err := gpt.Probe(bytes.NewReader(disk), diskSize)
		if err != nil || table.SectorSize != sector {
			t.Errorf("Probe = %+v, %v, want sectors of %d", table, err, sector)
		}
	}
}

// resign corrects the checksums of the header at an LBA, so that only the change
// before can be what is complained of.
func resign(disk []byte, sector, lba int) {
	h := disk[lba*sector:][:sector]
	copy(h[16:20], make([]byte, 4))
	size := min(binary.LittleEndian.Uint32(h[12:]), uint32(sector))
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:size]))
}

func put32(disk []byte, at int, v uint32) { binary.LittleEndian.PutUint32(disk[at:], v) }
func put64(disk []byte, at int, v uint64) { binary.LittleEndian.PutUint64(disk[at:], v) }

const lastLBA = diskSize/512 - 1

// damages are ways to spoil a primary header, with what is said of it.
var damages = map[string]struct {
	spoil func(disk []byte)
	want  string
}{
	"zeroed":         {func(d []byte) { clear(d[512:1024]) }, "no GPT"},
	"bit flipped":    {func(d []byte) { d[512+60] ^= 1 }, "wrong header checksum"},
	"entry changed":  {func(d []byte) { d[1024+5] ^= 1 }, "wrong checksum of the entries"},
	"too many":       {func(d []byte) { put32(d, 512+80, 1<<31); resign(d, 512, 1) }, "2147483648 entries, more than 1024"},
	"entry size 0":   {func(d []byte) { put32(d, 512+84, 0); resign(d, 512, 1) }, "entries of 0 bytes"},
	"entry size 129": {func(d []byte) { put32(d, 512+84, 129); resign(d, 512, 1) }, "entries of 129 bytes"},
	"entry size 4G":  {func(d []byte) { put32(d, 512+84, 1<<31); resign(d, 512, 1) }, "entries of 2147483648 bytes"},
	"header size":    {func(d []byte) { put32(d, 512+12, 91) }, "header of 91 bytes"},
	"header size 4G": {func(d []byte) { put32(d, 512+12, 1<<32-1) }, "header of 4294967295 bytes"},
	"own place":      {func(d []byte) { put64(d, 512+24, 7); resign(d, 512, 1) }, "says it is at 7"},
	"entries at 0":   {func(d []byte) { put64(d, 512+72, 0); resign(d, 512, 1) }, "entries at sector 0"},
	"entries beyond": {func(d []byte) { put64(d, 512+72, 1<<60); resign(d, 512, 1) }, "entries at sector 1152921504606846976"},
	"entries at end": {func(d []byte) { put64(d, 512+72, lastLBA); resign(d, 512, 1) }, "read entries: EOF"},
}

func TestReadFallsBackToTheBackup(t *testing.T) {
	for name, damage := range damages {
		disk := newDisk(t, 512)
		damage.spoil(disk)
		table, err := read(disk, 512)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if len(table.Partitions) != 2 || table.Recovered == nil ||
			!strings.Contains(table.Recovered.Error(), damage.want) {
			t.Errorf("%s: %d partitions, recovered from %v, want 2, recovered from %q",
				name, len(table.Partitions), table.Recovered, damage.want)
		}
	}
}

func TestReadCorrupt(t *testing.T) {
	for name, damage := range damages {
		disk := newDisk(t, 512)
		damage.spoil(disk)
		disk[lastLBA*512+60] ^= 1
		_, err := read(disk, 512)
		var corrupt *gpt.CorruptError
		if !errors.As(err, &corrupt) {
			t.Errorf("%s: error %v, want a CorruptError", name, err)
		} else if !strings.Contains(corrupt.Primary.Error(), damage.want) ||
			!strings.Contains(corrupt.Backup.Error(), "wrong header checksum") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReadWiped reads a disk of whose table only the protective MBR is left.
func TestReadWiped(t *testing.T) {
	disk := newDisk(t, 512)
	clear(disk[512:])
	_, err := read(disk, 512)
	var corrupt *gpt.CorruptError
	if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), "the protective MBR promises one") {
		t.Errorf("error %v, want a CorruptError", err)
	}
	disk[446+4] = 0x83
	if _, err := read(disk, 512); !errors.Is(err, gpt.ErrNoTable) {
		t.Errorf("an MBR of its own: error %v, want ErrNoTable", err)
	}
}

// TestReadGrown reads a disk that was enlarged, so that its backup header is not
// at its end.
func TestReadGrown(t *testing.T) {
	disk := append(newDisk(t, 512), make([]byte, 1<<20)...)
	if table, err := read(disk, 512); err != nil || table.Recovered != nil {
		t.Errorf("grown: %+v, %v", table, err)
	}
	disk[1024+5] ^= 1 // the header is good, its entries are not
	if table, err := read(disk, 512); err != nil || table.Recovered == nil {
		t.Errorf("grown, bad entries: %+v, %v", table, err)
	}
}

func TestReadNoTable(t *testing.T) {
	for name, disk := range map[string][]byte{
		"empty": nil, "tiny": make([]byte, 100), "zeroes": make([]byte, diskSize),
	} {
		if _, err := read(disk, 512); !errors.Is(err, gpt.ErrNoTable) {
			t.Errorf("%s: error %v, want ErrNoTable", name, err)
		}
	}
	_, err := read(newDisk(t, 4096), 512)
	if !errors.Is(err, gpt.ErrNoTable) || !strings.Contains(err.Error(), "the one there is for 4096") {
		t.Errorf("4096 read as 512: %v", err)
	}
	if _, err := read(nil, 1000); err == nil {
		t.Error("sectors of 1000 bytes are read")
	}
}

func TestReadDropsEntriesOffTheDisk(t *testing.T) {
	disk := newDisk(t, 512)
	put64(disk, 1024+40, 1<<40)
	put32(disk, 512+88, crc32.ChecksumIEEE(disk[1024:1024+128*128]))
	resign(disk, 512, 1)
	table, err := read(disk, 512)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"partition 1: sectors 2048 to 1099511627776 of 16384"}
	if diff := cmp.Diff(want, table.Dropped); diff != "" || len(table.Partitions) != 1 {
		t.Errorf("%d partitions, dropped (-want +got):\n%s", len(table.Partitions), diff)
	}
	if diff := cmp.Diff(want, table.Cut); diff != "" {
		t.Errorf("cut (-want +got):\n%s", diff)
	}
}

// TestReadDropsEntriesBackwards has an entry that ends before it begins, on whatever disk.
func TestReadDropsEntriesBackwards(t *testing.T) {
	disk := newDisk(t, 512)
	put64(disk, 1024+32, 1<<40)
	put32(disk, 512+88, crc32.ChecksumIEEE(disk[1024:1024+128*128]))
	resign(disk, 512, 1)
	table, err := read(disk, 512)
	if err != nil || len(table.Dropped) != 1 || table.Cut != nil {
		t.Errorf("%v: dropped %q, cut %q", err, table.Dropped, table.Cut)
	}
}

var sgdiskLine = regexp.MustCompile(`(?m)^Partition unique GUID: (\S+)$`)

// TestReadAgreesWithSgdisk reads a table that sgdisk wrote.
func TestReadAgreesWithSgdisk(t *testing.T) {
	sgdisk, err := exec.LookPath("sgdisk")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, diskSize), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(sgdisk, append(args, path)...).CombinedOutput()
		if err != nil {
			t.Fatalf("sgdisk %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("-n1:1M:+1M", "-t1:8304", "-c1:freshroot", "-A1:set:63")
	disk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	table, err := read(disk, 512)
	if err != nil {
		t.Fatal(err)
	}
	want := []gpt.Partition{{
		Number: 1, Type: guid(t, rootType), Offset: 1 << 20, Size: 1 << 20, Attributes: gpt.NoAuto,
		Label: "freshroot", GUID: guid(t, sgdiskLine.FindStringSubmatch(run("-i1"))[1]),
	}}
	if diff := cmp.Diff(want, table.Partitions); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseGUID(t *testing.T) {
	for _, s := range []string{"", "4f68bce3", rootType + "0", "4f68bce3e8cd4db196e7fbcaf984b709", "4f68bce3-e8cd-4db1-96e7fbca-f984b709", strings.Repeat("g", 36)} {
		if g, err := gpt.ParseGUID(s); err == nil {
			t.Errorf("ParseGUID(%q) = %v", s, g)
		}
	}
	if got := guid(t, strings.ToUpper(rootType)).String(); got != rootType {
		t.Errorf("%s changed to %s", rootType, got)
	}
}

func TestTypeName(t *testing.T) {
	for typ, want := range map[string]string{
		rootType: "root (x86-64)", gpt.UsrType("arm64"): "usr (arm64)", gpt.ESP: "EFI system",
		gpt.LinuxGeneric: "Linux data", diskID: diskID,
	} {
		if got := gpt.TypeName(typ); got != want {
			t.Errorf("TypeName(%s) = %q, want %q", typ, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	disk := newDisk(f, 512)
	f.Add(disk[512:1024], disk[1024:1024+4*128])
	f.Add([]byte("EFI PART"), []byte{})
	f.Fuzz(func(t *testing.T, header, entries []byte) {
		disk := make([]byte, 64<<10)
		copy(disk[512:1024], header)
		copy(disk[1024:], entries)
		put32(disk, 512+88, crc32.ChecksumIEEE(disk[1024:1024+128*128]))
		resign(disk, 512, 1)
		table, err := read(disk, 512)
		if err != nil {
			return
		}
		for _, p := range table.Partitions {
			if p.Offset < 0 || p.Size <= 0 || p.Offset+p.Size > int64(len(disk)) {
				t.Errorf("partition leaves the disk: %+v", p)
			}
		}
	})
}
