package writelog

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// memory is a disk.
type memory []byte

// WriteAt fails where the disk ends.
func (m memory) WriteAt(p []byte, at int64) (int, error) { return copy(m[at:], p), nil }

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// The requests of the tests. The disk has blocks of eight sectors; entry i writes i+1.
var requests = [][3]uint64{
	{0, 8, 0}, {0, 0, uint64(Flush)}, // block 0 is flushed
	{8, 16, 0}, {24, 8, uint64(FUA)}, {32, 8, 0}, // blocks 1 to 4
	{0, 8, uint64(Flush)}, // flushes them, and writes block 0 again
	{8, 8, 0},
}

// outcomes are all disks that many cuts leave, as the first bytes of their blocks, by
// how many requests were done.
func outcomes(t *testing.T, first int) map[int][]string {
	t.Helper()
	l, err := read(logOf(requests...))
	if err != nil {
		t.Fatal(err)
	}
	got := map[int][]string{}
	for seed := range uint64(5000) {
		c := l.Cut(seeded(seed), first)
		disk := make(memory, 5*block)
		if err := l.Apply(disk, c); err != nil {
			t.Fatal(err)
		}
		blocks := ""
		for i := range 5 {
			blocks += string('0' + rune(disk[i*block]))
		}
		if !slices.Contains(got[c.At], blocks) {
			got[c.At] = append(got[c.At], blocks)
		}
	}
	return got
}

// TestCut compares what comes to the medium with what a disk promises: all that was
// flushed is there; of the rest any blocks, and those for certain that were forced.
func TestCut(t *testing.T) {
	got := outcomes(t, 0)
	for at, want := range map[int]func(blocks string) bool{
		0: is("00000"),
		1: is("00000", "10000"), // it is not flushed as long as the flush is not done
		2: is("10000"),
		3: is("10000", "13000", "10300", "13300"),
		4: is("10000", "13000", "10300", "13300", "10040", "13040", "10340", "13340"),
		5: is("10040", "13040", "10340", "13340", "10045", "13045", "10345", "13345"),
		6: is("13345", "63345"), // the same flush, and the write that comes with it
		7: is("13345", "63345", "17345", "67345"),
	} {
		for _, blocks := range got[at] {
			if !want(blocks) {
				t.Errorf("after %d requests a disk has %s", at, blocks)
			}
		}
	}
	// All that may happen does.
	for at, want := range []int{1, 2, 1, 4, 8, 8, 2, 4} {
		if len(got[at]) != want {
			t.Errorf("after %d requests there are %d disks, want %d: %q", at, len(got[at]), want, got[at])
		}
	}
}

// TestCutLater begins in the middle.
func TestCutLater(t *testing.T) {
	for at, disks := range outcomes(t, 6) {
		if at < 6 || !is("63345", "67345")(disks[0]) {
			t.Errorf("after %d requests a disk has %s", at, disks[0])
		}
	}
}

func is(list ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(list, s) }
}

// TestCutNothing cuts the power of a disk that nobody wrote to.
func TestCutNothing(t *testing.T) {
	l := new(Log)
	c := l.Cut(seeded(1), 0)
	if err := l.Apply(memory(nil), c); err != nil || c.At != 0 {
		t.Errorf("cut %+v, %v", c, err)
	}
}
