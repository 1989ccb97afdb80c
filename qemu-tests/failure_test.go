package qemutests_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// screen is a failure, and what its screen says: patterns, in their order. As lines are
// wrapped, each run of white space counts as one space.
type screen struct {
	name    string
	cmdline string
	disks   []vm.Disk
	want    []string
}

// check boots a machine that is to fail: to show the screen, and then to do as it is
// told. A kernel panic would be an error of expect and of wait.
func (c screen) check(t *testing.T, m *machine) {
	t.Helper()
	s := m.start("freshroot.timeout=2 freshroot.on-failure=poweroff " + c.cmdline)
	s.expect("^freshroot cannot boot this machine\n",
		"^The machine powers off in 1s.\n", "reboot: Power down")
	s.wait()
	_, text, _ := strings.Cut(s.vm.Output(), "\nfreshroot cannot boot this machine\n")
	text, _, _ = strings.Cut(text, "\nThe machine powers off")
	rest := strings.Join(strings.Fields(text), " ")
	want := append(c.want,
		"Booted with: kernel "+regexp.QuoteMeta(kernel.get(t).Release)+" console=ttyS0 ")
	for _, pattern := range want {
		at := regexp.MustCompile(pattern).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("the screen lacks %q at its place:\n%s", pattern, text)
		}
		rest = rest[at[1]:]
	}
}

// runScreens checks screens, each on a machine with its disks.
func runScreens(t *testing.T, screens []screen) {
	for _, c := range screens {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(t, newMachine(t, c.disks...))
		})
	}
}

// TestIntegrationNoPool is for what goes wrong before there is a pool.
func TestIntegrationNoPool(t *testing.T) {
	one := disk(t, pool(nil))
	one.ReadOnly = true // so that several machines can have it
	copied := disk(t, image.Spec{SizeMiB: 1})
	if err := exec.Command("cp", one.Path, copied.Path).Run(); err != nil {
		t.Fatal(err)
	}
	corrupt := disk(t, pool(nil))
	damageHeaders(t, corrupt.Path)
	ext4 := image.Pool(nil)
	ext4.FS = "ext4"
	other := disk(t, image.Spec{SizeMiB: 32, Partitions: []image.Partition{ext4}})
	const partuuid = "PARTUUID=[0-9a-f-]{36}"

	runScreens(t, []screen{
		{"no disk", "", nil, []string{
			"no disk appeared within 2s",
			"What to do:", "check that the disk is connected and powered",
		}},
		{"no table", "", []vm.Disk{blank(t)}, []string{
			"no disk has a GUID partition table",
			"Looked at:", "vda, 64 MiB: ",
			"What to do:", "write an image with a pool to the disk",
		}},
		{"corrupt table", "", []vm.Disk{corrupt}, []string{
			"the partition table of vda is corrupt, and so is its backup",
			"Looked at:", "vda, 160 MiB: ",
			"What to do:", "mend it from another system, with gdisk or sfdisk",
		}},
		{"no btrfs", "", []vm.Disk{other}, []string{
			"no partition of a suitable type holds a btrfs file system",
			"Looked at:", "vda, 32 MiB", `/dev/vda1 "freshroot", .*: no btrfs`,
			"What to do:", "give the pool's partition the root type",
		}},
		{"two pools", "", []vm.Disk{one, disk(t, pool(nil))}, []string{
			"/dev/vda1 and /dev/vdb1 could both be the pool",
			"Looked at:", "/dev/vda1 .*?: btrfs ", "/dev/vdb1 .*?: btrfs ",
			"What to do:", "remove one of the disks, or name the pool:",
			"root=" + partuuid, "root=" + partuuid,
		}},
		// A disk copied block by block has the same ids.
		{"a pool and its copy", "", []vm.Disk{one, copied}, []string{
			"/dev/vda1 and /dev/vdb1 could both be the pool",
			"What to do:", "root=/dev/vda1 ", "root=/dev/vdb1 ",
		}},
		{"root= is not there", "root=LABEL=none", []vm.Disk{one}, []string{
			"no partition root=LABEL=none appeared within 2s",
			"Looked at:", `/dev/vda1 "freshroot", .*: btrfs `,
			"What to do:", "correct root= on the kernel command line, or leave it out",
		}},
		{"root= is no pool", "root=/dev/vda1", []vm.Disk{other}, []string{
			"root=/dev/vda1 is /dev/vda1, which is no pool: no btrfs",
			"What to do:", "name the partition with the pool in root=",
		}},
	})
}

// damageHeaders changes both headers of a GPT, so that their checksums are wrong.
func damageHeaders(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const sector, firstUsable = 512, 40
	for _, lba := range []int64{1, poolSize<<20/sector - 1} {
		if _, err := f.WriteAt([]byte("hello"), lba*sector+firstUsable); err != nil {
			t.Fatal(err)
		}
	}
}

