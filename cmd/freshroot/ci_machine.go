package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/freshroot/freshroot/pkg/directboot"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/job/host"
	"github.com/freshroot/freshroot/pkg/signature"
	"github.com/freshroot/freshroot/pkg/vm"
)

// ciOptions is what a guest's command line gets, so that we see what it says, and that a
// panic ends it.
const ciOptions = "console=ttyS0 panic=-1 volatile=yes"

// machine describes the machine that boots the image at path; dir is for files of it.
func (r *ciRun) machine(ctx context.Context, path, dir string) (vm.Config, error) {
	disk, err := imageDisk(path)
	if err != nil {
		return vm.Config{}, err
	}
	c := vm.Config{CPUs: r.cpus, MemoryMiB: r.memory, Disks: []vm.Disk{disk}}
	options := strings.TrimSpace(ciOptions + " " + r.cmdline)
	switch {
	case r.firmware:
		return c, r.byFirmware(&c, options, dir)
	case r.kernel != "":
		c.Kernel, c.Initramfs, c.Cmdline = r.kernel, r.initramfs, options
		return c, nil
	case disk.Format != string(image.Raw):
		return c, fmt.Errorf("the kernel cannot be read out of an image in the format %s: "+
			"use --firmware, or --kernel and --initramfs", disk.Format)
	}
	boot, err := directboot.Extract(ctx, path, "x86-64", dir)
	c.Kernel, c.Initramfs = boot.Kernel, boot.Initramfs
	c.Cmdline = strings.TrimSpace(boot.Cmdline + " " + options)
	return c, err
}

// byFirmware boots by UEFI. Boot loaders and stubs of systemd 254 and later take options
// from the firmware's tables; before, the guest has only its own.
func (r *ciRun) byFirmware(c *vm.Config, options, dir string) (err error) {
	options = strings.ReplaceAll(options, ",", ",,") // or QEMU takes it apart
	for _, program := range []string{"boot", "stub"} {
		c.ExtraArgs = append(c.ExtraArgs, "-smbios",
			"type=11,value=io.systemd."+program+".kernel-cmdline-extra="+options)
	}
	c.Firmware, err = vm.OVMF(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: install the package ovmf", err)
	}
	return err
}

// imageDisk tells by the beginning of an image what it is. What is not known is taken for
// one that is as it would be on a disk, and its table tells the size of a sector.
func imageDisk(path string) (vm.Disk, error) {
	d := vm.Disk{Path: path, Format: string(image.Raw), Volatile: true}
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	head := make([]byte, 8)
	if n, err := io.ReadFull(f, head); err != nil {
		return d, fmt.Errorf("%q: no disk image: %d bytes", path, n)
	}
	if d.Format = signature.ImageFormat(f); d.Format != string(image.Raw) {
		return d, nil
	}
	size, err := f.Seek(0, io.SeekEnd) // of a block device, too
	if err != nil {
		return d, err
	}
	if table, err := gpt.Probe(f, size); err == nil { // without one, the guest will complain
		d.SectorSize = table.SectorSize
	}
	return d, nil
}

// openConsole opens what gets the guest's console.
func (r *ciRun) openConsole(stderr io.Writer) (io.WriteCloser, error) {
	switch r.console {
	case "":
		return nopCloser{io.Discard}, nil
	case "-":
		return nopCloser{stderr}, nil
	}
	return os.Create(r.console)
}

// nopCloser is a writer that is not ours to close.
type nopCloser struct{ io.Writer }

// Close does nothing.
func (nopCloser) Close() error { return nil }

// ciSummary is the summary for programs. Times are in seconds.
type ciSummary struct {
	Status int     `json:"status"`
	Error  string  `json:"error,omitempty"` // why the status is not the command's
	Boot   float64 `json:"boot"`
	Run    float64 `json:"run"`
}

// openSummary creates the file for the summary, if there shall be one: that it cannot be
// written is known before the command has run.
func (r *ciRun) openSummary() (io.WriteCloser, error) {
	if r.json == "" {
		return nopCloser{io.Discard}, nil
	}
	return os.Create(r.json)
}

// summarize writes the summary.
func summarize(w io.WriteCloser, result host.Result, status exitStatus, err error) error {
	s := ciSummary{
		Status: int(status), Boot: result.Boot.Seconds(), Run: result.Run.Seconds(),
	}
	if err != nil {
		s.Error = err.Error()
	}
	return errors.Join(printJSON(w, s), w.Close())
}
