package volatile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/units"
)

// Disk is a block device, or an image of one, that was looked at.
type Disk struct {
	Name       string // "vda"
	Size       int64  // bytes
	Err        error  // why it has no partitions: gpt.ErrNoTable, a *gpt.CorruptError, ...
	Partitions []Partition
}

// Partition is a partition, or a disk without a table that holds btrfs itself.
type Partition struct {
	Device   string `json:"device"`           // "/dev/vda1"
	Number   int    `json:"number,omitempty"` // 0: the whole disk
	Type     string `json:"type,omitempty"`   // GUID in lower case
	PartUUID string `json:"partuuid,omitempty"`
	Label    string `json:"partlabel,omitempty"`
	UUID     string `json:"uuid,omitempty"` // of the btrfs, or "" if it is none
	FSLabel  string `json:"label,omitempty"`
	Checksum string `json:"-"` // of the btrfs, as in "crypto-sha256"
	HasLog   bool   `json:"-"` // the btrfs has a log that a mount would replay
	Problem  string `json:"-"` // why it is no btrfs that can be used
	Disk     string `json:"disk"`
	Offset   int64  `json:"-"` // bytes from the start of the disk
	Size     int64  `json:"-"` // bytes
	GrowFS   bool   `json:"-"` // the attribute that asks for it to grow is set
	Room     int64  `json:"-"` // bytes by which its file system could grow; 0 for a few
}

// PoolLabel is the GPT label of a pool's partition.
const PoolLabel = "freshroot"

// FindPool chooses the partition that holds the pool. bootPart is the PARTUUID
// of the partition that the boot loader came from, or "". A *Failure says why
// there is none; more disks may change that, except for Ambiguous.
func FindPool(disks []Disk, opts Options, arch, bootPart string) (Partition, error) {
	if opts.Root != "" {
		return findNamed(disks, opts)
	}
	var found []candidate
	for _, d := range disks {
		fromHere := hasPartition(d, bootPart)
		for _, p := range d.Partitions {
			if rank, ok := typeRank(p.Type, arch); ok && p.UUID != "" {
				found = append(found, candidate{p, fromHere, rank})
			}
		}
	}
	if len(found) == 0 {
		return Partition{}, noPool(disks, opts)
	}
	slices.SortStableFunc(found, candidate.compare)
	if len(found) > 1 && found[0].compare(found[1]) == 0 {
		return Partition{}, ambiguous(disks, found[0].Partition, found[1].Partition)
	}
	return found[0].Partition, nil
}

// candidate is a partition that may hold the pool, with what it is judged by.
type candidate struct {
	Partition
	fromHere bool // on the disk that we booted from
	rank     int
}

// compare sorts the better one first: the disk we booted from, then the label,
// then the type.
func (c candidate) compare(d candidate) int {
	return cmp.Or(
		preferTrue(c.fromHere, d.fromHere),
		preferTrue(c.Label == PoolLabel, d.Label == PoolLabel),
		cmp.Compare(c.rank, d.rank),
	)
}

