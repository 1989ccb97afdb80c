package efivar

import (
	"errors"
	"slices"

	"github.com/freshroot/freshroot/pkg/gpt"
)

// ErrFull is returned if each number of a load option is taken.
var ErrFull = errors.New("the firmware has no room for another load option")

// Register says how a load option comes to be the first that is booted: by which number,
// and with which order. Of the options that are there, the first with the same description
// on one of the former partitions is replaced, so that a disk that is installed anew
// leaves nothing behind.
func Register(there map[uint16]LoadOption, order []uint16, o LoadOption, former []gpt.GUID) (
	number uint16, newOrder []uint16, err error,
) {
	number, err = free(there)
	for _, n := range sorted(there) {
		old := there[n]
		if old.Description == o.Description && slices.Contains(former, old.Partition.GUID) {
			number, err = n, nil
			break
		}
	}
	if err != nil {
		return 0, nil, err
	}
	newOrder = []uint16{number}
	for _, n := range order {
		if n != number {
			newOrder = append(newOrder, n)
		}
	}
	return number, newOrder, nil
}

// free is the smallest number that is not taken.
func free(there map[uint16]LoadOption) (uint16, error) {
	for n := range 1 << 16 {
		if _, taken := there[uint16(n)]; !taken {
			return uint16(n), nil
		}
	}
	return 0, ErrFull
}

func sorted(there map[uint16]LoadOption) (numbers []uint16) {
	for n := range there {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
