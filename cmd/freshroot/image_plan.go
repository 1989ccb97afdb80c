package main

import (
	"fmt"
	"io"

	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/image"
)

// buildPlan is what would be built, for programs. Sizes are in bytes, and 0 where they are
// as large as they have to be.
type buildPlan struct {
	Output     string          `json:"output"`
	Format     string          `json:"format"`
	Size       int64           `json:"size"`
	SectorSize int             `json:"sector_size"`
	GUID       string          `json:"guid"`
	Partitions []partitionInfo `json:"partitions"`
	VolumeID   string          `json:"volume_id"` // of the EFI system partition
	UUID       string          `json:"uuid"`      // of the pool
	Compress   string          `json:"compress"`
	Usr        string          `json:"usr"`                // the name of the member
	Instance   string          `json:"instance,omitempty"` // its name
	Bootloader string          `json:"bootloader"`
	Cmdline    string          `json:"cmdline"`
}

func describeBuild(p image.Plan) buildPlan {
	b := buildPlan{
		Output: p.Output, Format: string(p.Format), Size: p.Layout.Size,
		SectorSize: p.Layout.SectorSize, GUID: p.Layout.GUID,
		VolumeID: fmt.Sprintf("%08X", p.ESPID), UUID: p.FSUUID, Compress: p.Compress,
		Usr: p.Fill.Usr.String(), Instance: p.Fill.Instance,
		Bootloader: string(p.Boot.Style), Cmdline: p.Boot.Cmdline,
	}
	for i, part := range p.Layout.Partitions {
		b.Partitions = append(b.Partitions, describePlanned(i+1, part, p.Layout.Extents[i]))
	}
	if last := len(b.Partitions) - 1; p.Shrinks {
		b.Size, b.Partitions[last].Size = 0, 0
	}
	return b
}

func describePlanned(number int, p disk.Partition, e disk.Extent) partitionInfo {
	return partitionInfo{
		Number: number, Label: p.Label, Type: gpt.TypeName(p.Type), GUID: p.GUID,
		Offset: e.Offset, Size: e.Size,
		NoAuto: p.Attributes&gpt.NoAuto != 0, GrowFS: p.Attributes&gpt.GrowFS != 0,
	}
}

// printBuild tells what would be built.
func printBuild(w io.Writer, p image.Plan, asJSON bool) error {
	if asJSON {
		return printJSON(w, describeBuild(p))
	}
	p.WriteText(w)
	return nil
}