// blank is a disk of zeros.
func blank(t *testing.T) vm.Disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	return vm.Disk{Path: path}
}

// TestIntegrationBadPool is for what goes wrong with the pool.
func TestIntegrationBadPool(t *testing.T) {
	good := func() vm.Disk { return disk(t, pool(guest.Pool(master(t, "1.0", nil)))) }
	readOnly := good()
	readOnly.ReadOnly = true
	inits := []string{"sbin/init", "bin/init", "bin/sh"}
	noInit := disk(t, pool(guest.Pool(master(t, "1.0", remove(inits...)))))
	noInstance := disk(t, pool(func(top string) error {
		if err := guest.Pool(master(t, "1.0", nil))(top); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(top, instance), nil, 0o644)
	}))

	runScreens(t, []screen{
		{"read-only disk", "", []vm.Disk{readOnly}, []string{
			"the pool cannot be mounted", `\(mount btrfs /dev/vda1 on /pool `,
			"Looked at:", "/dev/vda1: btrfs ",
			"What to do:", "if the disk can only be read, boot with volatile=yes",
		}},
		{"empty pool", "", []vm.Disk{disk(t, pool(nil))}, []string{
			"the pool holds no usr: that can be booted",
			"Looked at:", "no member's name starts with usr:",
			"What to do:", "add one, read-only and named usr:VENDOR:x86-64:VERSION,",
		}},
		{"instance is a file", "", []vm.Disk{noInstance}, []string{
			"the instance " + instance + " cannot be written", "not a directory",
			"What to do:", "boot with volatile=yes, which writes nothing",
		}},
		{"small tmpfs", "volatile=yes freshroot.tmpfs=size=16k", []vm.Disk{good()}, []string{
			"the factory does not fit into the RAM that /sysroot may use", "no space left",
			"What to do:", `allow more: freshroot.tmpfs=size=50%`,
		}},
		{"few inodes", "volatile=state freshroot.tmpfs=nr_inodes=4", []vm.Disk{good()}, []string{
			"the factory does not fit into the RAM that /sysroot/var may use",
			"What to do:", `allow more: freshroot.tmpfs=size=50% \(or nr_inodes=\)`,
		}},
		{"init= is not there", "volatile=yes init=/nonexistent", []vm.Disk{good()}, []string{
			"" + usr + "1.0 has no init that can be executed",
			"Looked at:", "/nonexistent: no such file or directory",
			"What to do:", "correct init= on the kernel command line, or leave it out",
		}},
		{"no init", "volatile=yes", []vm.Disk{noInit}, []string{
			"" + usr + "1.0 has no init that can be executed",
			"Looked at:", "/usr/lib/systemd/systemd: no such file or directory",
			"/usr/sbin/init: ", "/usr/bin/sh: ",
			"What to do:", "or boot another version with freshroot.usr=",
		}},
	})
}

