package vm

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// monitorArgs ends every command line.
const monitorArgs = " -chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control"

// after returns the command line from an option on, less the monitor.
func after(t *testing.T, c Config, option string) string {
	t.Helper()
	args, err := c.args(tcg)
	if err != nil {
		t.Fatal(err)
	}
	line, ok := strings.CutSuffix(strings.Join(args, " "), monitorArgs)
	_, tail, found := strings.Cut(line, option+" ")
	if !ok || !found {
		t.Fatalf("no %s, or no monitor, in %q", option, args)
	}
	return option + " " + tail
}

func TestArgs(t *testing.T) {
	for _, test := range []struct {
		name, from string
		config     Config
		want       string // a space or a comma at its end: what follows does not matter
	}{
		{"zero", "-m", Config{}, "-m 1024 -smp 1 -chardev stdio,id=console,signal=off " +
			"-serial chardev:console -accel tcg -cpu max"},
		{"size", "-m", Config{MemoryMiB: 256, CPUs: 3}, "-m 256 -smp 3 "},
		{"one CPU", "-smp", Config{CPUs: 3, Icount: true}, "-smp 1 "},
		{"icount", "-icount", Config{Icount: true}, "-icount shift=0,sleep=on"},
		{"direct", "-kernel",
			Config{Kernel: "k", Initramfs: "i", Cmdline: "c d", ExtraArgs: []string{"-x"}},
			"-kernel k -initrd i -append c d -x"},
		{"firmware", "-drive", Config{Firmware: Firmware{"code", "vars"}},
			"-drive if=pflash,format=raw,readonly=on,file=code " +
				"-drive if=pflash,format=raw,file=vars"},
		{"disk", "-blockdev", Config{Disks: []Disk{{Path: "a,b", ReadOnly: true}}},
			`-blockdev {"cache":{"no-flush":true},"driver":"raw",` +
				`"file":{"driver":"file","filename":"a,b"},"node-name":"disk0",` +
				`"read-only":true} -device {"drive":"disk0","driver":"virtio-blk-pci"}`},
		{"throttle", "-blockdev", Config{Disks: []Disk{{Path: "a", Throttle: "slow"}}},
			`-blockdev {"cache":{"no-flush":true},"driver":"raw","file":{"driver":"throttle",` +
				`"file":{"driver":"file","filename":"a"},"throttle-group":"slow"},`},
		{"log", "-blockdev", Config{Disks: []Disk{{Path: "a", Log: "l"}}},
			`-blockdev {"driver":"blklogwrites","file":{"cache":{"no-flush":true},` +
				`"driver":"raw","file":{"driver":"file","filename":"a"},"read-only":false},` +
				`"log":{"cache":{"no-flush":true},"driver":"file","filename":"l"},` +
				`"node-name":"disk0"} -device {"drive":"disk0","driver":"virtio-blk-pci"}`},
		{"part", "-blockdev",
			Config{Disks: []Disk{{Path: "a", Offset: 512, Size: 1024, Discard: true}}},
			`-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw",` +
				`"file":{"discard":"unmap","driver":"file","filename":"a"},"node-name":"disk0",` +
				`"offset":512,"read-only":false,"size":1024} ` +
				`-device {"drive":"disk0","driver":"virtio-blk-pci"}`},
		{"volatile disk", "-drive",
			Config{Disks: []Disk{{Path: "a,b", Format: "qcow2", Volatile: true}}},
			"-drive if=none,snapshot=on,id=disk0,format=qcow2,file=a,,b " +
				`-device {"drive":"disk0","driver":"virtio-blk-pci"}`},
		{"ports", "-device", Config{Ports: []string{"a", "b"}},
			`-device {"driver":"virtio-serial-pci","id":"ports"} -chardev socket,id=port0,fd=4 ` +
				`-device {"bus":"ports.0","chardev":"port0","driver":"virtserialport","name":"a"} ` +
				`-chardev socket,id=port1,fd=5 ` +
				`-device {"bus":"ports.0","chardev":"port1","driver":"virtserialport","name":"b"}`},
		{"hotplug", "-device", Config{Hotplug: 2},
			`-device {"chassis":1,"driver":"pcie-root-port","id":"hotplug0"} ` +
				`-device {"chassis":2,"driver":"pcie-root-port","id":"hotplug1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := after(t, test.config, test.from)
			if strings.HasSuffix(test.want, " ") || strings.HasSuffix(test.want, ",") {
				got = got[:min(len(got), len(test.want))]
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDiskObjects writes the devices of a disk as QEMU reads them.
func TestDiskObjects(t *testing.T) {
	for _, test := range []struct {
		disk Disk
		port string
		want []string
	}{
		{Disk{Interface: VirtioBlk, SectorSize: 4096, Serial: "s"}, "p", []string{
			`{"bus":"p","drive":"d","driver":"virtio-blk-pci","logical_block_size":4096,` +
				`"physical_block_size":4096,"serial":"s"}`}},
		{Disk{Interface: NVMe}, "", []string{
			`{"drive":"d","driver":"nvme","serial":"d"}`}},
		{Disk{Interface: VirtioSCSI, SectorSize: 512}, "p", []string{
			`{"bus":"p","driver":"virtio-scsi-pci","id":"d-bus"}`,
			`{"bus":"d-bus.0","drive":"d","driver":"scsi-hd","logical_block_size":512,` +
				`"physical_block_size":512}`}},
		{Disk{Interface: AHCI}, "", []string{
			`{"driver":"ahci","id":"d-bus"}`,
			`{"bus":"d-bus.0","drive":"d","driver":"ide-hd"}`}},
		{Disk{Interface: USBStorage}, "", []string{
			`{"driver":"qemu-xhci","id":"d-bus"}`,
			`{"bus":"d-bus.0","drive":"d","driver":"usb-storage"}`}},
		{Disk{Interface: UAS}, "p", []string{
			`{"bus":"p","driver":"qemu-xhci","id":"d-xhci"}`,
			`{"bus":"d-xhci.0","driver":"usb-uas","id":"d-bus"}`,
			`{"bus":"d-bus.0","drive":"d","driver":"scsi-hd"}`}},
		{Disk{Interface: SDHCI}, "", []string{
			`{"driver":"sdhci-pci","id":"d-bus"}`, `{"drive":"d","driver":"sd-card"}`}},
	} {
		t.Run(string(test.disk.Interface), func(t *testing.T) {
			_, devices, err := test.disk.objects("d", test.port)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range devices {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("devices (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiskRefuses(t *testing.T) {
	for want, disk := range map[string]Disk{
		"sector size 1024":               {SectorSize: 1024},
		"ahci has 512-byte sectors only": {SectorSize: 4096, Interface: AHCI},
		"sdhci has no serial":            {Interface: SDHCI, Serial: "s"},
		"volatile goes with no ReadOnly, Size, Discard, Throttle or Log": {Volatile: true, ReadOnly: true},
		"a part of an image in the format qcow2":                         {Size: 512, Format: "qcow2"},
		`unknown interface "floppy"`:                                     {Interface: "floppy"},
	} {
		disk.Path = "x.img"
		_, err := Start(t.Context(), Config{Icount: true, Disks: []Disk{disk}})
		if err == nil || !strings.HasSuffix(err.Error(), `disk "x.img": `+want) {
			t.Errorf("Start: %v, want %q", err, want)
		}
	}
}

func TestAcceleratorFollowsEnvironment(t *testing.T) {
	for _, test := range []struct {
		env    string
		config Config
		want   []string
	}{
		{"0", Config{Kernel: "k"}, tcg},
		{"1", Config{Kernel: "k"}, kvm},
		{"1", Config{Kernel: "k", Icount: true}, tcg},
		{"", Config{}, tcg},                       // there is nothing to try it with
		{"", Config{Kernel: "/nonexistent"}, tcg}, // the trial fails
	} {
		t.Setenv("FRESHROOT_KVM", test.env)
		got := accelerator(t.Context(), test.config)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("FRESHROOT_KVM=%q, %+v (-want +got):\n%s",
				test.env, test.config, diff)
		}
	}
}

func TestOVMF(t *testing.T) {
	if _, err := os.Stat(ovmf); err != nil {
		t.Skip(err)
	}
	one, err := OVMF(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	two, err := OVMF(t.TempDir())
	if err != nil || one.Code != two.Code || one.Vars == two.Vars {
		t.Errorf("firmwares %+v and %+v (%v), want variables of their own", one, two, err)
	}
	if _, err := OVMF("/nonexistent"); err == nil {
		t.Error("the variables were copied nowhere")
	}
}
