package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/btrfs"
	"github.com/freshroot/freshroot/pkg/units"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// poolSpace is the space of the pool, in bytes.
type poolSpace struct {
	Size          uint64 `json:"size"`
	Free          uint64 `json:"free"`
	MetadataTotal uint64 `json:"metadata_total"`
	MetadataUsed  uint64 `json:"metadata_used"`
}

// nearlyFull is from how many percent on it is time to do something.
const nearlyFull = 90

// lookAtSpace measures the pool and the parts of the root that are in RAM, and warns of
// what is nearly full. /usr is in the pool, and everybody may ask.
func lookAtSpace(b bootRecord) (space *poolSpace, warnings []string) {
	space, err := measurePool("/usr")
	if err != nil {
		warnings = append(warnings, err.Error())
	} else {
		warnings = space.warnings()
	}
	for _, dir := range inRAM[b.Mode] {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			warnings = append(warnings, fmt.Sprintf("look at space of %s: %v", dir, err))
			continue
		}
		warnings = append(warnings, tmpfsWarnings(dir, st)...)
	}
	return space, warnings
}

// inRAM are the places that freshroot.tmpfs= limits, by the mode.
var inRAM = map[volatile.Mode][]string{
	volatile.Yes: {"/"}, volatile.Overlay: {"/"}, volatile.State: {"/var"},
}

// measurePool measures the btrfs that a directory is in.
func measurePool(path string) (*poolSpace, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return nil, fmt.Errorf("look at space of %s: %w", path, err)
	}
	_, metadata, err := btrfs.Space(dir)
	return &poolSpace{
		Size: st.Blocks * uint64(st.Bsize), Free: st.Bavail * uint64(st.Bsize),
		MetadataTotal: metadata.Total, MetadataUsed: metadata.Used,
	}, err
}

// warnings tells what of the pool is nearly full. Metadata may grow as long as there is
// room that nothing is set apart for, which the free space stands for.
func (s *poolSpace) warnings() (list []string) {
	if used := percent(s.Size-s.Free, s.Size); used >= nearlyFull {
		list = append(list, fmt.Sprintf("the pool is %d %% full: %s are free", used, units.Bytes(s.Free)))
	}
	used := percent(s.MetadataUsed, s.MetadataTotal)
	if used >= nearlyFull && s.Free < s.MetadataTotal {
		const hint = "btrfs balance start -dusage=10 may make room"
		list = append(list, fmt.Sprintf("the metadata of the pool is %d %% full: %s", used, hint))
	}
	return list
}

// tmpfsWarnings tells of a root in RAM that is nearly full.
func tmpfsWarnings(dir string, st unix.Statfs_t) (list []string) {
	const more = "allow more with freshroot.tmpfs="
	if used := percent(st.Blocks-st.Bfree, st.Blocks); used >= nearlyFull {
		list = append(list, fmt.Sprintf("%s is in RAM and %d %% full: %s", dir, used, more))
	}
	if used := percent(st.Files-st.Ffree, st.Files); used >= nearlyFull {
		list = append(list, fmt.Sprintf(
			"%s is in RAM and has %d %% of its files: %s", dir, used, more))
	}
	return list
}

// percent is how much of a total is used, rounded down; of nothing, nothing is used.
func percent(used, total uint64) uint64 {
	if total == 0 {
		return 0
	}
	return uint64(float64(used) / float64(total) * 100)
}

// describe follows the name of the pool.
func (s *poolSpace) describe() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf(", %s of %s free, metadata %d %% full", units.Bytes(s.Free), units.Bytes(s.Size),
		percent(s.MetadataUsed, s.MetadataTotal))
}
