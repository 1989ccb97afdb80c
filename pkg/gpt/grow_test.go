package gpt_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/backend/file"
	diskfs "github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/gpt"
)

// update rewrites the golden text. Read the difference before you commit it.
var update = flag.Bool("update", false, "rewrite testdata")

// poolNumber is the number of the pool's partition in the disks of newDisk.
const poolNumber = 3

// enlarged is a disk that has become larger by some bytes of noise.
func enlarged(t testing.TB, sector, more int) []byte {
	noise := make([]byte, more)
	rand.New(rand.NewSource(1)).Read(noise)
	return append(newDisk(t, sector), noise...)
}

func grow(disk []byte, sector int) (*gpt.Growth, error) {
	return gpt.Grow(bytes.NewReader(disk), int64(len(disk)), sector, poolNumber)
}

func mustGrow(t *testing.T, disk []byte, sector int) *gpt.Growth {
	t.Helper()
	g, err := grow(disk, sector)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// apply writes some of the writes.
func apply(disk []byte, writes []gpt.Write) []byte {
	disk = slices.Clone(disk)
	for _, w := range writes {
		copy(disk[w.Offset:], w.Data)
	}
	return disk
}

// TestGrow compares the sectors that are written with golden text.
func TestGrow(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		disk := append(newDisk(t, sector), make([]byte, 5<<20+3*4096)...)
		g := mustGrow(t, disk, sector)
		got := fmt.Sprintf("%d to %d bytes\n", g.Old.Size, g.New.Size)
		for i, group := range g.Writes {
			for _, w := range group {
				got += fmt.Sprintf("group %d, sector %d\n%s", i+1, w.Offset/int64(sector), dump(w.Data))
			}
		}
		golden := fmt.Sprintf("testdata/grow-%d.txt", sector)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if diff := cmp.Diff(string(want), got); diff != "" || err != nil {
			t.Errorf("sectors of %d: %v (-want +got):\n%s", sector, err, diff)
		}
	}
}

// dump leaves out the rows that are zero.
func dump(sector []byte) (text string) {
	for line := range strings.Lines(hex.Dump(sector)) {
		if !strings.Contains(line, strings.Repeat("00 ", 8)+" "+strings.Repeat("00 ", 8)) {
			text += line
		}
	}
	return text
}

// TestGrowIsGood has go-diskfs check the tables, and the programs that people use.
func TestGrowIsGood(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		for _, more := range []int{512 << 10, 1 << 20, 16<<20 + sector} {
			disk := enlarged(t, sector, more)
			g := mustGrow(t, disk, sector)
			disk = apply(disk, slices.Concat(g.Writes...))
			table, err := read(disk, sector)
			if err != nil || table.Recovered != nil {
				t.Fatalf("%d more: %+v, %v", more, table, err)
			}
			if diff := cmp.Diff(g.New, table.Partitions[1]); diff != "" {
				t.Errorf("%d more: (-planned +read):\n%s", more, diff)
			}
			if room := table.End - g.New.Offset - g.New.Size; room < 0 || room >= 1<<20 {
				t.Errorf("%d more: %d bytes are left", more, room)
			}
			path := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(path, disk, 0o600); err != nil {
				t.Fatal(err)
			}
			verify(t, path, sector)
			if _, err := grow(disk, sector); !errors.Is(err, gpt.ErrNoRoom) {
				t.Errorf("%d more: growing once more: %v", more, err)
			}
		}
	}
}

