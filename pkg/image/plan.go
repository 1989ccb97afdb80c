package image

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/disk"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// Options say what image to build.
type Options struct {
	Output string
	Force  bool   // replace a file that exists
	Format Format // raw if empty

	Size       int64  // of the disk, in bytes; as large as it has to be if zero
	ESPSize    int64  // bytes; 512 MiB if zero
	SectorSize int    // bytes: 512, also if zero, or 4096
	Compress   string // of btrfs: zstd, zstd:LEVEL, or none; zstd if empty
	Seed       string // that identifiers are derived from; made up if empty

	Fill FillOptions
	Boot BootOptions
}

// Plan is an image that is decided on.
type Plan struct {
	Options
	Layout  disk.Layout
	FSUUID  string // of the pool's btrfs
	ESPID   uint32 // the volume ID of the FAT
	Shrinks bool   // to what it has to be, once that is known
}

// The partitions, by their place in the layout.
const (
	espPartition  = 0
	poolPartition = 1
)

// Sizes, in bytes.
const (
	mib = 1 << 20
	gib = 1 << 30

	// defaultESP has room for five versions, and for a FAT32 with sectors of 4096 bytes,
	// which cannot be smaller than 260 MiB.
	defaultESP = 512 * mib
	// working is how large a disk is while it is filled, if it is made smaller then. It
	// is a hole for the most part.
	working = 48 * gib
	// smallestPool is the least that can grow later.
	smallestPool = btrfs.LeastSize
	// step is what the size of a pool that is made smaller is rounded up to.
	step = 256 * mib
)

// compressions are what the mount option compress= of btrfs(5) takes of zstd.
var compressions = regexp.MustCompile(`^(none|zstd|zstd:([1-9]|1[0-5]))$`)

// CheckCompress refuses what the mount option compress= does not take.
func CheckCompress(name string) error {
	if compressions.MatchString(name) {
		return nil
	}
	return fmt.Errorf("compression %q: give zstd, zstd:1 to zstd:15, or none", name)
}

// compressed is the compression that is meant.
func compressed(name string) string { return cmp.Or(name, "zstd") }

// NewPlan decides on an image. Its errors are mistakes in the options.
func NewPlan(o Options) (Plan, error) {
	o.Format = cmp.Or(o.Format, Raw)
	o.Compress = compressed(o.Compress)
	o.ESPSize = cmp.Or(o.ESPSize, defaultESP)
	o.Boot.Style = cmp.Or(o.Boot.Style, esp.Entries)
	if err := CheckCompress(o.Compress); err != nil {
		return Plan{}, err
	}
	seed := disk.NewSeed(o.Seed)
	layout, err := o.layout(seed)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{
		Options: o, Layout: layout, FSUUID: seed.GUID("btrfs"), ESPID: seed.ID("fat"),
		Shrinks: o.Size == 0,
	}
	return p, p.checkSizes()
}

// layout places the partitions.
func (o Options) layout(seed disk.Seed) (disk.Layout, error) {
	arch := o.Fill.Usr.Arch
	if gpt.RootType(arch) == "" {
		return disk.Layout{}, fmt.Errorf("no type of partition is known for architecture %q", arch)
	}
	return disk.Spec{
		SectorSize: o.SectorSize, Size: cmp.Or(o.Size, working), GUID: seed.GUID("disk"),
		Partitions: []disk.Partition{
			{Type: gpt.ESP, Label: "esp", GUID: seed.GUID("esp"), Size: o.ESPSize},
			{
				Type: gpt.RootType(arch), Label: volatile.PoolLabel, GUID: seed.GUID("pool"),
				Attributes: gpt.NoAuto | gpt.GrowFS,
			},
		},
	}.Layout()
}

// PoolSize is how many bytes the pool's partition has.
func (p Plan) PoolSize() int64 { return p.Layout.Extents[poolPartition].Size }

// checkSizes refuses partitions that are too small for their file systems.
func (p Plan) checkSizes() error {
	if least := esp.LeastFAT(p.Layout.SectorSize); p.ESPSize < least {
		return fmt.Errorf("an EFI system partition of %d MiB is too small for a FAT32 with "+
			"sectors of %d bytes: it has %d MiB at least", p.ESPSize/mib, p.Layout.SectorSize, least/mib)
	}
	if pool := p.Layout.Extents[poolPartition]; pool.Size < smallestPool {
		return fmt.Errorf("the pool has %d MiB, and needs %d at least: make the disk larger, "+
			"or give a smaller --esp-size", pool.Size/mib, smallestPool/mib)
	}
	return nil
}

// WriteText tells a person what will be built.
func (p Plan) WriteText(w io.Writer) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-9s  %s\n", what, fmt.Sprintf(format, args...))
	}
	size := "as large as it has to be"
	if !p.Shrinks {
		size = fmt.Sprintf("%d MiB", p.Layout.Size/mib)
	}
	line("output", "%s (%s), %s", p.Output, p.Format, size)
	line("disk", "GPT %s, sectors of %d bytes", p.Layout.GUID, p.Layout.SectorSize)
	for i, part := range p.Layout.Partitions {
		extent := p.Layout.Extents[i]
		size := fmt.Sprintf("%d MiB", extent.Size/mib)
		if i == poolPartition && p.Shrinks {
			size = "the rest"
		}
		line("partition", "%d %q, %s, %s from %d MiB, %s%s", i+1, part.Label,
			gpt.TypeName(part.Type), size, extent.Offset/mib, part.GUID, attributes(part))
	}
	line("esp", "FAT32, volume ID %08X", p.ESPID)
	line("pool", "btrfs %s, compression %s", p.FSUUID, p.Compress)
	line("member", "%s", p.Fill.Usr)
	if p.Fill.Instance != "" {
		line("instance", "%s", p.Fill.Instance)
	}
	line("boot", "%s, options %q", p.Boot.Style, p.Boot.Cmdline)
}

// attributes names the flags of a partition.
func attributes(p disk.Partition) string {
	var names []string
	if p.Attributes&gpt.NoAuto != 0 {
		names = append(names, "no-auto")
	}
	if p.Attributes&gpt.GrowFS != 0 {
		names = append(names, "growfs")
	}
	if names == nil {
		return ""
	}
	return ", " + strings.Join(names, " ")
}
