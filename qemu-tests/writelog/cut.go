package writelog

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// block is what a disk writes whole or not at all: a physical sector. File systems and
// partitions are aligned to it, whatever the logical sectors are.
const block = 4096

// Cut is what had come to the medium when power went. Of what was not flushed, any part
// may have: all that was flushed, and then some of the rest.
type Cut struct {
	At      int      // how many entries the disk had completed, or was about to
	Durable int      // how many of them are on the medium for certain
	Lucky   []Extent // what else is, in the order in which it was written
}

// Extent is a part of what an entry writes.
type Extent struct {
	Entry      int
	From, Size int64 // in bytes, within the entry
}

// String tells how much of what was pending is there.
func (c Cut) String() string {
	return fmt.Sprintf("at entry %d: %d are durable, of the others %d extents",
		c.At, c.Durable, len(c.Lucky))
}

// All is no cut: everything up to an entry is there.
func All(entries int) Cut { return Cut{At: entries, Durable: entries} }

// Cut takes the power away at a random instant after the first entries. Each stretch
// between two flushes is as likely as any other, however much is written in it: the
// state on the medium changes with the flushes.
func (l *Log) Cut(rng *rand.Rand, first int) Cut {
	flushes := []int{first}
	for i := first; i < len(l.Entries); i++ {
		if l.Entries[i].Flags&Flush != 0 {
			flushes = append(flushes, i)
		}
	}
	n := rng.IntN(len(flushes))
	end := len(l.Entries)
	if n+1 < len(flushes) {
		end = flushes[n+1]
	}
	c := Cut{At: flushes[n] + rng.IntN(end-flushes[n]+1), Durable: flushes[n]}
	c.Lucky = l.lucky(rng, c)
	return c
}

// lucky chooses from what was not flushed. How much of it has luck is chosen first, so
// that all and nothing are among the outcomes.
func (l *Log) lucky(rng *rand.Rand, c Cut) (list []Extent) {
	share := []float64{0, 1, rng.Float64()}[rng.IntN(3)]
	for i := c.Durable; i < c.At; i++ {
		e := l.Entries[i]
		// The last one may still have been on its way.
		certain := e.Flags&FUA != 0 && i+1 < c.At
		switch {
		case e.Size == 0:
		case certain || rng.Float64() < share:
			list = append(list, Extent{i, 0, e.Size})
		case share > 0 && rng.IntN(4) == 0:
			list = append(list, torn(rng, i, e)...)
		}
	}
	return list
}

// torn chooses half of the blocks of an entry.
func torn(rng *rand.Rand, i int, e Entry) (list []Extent) {
	for from := int64(0); from < e.Size; {
		// The first block may begin in the middle of one of the medium's.
		size := min(block-(e.Offset+from)%block, e.Size-from)
		if rng.IntN(2) == 0 {
			list = append(list, Extent{i, from, size})
		}
		from += size
	}
	return list
}

// Apply makes the disk of a cut from one as it was when the log began. What was
// discarded keeps its content, as disks may.
func (l *Log) Apply(disk io.WriterAt, c Cut) error {
	for i, e := range l.Entries[:c.Durable] {
		if err := l.write(disk, Extent{i, 0, e.Size}); err != nil {
			return err
		}
	}
	for _, x := range c.Lucky {
		if err := l.write(disk, x); err != nil {
			return err
		}
	}
	return nil
}

// write copies an extent from the log to the disk.
func (l *Log) write(disk io.WriterAt, x Extent) error {
	e := l.Entries[x.Entry]
	from := io.NewSectionReader(l.data, e.Data+x.From, x.Size)
	_, err := io.Copy(io.NewOffsetWriter(disk, e.Offset+x.From), from)
	if err != nil {
		return fmt.Errorf("write %d bytes at %d of the disk: %w", x.Size, e.Offset+x.From, err)
	}
	return nil
}