// remove makes a golden master lack some files.
func remove(paths ...string) func(root string) error {
	return func(root string) error {
		for _, path := range paths {
			if err := os.Remove(filepath.Join(root, path)); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestIntegrationPanic lets the init itself fail.
func TestIntegrationPanic(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	own := filepath.Join(t.TempDir(), "init")
	compile := exec.Command("go", "build", "-ldflags=-s -X main.testPanic=devices",
		"-o", own, "../initramfs")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", compile, err, out)
	}
	m.Initramfs = build(t, "virtio", func(o *archive.Options) { o.Init = own }).Output
	screen{want: []string{
		"freshroot itself has a fault: asked for by a test",
		"Looked at:", `boot\.go:`,
		"What to do:", "report this screen at https://",
	}}.check(t, m)
}

// TestIntegrationOnFailure looks at what comes after the screen.
func TestIntegrationOnFailure(t *testing.T) {
	tests := []struct {
		name, cmdline string
		want          []string
		off           bool // the machine ends
	}{
		{"reboot", "freshroot.on-failure=reboot",
			[]string{"^The machine reboots in 1s.\n", "reboot: Restarting system"}, true},
		{"panic=", "",
			[]string{"^The machine reboots in 1s.\n", "reboot: Restarting system"}, true},
		{"halt", "freshroot.on-failure=halt",
			[]string{"^The machine halts.", "reboot: System halted"}, false},
		{"nothing", "panic=0",
			[]string{"^The machine halts.", "reboot: System halted"}, false},
		{"no shell", "freshroot.on-failure=shell", []string{
			"^no shell: this initramfs was built without one\n", "reboot: System halted",
		}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newMachine(t).start("freshroot.timeout=0 " + test.cmdline)
			s.expect("^freshroot cannot boot this machine\n")
			s.expect(test.want...)
			if test.off {
				s.wait()
			}
		})
	}
}

// TestIntegrationRescue stops before a phase and before a step, and looks around with what
// --rescue brings. It also has the shell that follows a failure.
func TestIntegrationRescue(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	m.Initramfs = rescue.get(t).Output

	s := m.start("freshroot.break=pool")
	s.expect("^freshroot stops before: the phase pool\n", `^\$ $`)
	s.send("freshroot plan /dev/vda")
	s.expect("^would boot "+usr+"1.0\n", `^\$ $`)
	s.send("mkdir /mnt && mount -t btrfs -o subvolid=5 /dev/vda1 /mnt && btrfs subvolume list /mnt")
	s.expect("path "+usr+"1.0\n", `^\$ $`)
	s.send("umount /mnt && exit")
	s.expect("freshroot: going on with: the phase pool")
	if r := s.report(); r.boot.Mode != "no" || r.boot.Instance != instance {
		t.Errorf("booted %+v", r.boot)
	}

	s = m.start("volatile=yes freshroot.break=populate")
	s.expect("^freshroot stops before: copy /sysroot/usr/share/factory to /sysroot", `^\$ $`)
	s.send("mount | grep sysroot/usr; ls /sysroot; echo the answer is $((6 * 7))")
	s.expect("/sysroot/usr.*btrfs", "^usr\n", "^the answer is 42\n", `^\$ $`)
	s.send("exit")
	if r := s.report(); r.boot.Mode != "yes" {
		t.Errorf("booted %+v", r.boot)
	}

	s = m.start("root=LABEL=none freshroot.timeout=0 freshroot.on-failure=shell")
	s.expect("^A shell follows; when it ends, the machine halts.\n", `^\$ $`)
	s.send("btrfs check /dev/vda1")
	s.expect("no error found", `^\$ $`)
	s.send("poweroff")
	s.expect("reboot: Power down")
}

// TestIntegrationScreenIsWhole has the kernel print on the console at each interrupt, so
// also at those of the screen's own characters.
func TestIntegrationScreenIsWhole(t *testing.T) {
	t.Parallel()
	s := newMachine(t).start("trace_event=irq:irq_handler_entry tp_printk " +
		"freshroot.timeout=0 freshroot.on-failure=reboot")
	s.wait()
	console := s.vm.Output()
	const message = "irq_handler_entry: "
	_, screen, _ := strings.Cut(console, "\nfreshroot cannot boot this machine\n")
	screen, after, found := strings.Cut(screen, "\nThe machine reboots in 1s.\n")
	if !found || strings.Contains(screen, message) {
		t.Error("the screen is torn")
	}
	if !strings.Contains(console, message) || !strings.Contains(after, "reboot: Restarting system") {
		t.Error("the kernel is quiet")
	}
}

// TestIntegrationNoShell asks for a shell where there is never one.
func TestIntegrationNoShell(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Initramfs = build(t, "virtio", func(o *archive.Options) {
		o.Shell = archive.ShellNever
		o.Add = []archive.Addition{{Host: "/bin/busybox", Path: "bin/sh"}}
	}).Output
	s := m.start("freshroot.timeout=0 freshroot.on-failure=shell freshroot.break=devices init=/bin/sh")
	const leftOut = " was left out: this initramfs was built to give no shell\n"
	s.expect("freshroot.break=devices"+leftOut, "init=/bin/sh"+leftOut,
		"freshroot.on-failure=shell"+leftOut, "^The machine reboots in 1s.\n")
	s.wait()
}

// TestIntegrationHang has a disk that comes late, for the firmware would look at it too,
// and stops to answer after its first sectors. While the kernel looks for partitions the
// module does not come back; the kernel itself would wait for it before it reboots.
func TestIntegrationHang(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.Hotplug = 1
	m.ExtraArgs = []string{"-object",
		`{"qom-type":"throttle-group","id":"stuck","limits":{"bps-total":1}}`}
	late := disk(t, pool(nil))
	late.Throttle = "stuck"
	s := m.start("freshroot.timeout=15 freshroot.deadline=5 freshroot.on-failure=reboot")
	s.expect("freshroot: waiting for a disk with a pool")
	if err := s.vm.AddDisk(s.ctx, late); err != nil {
		t.Fatal(err)
	}
	s.expect("^freshroot cannot boot this machine\n",
		"this does not come to an end: the phase devices", "nothing was read or written for 20s",
		"^Looked at:", "modules that are being loaded: .*virtio_blk",
		"^The machine reboots in 1s.\n", "sysrq: Resetting")
	s.wait()
}
