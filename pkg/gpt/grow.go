package gpt

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// ErrNoRoom is returned for a partition that cannot become larger where it is: the disk
// ends behind it, or another partition begins.
var ErrNoRoom = errors.New("no room")

// errFull is the ErrNoRoom of a partition that has grown already.
var errFull = fmt.Errorf("%w: it ends where the disk does", ErrNoRoom)

// growTo is what the end of a partition that has grown is a multiple of, in bytes.
const growTo = 1 << 20

// Write is what goes to one sector of a disk.
type Write struct {
	Offset int64  // bytes from the start of the disk
	Data   []byte // a sector
}

// Growth is how a partition becomes as large as its disk allows.
type Growth struct {
	Old, New Partition

	// Writes are the sectors that change, in groups. What one group writes has to be
	// flushed to the medium before the next one begins. Power may go at any instant and
	// take any part of a group along: Read finds the old partition or the new one.
	Writes [][]Write
}

// Grow says how the partition of a number grows to the end of a disk, which is as Read
// has it. It returns ErrNoRoom, wrapped, if it has all the room there is.
//
// It refuses a table that is damaged, but for one: after a growth that power has cut
// short, the backup tells how it goes on.
func Grow(r io.ReaderAt, size int64, sectorSize, number int) (*Growth, error) {
	g, err := newGrowth(r, size, sectorSize, number)
	if err != nil {
		return nil, fmt.Errorf("grow partition %d: %w", number, err)
	}
	return g, nil
}

func newGrowth(r io.ReaderAt, size int64, sectorSize, number int) (*Growth, error) {
	table, err := Read(r, size, sectorSize)
	if err != nil {
		return nil, err
	}
	old, grown, err := table.grown(number)
	switch cut := table.Recovered; {
	case cut != nil && err == nil:
		return nil, damaged(cut)
	case err != nil && (cut == nil || !errors.Is(err, errFull)):
		return nil, err
	}
	writes, err := newDisk(r, size, sectorSize).grow(table, grown)
	return &Growth{old, grown, writes}, err
}

func damaged(cause error) error {
	return fmt.Errorf("damaged table: %w; mend it first, as sgdisk -e does", cause)
}

// Grown returns a partition as Grow would make it.
func (t *Table) Grown(number int) (Partition, error) {
	_, grown, err := t.grown(number)
	return grown, err
}

func (t *Table) grown(number int) (old, grown Partition, err error) {
	i := slices.IndexFunc(t.Partitions, func(p Partition) bool { return p.Number == number })
	if i < 0 {
		return old, grown, errors.New("there is none")
	}
	if len(t.Dropped) > 0 { // it may be behind
		return old, old, damaged(errors.New(t.Dropped[0]))
	}
	old = t.Partitions[i]
	for _, q := range t.Partitions {
		if q.Number != number && q.Offset+q.Size > old.Offset {
			return old, old, fmt.Errorf("%w: partition %d is behind it", ErrNoRoom, q.Number)
		}
	}
	grown = old
	grown.Size = max(old.Size, t.End/growTo*growTo-old.Offset)
	if grown.Size == old.Size {
		return old, old, errFull
	}
	return old, grown, nil
}

// grow writes the backup first: as long as it is not whole the primary header counts,
// and when that one is written the backup counts until it is whole again.
func (d disk) grow(table *Table, p Partition) ([][]Write, error) {
	head, entries, err := d.source(table)
	if err != nil {
		return nil, err
	}
	const lastAt = 40 // in an entry: the LBA of the last sector, which is its own
	last := uint64((p.Offset+p.Size)/d.sector) - 1
	le.PutUint64(entries[(p.Number-1)*int(head.entrySize)+lastAt:], last)
	mbr, err := d.protective()
	if err != nil {
		return nil, err
	}
	n := d.sectors(entries)
	backup, err := d.changes([]part{
		{d.last - n, entries}, {d.last, d.header(head, entries, d.last, 1, d.last-n)}, {0, mbr},
	})
	if err != nil {
		return nil, err
	}
	primary, err := d.changes([]part{
		{head.entryLBA, entries}, {1, d.header(head, entries, 1, d.last, head.entryLBA)},
	})
	return [][]Write{backup, primary}, err
}

// source returns what the new table is made of: the primary header, and the entries of
// the copy that a table was read from. The entries must be where none of the partitions
// can be.
func (d disk) source(table *Table) (head *header, entries []byte, err error) {
	_, head, primary := d.read(1)
	if head == nil {
		return nil, nil, damaged(primary)
	}
	from := head
	if table.Recovered != nil {
		if _, from, err = d.read(d.last); err != nil {
			return nil, nil, damaged(err)
		}
	}
	if entries, err = d.readEntries(from); err != nil {
		return nil, nil, err
	}
	// The primary header may be of before the growth, its entries are not.
	if from.entries != head.entries || from.entrySize != head.entrySize {
		return nil, nil, damaged(errors.New("the headers disagree about the entries"))
	}
	begin := int64(head.firstUsable) * d.sector
	if head.entryLBA < 2 || head.firstUsable > d.last ||
		head.entryLBA+d.sectors(entries) > head.firstUsable ||
		slices.ContainsFunc(table.Partitions, func(p Partition) bool { return p.Offset < begin }) {
		return nil, nil, damaged(errors.New("its entries are among the partitions"))
	}
	return head, entries, nil
}

// header makes a header that stands at an LBA and knows of the other one. The disk and
// the first usable sector stay what they are, as does what follows the known fields.
func (d disk) header(from *header, entries []byte, own, other, entryLBA uint64) []byte {
	h := slices.Clone(from.sector)
	le.PutUint64(h[24:], own)
	le.PutUint64(h[32:], other)
	le.PutUint64(h[48:], d.last-d.sectors(entries)-1)
	le.PutUint64(h[72:], entryLBA)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(entries))
	le.PutUint32(h[16:], headerSum(h[:le.Uint32(h[12:])]))
	return h
}

// protective returns the first sector with an MBR that covers all of the disk. One that
// does more than to protect stays as it is.
func (d disk) protective() ([]byte, error) {
	mbr := make([]byte, 512)
	if _, err := d.ReadAt(mbr, 0); err != nil {
		return nil, err
	}
	// Of an entry: the type at 4, the first sector at 8, their number at 12. A disk with
	// more sectors than fit says so with all bits (UEFI 2.10, 5.2.3).
	const first, others, end = 446, 462, 510
	only := bytes.Equal(mbr[others:end], make([]byte, end-others))
	if entry := mbr[first:others]; d.isProtected() && only && le.Uint32(entry[8:]) == 1 {
		le.PutUint32(entry[12:], uint32(min(d.last, math.MaxUint32)))
	}
	return mbr, nil
}

// part is what has to stand at an LBA.
type part struct {
	lba  uint64
	data []byte
}

// changes compares parts with what the disk holds: a sector that stays what it is cannot
// be lost either. What is behind the data in its last sector stays.
func (d disk) changes(parts []part) (writes []Write, err error) {
	for _, p := range parts {
		for data := p.data; len(data) > 0; p.lba++ {
			old := make([]byte, d.sector)
			at := int64(p.lba) * d.sector
			if _, err := d.ReadAt(old, at); err != nil {
				return nil, fmt.Errorf("read sector %d: %w", p.lba, err)
			}
			sector := slices.Clone(old)
			data = data[copy(sector, data):]
			if !bytes.Equal(sector, old) {
				writes = append(writes, Write{at, sector})
			}
		}
	}
	return writes, nil
}
