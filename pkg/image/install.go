package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/efivar"
	"github.com/freshroot/freshroot/pkg/gpt"
)

// Install makes a disk what Build makes an image, and reads all of it back. The disk is
// open exclusively, and what it held is lost from the beginning on: contents is what
// device.Look has found there.
//
// The partition table is written last, when all else is on the medium and was checked.
// Until then the disk has none, and nothing boots from it. If it cannot be written as a
// whole, what there is of it is taken back, as far as the disk still lets that happen.
func Install(
	ctx context.Context, target *os.File, contents device.Contents, with Content, p Plan,
) (Result, error) {
	result := Result{Output: target.Name(), Size: p.Layout.Size}
	p.Fill.Progress.report("wipe")
	if err := p.wipe(target, contents); err != nil {
		return result, err
	}
	if _, err := p.fill(ctx, target, with, &result); err != nil {
		return result, err
	}
	if err := device.Forget(target); err != nil {
		return result, err
	}
	i := p.installed(target)
	if err := i.verifyContent(ctx, p.Fill.Progress); err != nil {
		return result, err
	}
	p.Fill.Progress.report("write partition table")
	if err := ctx.Err(); err != nil {
		return result, err
	}
	if err := i.writeTable(p); err != nil {
		whole := device.Contents{Part: contents.Part}
		return result, errors.Join(err, device.Wipe(target, whole))
	}
	// If the kernel does not look now, it does when the disk is seen next.
	_ = device.ReadPartitions(target)
	return result, nil
}

// writeTable writes the partition table, and reads it back.
func (i *Image) writeTable(p Plan) error {
	if err := errors.Join(p.Layout.Write(i.File), device.Forget(i.File)); err != nil {
		return err
	}
	return i.verifyWritten(p)
}

// wipe makes a disk look empty, also where the new partitions will be: what a table that is
// long gone had there would be taken for something that is in use.
func (p Plan) wipe(target *os.File, contents device.Contents) error {
	for _, e := range p.Layout.Extents {
		contents.Parts = append(slices.Clip(contents.Parts), device.Part{
			Device: target.Name(), Offset: e.Offset, Size: e.Size,
		})
	}
	if err := device.Wipe(target, contents); err != nil {
		return err
	}
	// The nodes of the partitions that are gone would only be in the way.
	_ = device.ReadPartitions(target)
	return nil
}

// BootPartition is how the firmware finds the EFI system partition.
func (p Plan) BootPartition() (efivar.Partition, error) {
	guid, err := gpt.ParseGUID(p.Layout.Partitions[espPartition].GUID)
	extent, sector := p.Layout.Extents[espPartition], int64(p.Layout.SectorSize)
	return efivar.Partition{
		Number: espPartition + 1, GUID: guid,
		First: uint64(extent.Offset / sector), Size: uint64(extent.Size / sector),
	}, err
}

// installed is the disk as it will be once it has its table.
func (p Plan) installed(target *os.File) *Image {
	table := &gpt.Table{SectorSize: p.Layout.SectorSize}
	for n, part := range p.Layout.Partitions {
		typ, _ := gpt.ParseGUID(part.Type) // one of those that we know
		table.Partitions = append(table.Partitions, gpt.Partition{
			Number: n + 1, Type: typ, Label: part.Label, Attributes: part.Attributes,
			Offset: p.Layout.Extents[n].Offset, Size: p.Layout.Extents[n].Size,
		})
	}
	return &Image{
		File: target, Size: p.Layout.Size, Table: table,
		ESP: table.Partitions[espPartition], Pool: table.Partitions[poolPartition],
	}
}

// verifyContent reads the file systems back.
func (i *Image) verifyContent(ctx context.Context, progress Progress) error {
	for _, c := range []struct {
		name string
		do   func(context.Context) ([]string, error)
	}{
		// What entries are compared with is in memory afterwards, and says nothing of the disk.
		{"boot partition", i.verifyESP}, {"pool", i.verifyPool},
		{"entries", i.verifyEntries}, {"members", i.verifyMembers},
	} {
		progress.report("verify " + c.name)
		wrong, err := c.do(ctx)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("verify %s: %w", c.name, err)
		}
		if len(wrong) > 0 {
			return fmt.Errorf("verify %s: what was written to %s reads as something else: %s",
				c.name, i.Name(), gravest(wrong))
		}
	}
	return nil
}

// gravest picks what a program has said of an error, of all that it has said.
func gravest(words []string) string {
	for _, line := range words {
		if strings.Contains(strings.ToLower(line), "error") {
			return line
		}
	}
	return words[0]
}

// verifyWritten reads the table back.
func (i *Image) verifyWritten(p Plan) error {
	table, err := gpt.Read(i.File, i.Size, p.Layout.SectorSize)
	if err != nil {
		return fmt.Errorf("verify partition table: %w", err)
	}
	i.Table = table
	wrong, err := i.verifyTable(context.Background())
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("what was written to %s reads as something else: %s", i.Name(), wrong[0])
	}
	if err != nil {
		return fmt.Errorf("verify partition table: %w", err)
	}
	return nil
}