func preferTrue(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// typeRank orders the partition types that may hold a pool.
func typeRank(typ, arch string) (rank int, ok bool) {
	rank = slices.Index([]string{gpt.RootType(arch), gpt.UsrType(arch), gpt.LinuxGeneric}, typ)
	return rank, rank >= 0 && typ != ""
}

// Has says whether a partition with this PARTUUID is on one of the disks.
func Has(disks []Disk, partUUID string) bool {
	return slices.ContainsFunc(disks, func(d Disk) bool { return hasPartition(d, partUUID) })
}

func hasPartition(d Disk, partUUID string) bool {
	return partUUID != "" && slices.ContainsFunc(d.Partitions, func(p Partition) bool {
		return strings.EqualFold(p.PartUUID, partUUID)
	})
}

// findNamed chooses the partition that root= names, whatever its type.
func findNamed(disks []Disk, opts Options) (Partition, error) {
	var found []Partition
	for _, d := range disks {
		for _, p := range d.Partitions {
			if matchRoot(opts.Root, p, d) {
				found = append(found, p)
			}
		}
	}
	switch {
	case len(found) == 0:
		return Partition{}, notThere(disks, opts)
	case len(found) > 1:
		return Partition{}, ambiguous(disks, found[0], found[1])
	case found[0].UUID == "":
		return Partition{}, notBtrfs(disks, opts, found[0])
	}
	return found[0], nil
}

// rootForms maps the links that udev would make to the form of root= that means
// the same; there is no udev here.
var rootForms = strings.NewReplacer(
	"/dev/disk/by-partuuid/", "PARTUUID=", "/dev/disk/by-partlabel/", "PARTLABEL=",
	"/dev/disk/by-uuid/", "UUID=", "/dev/disk/by-label/", "LABEL=",
)

// matchRoot says whether root= names a partition.
func matchRoot(root string, p Partition, d Disk) bool {
	key, value, _ := strings.Cut(rootForms.Replace(root), "=")
	switch key {
	case "PARTUUID":
		return matchPartUUID(value, p, d)
	case "PARTLABEL":
		return p.Number > 0 && p.Label == value
	case "UUID":
		return p.UUID != "" && strings.EqualFold(p.UUID, value)
	case "LABEL":
		return p.UUID != "" && p.FSLabel == value
	}
	return root == p.Device
}

// matchPartUUID also reads the kernel's PARTUUID=ID/PARTNROFF=N: the partition
// N places behind the one with that id.
func matchPartUUID(value string, p Partition, d Disk) bool {
	id, offset, ok := strings.Cut(value, "/PARTNROFF=")
	if !ok {
		return p.Number > 0 && strings.EqualFold(p.PartUUID, id)
	}
	n, err := strconv.Atoi(offset)
	return err == nil && slices.ContainsFunc(d.Partitions, func(base Partition) bool {
		return strings.EqualFold(base.PartUUID, id) && base.Number+n == p.Number
	})
}

// noPool explains why no partition can be the pool.
func noPool(disks []Disk, opts Options) *Failure {
	hasTable := func(d Disk) bool { return d.Err == nil }
	corrupt := slices.IndexFunc(disks, func(d Disk) bool {
		var c *gpt.CorruptError
		return errors.As(d.Err, &c)
	})
	f := &Failure{Seen: describeDisks(disks)}
	switch {
	case len(disks) == 0:
		f.Problem = NoDisk
		f.What = "no disk appeared" + within(opts)
		f.Do = []string{
			"check that the disk is connected and powered",
			"build the initramfs with the driver of its controller: freshroot initramfs build --modules +NAME",
			"if the disk is slow to start, raise freshroot.timeout=",
		}
	case corrupt >= 0 && !slices.ContainsFunc(disks, hasTable):
		f.Problem = CorruptTable
		f.What = fmt.Sprintf("the partition table of %s is corrupt, and so is its backup", disks[corrupt].Name)
		f.Do = []string{"mend it from another system, with gdisk or sfdisk, or write the image anew"}
	case !slices.ContainsFunc(disks, hasTable):
		f.Problem = NoTable
		f.What = "no disk has a GUID partition table"
		f.Do = append(nameWhole(disks), "write an image with a pool to the disk")
	default:
		f.Problem = NoBtrfs
		f.What = "no partition of a suitable type holds a btrfs file system"
		f.Do = []string{
			"give the pool's partition the root type of this architecture and the label " + PoolLabel,
			"or name it with root=PARTUUID=...",
		}
	}
	return f
}

// within says how long was waited, where something was.
func within(opts Options) string {
	if opts.Timeout == 0 {
		return ""
	}
	return fmt.Sprintf(" within %v", opts.Timeout)
}

// nameWhole says how to boot from disks that are a file system without partitions, which
// may be somebody's data, and so is only booted from when it is named.
func nameWhole(disks []Disk) (hints []string) {
	for _, d := range disks {
		for _, p := range d.Partitions {
			if p.Number == 0 {
				hints = append(hints, fmt.Sprintf(
					"%s is one btrfs without partitions: if it is the pool, name it with root=UUID=%s",
					d.Name, p.UUID))
			}
		}
	}
	return hints
}

func notThere(disks []Disk, opts Options) *Failure {
	return &Failure{
		Problem: NoDisk,
		What:    fmt.Sprintf("no partition root=%s appeared%s", opts.Root, within(opts)),
		Seen:    describeDisks(disks),
		Do: []string{
			"correct root= on the kernel command line, or leave it out",
			"if the disk is not listed, check its cable and that the initramfs has its driver",
		},
	}
}

func notBtrfs(disks []Disk, opts Options, p Partition) *Failure {
	return &Failure{
		Problem: NoBtrfs,
		What:    fmt.Sprintf("root=%s is %s, which is no pool: %s", opts.Root, p.Device, p.Problem),
		Seen:    describeDisks(disks),
		Do:      []string{"name the partition with the pool in root=, or leave root= out"},
	}
}

func ambiguous(disks []Disk, a, b Partition) *Failure {
	return &Failure{
		Problem: Ambiguous,
		What:    fmt.Sprintf("%s and %s could both be the pool", a.Device, b.Device),
		Seen:    describeDisks(disks),
		Do: []string{
			"remove one of the disks, or name the pool:",
			"    root=" + stableName(a, b) + "   for " + a.Device,
			"    root=" + stableName(b, a) + "   for " + b.Device,
		},
	}
}

// stableName is a root= that tells a partition from another: a disk copied block
// by block has the same ids, and only its device name differs.
func stableName(p, other Partition) string {
	if p.PartUUID != "" && p.PartUUID != other.PartUUID {
		return "PARTUUID=" + p.PartUUID
	}
	return p.Device
}

// describeDisks lists disks and partitions, each with why it was not taken.
func describeDisks(disks []Disk) []string {
	var lines []string
	for _, d := range disks {
		line := fmt.Sprintf("%s, %s", d.Name, units.Bytes(d.Size))
		if d.Err != nil {
			line += ": " + d.Err.Error()
		}
		lines = append(lines, line)
		for _, p := range d.Partitions {
			lines = append(lines, "  "+describePartition(p))
		}
	}
	return lines
}

func describePartition(p Partition) string {
	words := p.Device
	if p.Number > 0 {
		words += fmt.Sprintf(" %q, %s", p.Label, gpt.TypeName(p.Type))
	}
	if p.UUID == "" {
		return words + ": " + p.Problem
	}
	return words + ": btrfs " + p.UUID
}
