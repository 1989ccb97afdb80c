package device

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const sysfs = "/sys"

// Modaliases calls visit with the modalias of every device that is there. A device
// that goes away meanwhile is passed over.
func Modaliases(visit func(modalias string)) error {
	buses, err := os.ReadDir(sysfs + "/bus")
	if err != nil {
		return err
	}
	for _, bus := range buses {
		dir := filepath.Join(sysfs, "bus", bus.Name(), "devices")
		names, err := readNames(dir)
		if err != nil {
			continue
		}
		for _, name := range names {
			if alias, err := os.ReadFile(dir + "/" + name + "/modalias"); err == nil {
				visit(strings.TrimSpace(string(alias)))
			}
		}
	}
	return nil
}

// noDisks are the names of block devices that no pool is on: they are made of
// other ones, or of RAM.
var noDisks = []string{"loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd", "mtdblock"}

// Disks returns the names of the disks that are there: "vda", "nvme0n1".
func Disks() ([]string, error) {
	names, err := readNames(sysfs + "/class/block")
	if err != nil {
		return nil, err
	}
	var disks []string
	for _, name := range names {
		if IsDisk(name) && !exists(sysfs+"/class/block/"+name+"/partition") {
			disks = append(disks, name)
		}
	}
	return disks, nil
}

// IsDisk says whether the name of a block device is one that a pool may be on, or
// a partition of it.
func IsDisk(name string) bool {
	for _, prefix := range noDisks {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return name != ""
}

// PartitionName returns the kernel's name of a disk's partition.
func PartitionName(disk string, number int) string {
	if number == 0 {
		return disk
	}
	if last := disk[len(disk)-1]; '0' <= last && last <= '9' {
		disk += "p"
	}
	return disk + strconv.Itoa(number)
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
