package apply

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of linux/btrfs.h and linux/btrfs_tree.h.
const (
	iocTreeSearch   = 0xd0009411
	iocQgroupAssign = 0x40189429
	iocQgroupCreate = 0x4010942a
	iocSubvolInfo   = 0x81f8943c

	quotaTree      = 8
	qgroupRelation = 246 // the key's type; objectid and offset are the two groups

	levelShift = 48 // a group is its level, and the subvolume that it was made for
	topLevel   = 255
)

// treeSearch is struct btrfs_ioctl_search_args.
type treeSearch struct {
	tree                   uint64
	minObject, maxObject   uint64
	minOffset, maxOffset   uint64
	minTransID, maxTransID uint64
	minType, maxType       uint32
	items, _               uint32
	_                      [4]uint64
	buf                    [3992]byte
}

// searchHeader is the size of what precedes each item in the buffer:
//
//	u64 transid | u64 objectid | u64 offset | u32 type | u32 len
const searchHeader = 32

// subvolumeInfo is struct btrfs_ioctl_get_subvol_info_args.
type subvolumeInfo struct {
	id     uint64
	name   [256]byte
	parent uint64
	_      [232]byte
}

// joinQuota counts a new subvolume in the groups that the one above is in. With own, it
// gets a group to be counted in with all below it, one level under those. Without
// quotas, nothing happens.
func joinQuota(dir int, base string, own bool) error {
	subvolume, err := openFileAt(dir, base)
	if err != nil {
		return err
	}
	defer subvolume.Close()
	err = joinGroups(subvolume, own)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EROFS) || unsupported(err) {
		return nil
	}
	return err
}

func joinGroups(subvolume *os.File, own bool) error {
	var info subvolumeInfo
	if err := btrfsCall(subvolume, iocSubvolInfo, unsafe.Pointer(&info)); err != nil {
		return fmt.Errorf("ask for subvolume: %w", err)
	}
	// The kernel may have done it, as for simple quotas.
	has, err := groupsOf(subvolume, info.id)
	if err != nil || len(has) > 0 {
		return err
	}
	groups, err := groupsOf(subvolume, info.parent)
	if err != nil {
		return err
	}
	if own {
		group, err := makeGroup(subvolume, info.id, groups)
		if err != nil {
			return err
		}
		groups = []uint64{group}
	}
	return assign(subvolume, info.id, groups)
}

// groupsOf returns the groups that a group is in. There is no such tree without quotas.
func groupsOf(f *os.File, group uint64) (groups []uint64, err error) {
	const all = ^uint64(0)
	search := treeSearch{
		tree: quotaTree, minObject: group, maxObject: group, maxOffset: all,
		maxTransID: all, minType: qgroupRelation, maxType: qgroupRelation, items: ^uint32(0),
	}
	if err := btrfsCall(f, iocTreeSearch, unsafe.Pointer(&search)); err != nil {
		return nil, fmt.Errorf("search quota groups: %w", err)
	}
	buf := search.buf[:]
	for range search.items {
		if len(buf) < searchHeader {
			return nil, fmt.Errorf("search quota groups: %w", unix.EBADMSG)
		}
		// A relation stands there in both directions.
		if other := binary.NativeEndian.Uint64(buf[16:]); other > group {
			groups = append(groups, other)
		}
		// The length comes from the kernel, but it costs nothing to doubt it.
		size := searchHeader + int(binary.NativeEndian.Uint32(buf[28:]))
		buf = buf[min(size, len(buf)):]
	}
	return groups, nil
}

// makeGroup makes a group for a subvolume and what is below it, inside of others.
func makeGroup(f *os.File, id uint64, above []uint64) (uint64, error) {
	level := uint64(topLevel + 1)
	for _, group := range above {
		level = min(level, group>>levelShift)
	}
	if level <= 1 {
		return 0, fmt.Errorf("make quota group: no level is left: %w", unix.EBUSY)
	}
	group := (level-1)<<levelShift | id
	args := [2]uint64{1, group}
	err := btrfsCall(f, iocQgroupCreate, unsafe.Pointer(&args))
	if err != nil && err != unix.EEXIST {
		return 0, fmt.Errorf("make quota group: %w", err)
	}
	return group, assign(f, group, above)
}

// assign puts a group into others.
func assign(f *os.File, group uint64, into []uint64) error {
	for _, parent := range into {
		args := [3]uint64{1, group, parent}
		err := btrfsCall(f, iocQgroupAssign, unsafe.Pointer(&args))
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("assign quota group: %w", err)
		}
	}
	return nil
}

func btrfsCall(f *os.File, request uintptr, arg unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg))
	if errno != 0 {
		return errno
	}
	return nil
}
