package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// Config describes a machine. The zero value of every field but Kernel is
// usable; Kernel may be empty too if there is Firmware to boot from a disk.
type Config struct {
	Kernel    string // path of a bzImage or a UKI
	Initramfs string // path of a cpio archive, compressed or not
	Cmdline   string // kernel command line; want console=ttyS0 in it
	Disks     []Disk // in the order the guest's bus shows them
	CPUs      int    // 1 if zero
	MemoryMiB int    // 1024 if zero
	Firmware  Firmware

	// Icount makes one instruction one nanosecond of guest time, so that a
	// boot can be measured on a busy host. It implies TCG and one CPU.
	Icount bool

	// Hotplug is the number of spare ports that AddDisk may use.
	Hotplug int

	// Resume is a file of VM.Save: the machine goes on from there. All else has to be
	// as in the one that was saved.
	Resume string

	// Ports are the names of virtio-serial ports, in the guest
	// /dev/virtio-ports/NAME. VM.Port is our end of each.
	Ports []string

	ExtraArgs []string  // appended to QEMU's command line
	Console   io.Writer // gets a copy of the serial console as it comes
}

// Firmware is a pair of flash images for UEFI. Vars is written to by the guest:
// give every machine a copy of its own, as OVMF does.
type Firmware struct {
	Code, Vars string
}

// ovmf is where Debian's ovmf package and its derivatives keep the firmware.
const ovmf = "/usr/share/OVMF"

// OVMF returns the UEFI firmware of the host, with its variables copied into dir.
func OVMF(dir string) (Firmware, error) {
	f := Firmware{
		Code: filepath.Join(ovmf, "OVMF_CODE_4M.fd"),
		Vars: filepath.Join(dir, "OVMF_VARS_4M.fd"),
	}
	vars, err := os.ReadFile(filepath.Join(ovmf, filepath.Base(f.Vars)))
	if err != nil {
		return Firmware{}, fmt.Errorf("copy firmware variables: %w", err)
	}
	if err := os.WriteFile(f.Vars, vars, 0o600); err != nil {
		return Firmware{}, fmt.Errorf("copy firmware variables: %w", err)
	}
	return f, nil
}

// props is an object in QEMU's terms: the same JSON makes it on the command line
// and, later, over the monitor.
type props map[string]any

// args returns QEMU's command line for c, with its monitor on file descriptor 3;
// accel chooses the accelerator.
func (c Config) args(accel []string) ([]string, error) {
	// Without signal=off a Ctrl-C sent to the guest would end QEMU.
	a, err := c.machineArgs(accel, "stdio,id=console,signal=off")
	a = append(a, c.portArgs()...)
	// The monitor is a socket that QEMU inherits: nothing to name or remove.
	a = append(a, "-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control")
	if c.Resume != "" {
		a = append(a, "-incoming", fmt.Sprintf("fd:%d", firstPort+len(c.Ports)))
	}
	return a, err
}

// portArgs adds the ports, all on one controller, which are sockets as the monitor is.
func (c Config) portArgs() []string {
	if len(c.Ports) == 0 {
		return nil
	}
	a := []string{"-device", controller("virtio-serial-pci", "ports").String()}
	for i, name := range c.Ports {
		id := "port" + strconv.Itoa(i)
		port := props{"driver": "virtserialport", "bus": "ports.0", "chardev": id, "name": name}
		a = append(a, "-chardev", fmt.Sprintf("socket,id=%s,fd=%d", id, firstPort+i),
			"-device", port.String())
	}
	return a
}

// firstPort is the file descriptor of the first port in QEMU; the monitor is before it, and
// what is resumed behind the last.
const firstPort = 4

// machineArgs returns the command line less the monitor; console is a character device.
func (c Config) machineArgs(accel []string, console string) ([]string, error) {
	a := append([]string{
		"-machine", "q35", "-nodefaults", "-display", "none", "-no-reboot",
		"-m", strconv.Itoa(orDefault(c.MemoryMiB, 1024)),
		"-smp", strconv.Itoa(c.cpus()),
		"-chardev", console, "-serial", "chardev:console",
	}, accel...)
	if c.Icount {
		// sleep=off would let guest time leap while the guest waits for a disk.
		a = append(a, "-icount", "shift=0,sleep=on")
	}
	a = append(a, c.bootArgs()...)
	objects, err := c.deviceArgs()
	if err != nil {
		return nil, err
	}
	return append(append(a, objects...), c.ExtraArgs...), nil
}

func (c Config) cpus() int {
	if c.Icount {
		return 1 // the instruction counter knows one CPU
	}
	return orDefault(c.CPUs, 1)
}

// bootArgs says what is booted: QEMU refuses -append without -kernel, so options
// that are not set are left out.
func (c Config) bootArgs() []string {
	var a []string
	add := func(option, value string) {
		if value != "" {
			a = append(a, option, value)
		}
	}
	add("-kernel", c.Kernel)
	add("-initrd", c.Initramfs)
	add("-append", c.Cmdline)
	if c.Firmware.Code != "" {
		add("-drive", "if=pflash,format=raw,readonly=on,file="+c.Firmware.Code)
		add("-drive", "if=pflash,format=raw,file="+c.Firmware.Vars)
	}
	return a
}

// deviceArgs adds the disks and the ports for later ones.
func (c Config) deviceArgs() ([]string, error) {
	var a []string
	for i, d := range c.Disks {
		id := "disk" + strconv.Itoa(i)
		block, devices, err := d.objects(id, "")
		if err != nil {
			return nil, err
		}
		if d.Volatile {
			a = append(a, "-drive", d.volatileDrive(id))
		} else {
			a = append(a, "-blockdev", block.String())
		}
		for _, dev := range devices {
			a = append(a, "-device", dev.String())
		}
	}
	for i := range c.Hotplug {
		a = append(a, "-device", props{
			"driver": "pcie-root-port", "id": hotplugPort(i), "chassis": i + 1,
		}.String())
	}
	return a, nil
}

// hotplugPort names the port that the nth AddDisk uses.
func hotplugPort(n int) string { return "hotplug" + strconv.Itoa(n) }

// String is the object as QEMU reads it on its command line.
func (p props) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error() // not reached: p holds strings, numbers and booleans
	}
	return string(b)
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