// verify checks a table with others' means; the programs take an image's sectors to
// have 512 bytes.
func verify(t *testing.T, path string, sector int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := diskfs.Read(file.New(f, true), sector, sector)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Verify(file.New(f, true), uint64(info.Size())); err != nil {
		t.Error(err)
	}
	if sector != 512 {
		return
	}
	for program, want := range map[string][2]string{
		"sgdisk": {"-v", "No problems found"}, "sfdisk": {"-V", "No errors detected"},
	} {
		path, err := exec.LookPath(program)
		if err != nil && os.Getenv("CI") == "" {
			continue
		}
		out, err := exec.Command(path, want[0], f.Name()).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want[1]) || strings.Contains(string(out), "arning") {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}

// TestGrowSurvivesPowerCuts loses every part of what was not flushed, or, where there
// are too many, any part. What is left must be a table with the pool, and the next
// growth must get to the end.
func TestGrowSurvivesPowerCuts(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for _, sector := range []int{512, 4096} {
		for _, more := range []int{8 * sector, 2 << 20} {
			disk := enlarged(t, sector, more)
			if more < 1<<20 { // the new backup lies over the old one
				disk = withRoom(disk, sector)
			}
			g := mustGrow(t, disk, sector)
			whole := apply(disk, slices.Concat(g.Writes...))
			for _, group := range g.Writes {
				for _, written := range parts(random, group) {
					checkCut(t, g, apply(disk, written), whole, sector)
				}
				disk = apply(disk, group)
			}
		}
	}
}

// withRoom takes the last MiB from the pool.
func withRoom(disk []byte, sector int) []byte {
	at := 2*sector + (poolNumber-1)*128 + 40
	put64(disk, at, uint64(6<<20/sector-1))
	put32(disk, sector+88, crc32.ChecksumIEEE(disk[2*sector:][:128*128]))
	resign(disk, sector, 1)
	return disk
}

// parts are all subsets of some writes, or a hundred of them.
func parts(random *rand.Rand, writes []gpt.Write) (list [][]gpt.Write) {
	const most = 7
	n := 1 << min(len(writes), most)
	for i := range n {
		var subset []gpt.Write
		for j, w := range writes {
			if len(writes) <= most && i&(1<<j) != 0 || len(writes) > most && random.Intn(2) == 0 {
				subset = append(subset, w)
			}
		}
		list = append(list, subset)
	}
	return list
}

func checkCut(t *testing.T, g *gpt.Growth, disk, whole []byte, sector int) {
	t.Helper()
	table, err := read(disk, sector)
	if err != nil {
		t.Fatal(err)
	}
	pool := table.Partitions[1]
	if pool != g.Old && pool != g.New || table.Partitions[0].Label != "EFI" {
		t.Fatalf("the partitions are %+v", table.Partitions)
	}
	again, err := grow(disk, sector)
	if errors.Is(err, gpt.ErrNoRoom) {
		again = &gpt.Growth{}
	} else if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(apply(disk, slices.Concat(again.Writes...)), whole) {
		t.Fatal("growing again does not come to the same end")
	}
}

// TestGrowLeavesAlone keeps an MBR that is more than a protection.
func TestGrowLeavesAlone(t *testing.T) {
	disk := enlarged(t, 512, 4<<20)
	disk[462+4] = 0x83
	for _, w := range slices.Concat(mustGrow(t, disk, 512).Writes...) {
		if w.Offset == 0 {
			t.Error("the MBR is written")
		}
	}
}

func TestGrowRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(disk []byte)
		want  string
	}{
		"behind": {func(d []byte) { edit(d, 1, 7<<20/512, 7<<20/512+7) },
			"grow partition 3: no room: partition 1 is behind it"},
		"overlap": {func(d []byte) { edit(d, 1, 3<<20/512, 4<<20/512) },
			"grow partition 3: no room: partition 1 is behind it"},
		"off the disk": {func(d []byte) { edit(d, 1, 3<<20/512, 1<<40) },
			"grow partition 3: damaged table: partition 1: sectors 6144 to 1099511627776"},
		"other number":     {func(d []byte) { clear(d[1024+256 : 1024+384]); seal(d) }, "grow partition 3: there is none"},
		"primary entries":  {func(d []byte) { d[1024+5] ^= 1 }, "damaged table: wrong checksum of the entries; mend it first"},
		"primary header":   {func(d []byte) { d[512+60] ^= 1 }, "grow partition 3: corrupt GPT: primary header: wrong header checksum"},
		"nothing":          {func(d []byte) { clear(d) }, "grow partition 3: no GPT"},
		"entries in pool":  {func(d []byte) { put64(d, 512+72, 8000); copy(d[8000*512:], d[1024:][:128*128]); seal(d) }, "its entries are among the partitions"},
		"usable too late":  {func(d []byte) { put64(d, 512+40, 1<<40); seal(d) }, "its entries are among the partitions"},
		"usable too early": {func(d []byte) { put64(d, 512+40, 2); seal(d) }, "its entries are among the partitions"},
	} {
		disk := enlarged(t, 512, 4<<20)
		tc.spoil(disk)
		if g, err := grow(disk, 512); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %+v, %v, want %q", name, g, err, tc.want)
		}
	}
	if _, err := grow(newDisk(t, 512), 512); !errors.Is(err, gpt.ErrNoRoom) {
		t.Errorf("a disk as it was made: %v", err)
	}
	disk := newDisk(t, 512)
	disk[512+60] ^= 1
	if _, err := grow(disk, 512); err == nil || !strings.Contains(err.Error(), "damaged table: wrong header checksum; mend") {
		t.Errorf("only the backup is left: %v", err)
	}
	if _, err := grow(newDisk(t, 512)[:7<<20], 512); err == nil {
		t.Error("a disk that has become smaller is grown")
	}
}

// edit changes the place of a partition.
func edit(disk []byte, number int, first, last uint64) {
	put64(disk, 1024+(number-1)*128+32, first)
	put64(disk, 1024+(number-1)*128+40, last)
	seal(disk)
}

// seal corrects the checksums of the primary copy.
func seal(disk []byte) {
	put32(disk, 512+88, crc32.ChecksumIEEE(disk[1024:1024+128*128]))
	resign(disk, 512, 1)
}

// FuzzGrow must never write into a partition, make one smaller or change another one.
func FuzzGrow(f *testing.F) {
	disk := newDisk(f, 512)
	f.Add(disk[512:1024], disk[1024:1024+4*128], uint16(0))
	f.Add(disk[512:1024], disk[1024:1024+4*128], uint16(1<<12))
	f.Fuzz(func(t *testing.T, header, entries []byte, more uint16) {
		disk := make([]byte, 4<<20+int(more)*512)
		copy(disk[512:1024], header)
		copy(disk[1024:], entries)
		seal(disk)
		g, err := grow(disk, 512)
		if err != nil {
			return
		}
		before, err := read(disk, 512)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range slices.Concat(g.Writes...) {
			for _, p := range before.Partitions {
				if w.Offset < p.Offset+p.Size && p.Offset < w.Offset+512 {
					t.Errorf("%d is written, in %+v", w.Offset, p)
				}
			}
		}
		after, err := read(apply(disk, slices.Concat(g.Writes...)), 512)
		if err != nil || after.Recovered != nil || g.New.Size < g.Old.Size {
			t.Fatalf("%v, %+v", err, after)
		}
		for i, p := range before.Partitions {
			if p.Number == poolNumber {
				p = g.New
			}
			if after.Partitions[i] != p {
				t.Errorf("%+v has become %+v", p, after.Partitions[i])
			}
		}
	})
}
