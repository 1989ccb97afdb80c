package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/efivar"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/mount"
)

// firmwareDir is there if the machine has booted by UEFI.
const firmwareDir = "/sys/firmware/efi"

// maxVariable is more than a load option or an order has, in bytes.
const maxVariable = 16 << 10

// register tells the firmware of systemd-boot. Without that, firmware looks for a loader
// in the place that removable media have it, and finds it there, too.
func (o *installOptions) register(i *installed, p image.Plan) (err error) {
	const loader = `\EFI\systemd\systemd-boot`
	style := p.Boot.Style
	if o.noFirmware || style != esp.Entries && style != esp.UKI {
		return nil
	}
	var former []gpt.GUID
	for _, part := range i.Disk.Parts {
		former = append(former, part.GUID)
	}
	option := efivar.LoadOption{
		Active: true, Description: "freshroot " + p.Fill.Usr.Vendor,
		File: loader + bls.Arch(p.Fill.Usr.Arch) + ".efi",
	}
	if option.Partition, err = p.BootPartition(); err != nil {
		return err
	}
	i.Firmware, err = registerOption(option, former)
	return err
}

// registerOption makes a load option the first that the firmware boots. One of ours on a
// former partition is replaced. It returns the name, and "" on a machine without UEFI.
func registerOption(o efivar.LoadOption, former []gpt.GUID) (name string, err error) {
	if _, err := os.Stat(firmwareDir); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	// It need not be mounted, and may be mounted read-only.
	dir, err := mount.Nowhere("efivarfs", "efivarfs")
	if err != nil {
		return "", err
	}
	defer dir.Close()
	efivars := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	there, order, err := readOptions(dir, efivars)
	if err != nil {
		return "", err
	}
	number, order, err := efivar.Register(there, order, o, former)
	if err != nil {
		return "", err
	}
	// The option is complete before anything refers to it.
	err = device.WriteVariable(efivars, efivar.Name(number), efivar.Attributes, o.Encode())
	if err == nil {
		err = device.WriteVariable(efivars, efivar.Order, efivar.Attributes, efivar.EncodeOrder(order))
	}
	return fmt.Sprintf("Boot%04X", number), err
}

// readOptions reads all load options and their order. What cannot be parsed has its number
// all the same.
func readOptions(dir *os.File, efivars string) (
	there map[uint16]efivar.LoadOption, order []uint16, err error,
) {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, nil, fmt.Errorf("list EFI variables: %w", err)
	}
	there = map[uint16]efivar.LoadOption{}
	for _, name := range names {
		number, isOption := efivar.ParseName(name)
		if !isOption {
			continue
		}
		raw, err := readVariable(efivars, name)
		if err != nil {
			return nil, nil, err
		}
		there[number], _ = efivar.ParseLoadOption(raw)
	}
	raw, err := readVariable(efivars, efivar.Order)
	return there, efivar.ParseOrder(raw), err
}

// readVariable returns the content of a variable, without its attributes.
func readVariable(efivars, name string) ([]byte, error) {
	const attributes = 4
	raw, err := device.ReadVariable(efivars, name, maxVariable)
	if err != nil || len(raw) < attributes {
		return nil, err
	}
	return raw[attributes:], nil
}
