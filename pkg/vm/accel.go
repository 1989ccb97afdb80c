package vm

import (
	"bytes"
	"context"
	"os"
	"slices"
	"sync"
	"time"
)

// trialTime is what a boot may take that shows whether KVM works: a kernel without
// a root panics well within it, a hung one never does.
const trialTime = 5 * time.Second

// trials remembers, by kernel, whether KVM worked: a trial that fails takes long.
var trials sync.Map

var (
	tcg = []string{"-accel", "tcg", "-cpu", "max"}
	kvm = []string{"-accel", "kvm", "-cpu", "host"}
)

// accelerator chooses between KVM and TCG for a machine.
func accelerator(ctx context.Context, c Config) []string {
	if c.Icount {
		return tcg // only the emulator can count instructions
	}
	switch os.Getenv("FRESHROOT_KVM") {
	case "1":
		return kvm
	case "":
		if c.Kernel != "" && kvmWorks(ctx, c.Kernel) {
			return kvm
		}
	}
	return tcg
}

// ready returns the machine as it is best for its accelerator, with that.
func (c Config) ready(ctx context.Context) (Config, []string) {
	accel := accelerator(ctx, c)
	if slices.Equal(accel, tcg) && c.Kernel != "" && c.Firmware.Code == "" {
		c.Kernel = unpacked(c.Kernel)
	}
	return c, accel
}

// kvmWorks boots the kernel once under KVM, if there is any.
func kvmWorks(ctx context.Context, kernel string) bool {
	dev, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	dev.Close()
	trial, _ := trials.LoadOrStore(kernel, sync.OnceValue(func() bool {
		return tryKVM(ctx, kernel)
	}))
	return trial.(func() bool)()
}

// tryKVM boots without a root, so that the kernel gets as far as to panic, and
// with panic=-1, so that it then reboots, which ends QEMU.
func tryKVM(ctx context.Context, kernel string) bool {
	// Whose machine is cancelled meanwhile must not decide for the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trialTime)
	defer cancel()
	var out bytes.Buffer
	cmd := command(ctx, append([]string{
		"-machine", "q35", "-nodefaults", "-display", "none", "-no-reboot",
		"-m", "512", "-serial", "stdio",
		"-kernel", kernel, "-append", "console=ttyS0 panic=-1",
	}, kvm...))
	cmd.Stdout = &out
	return cmd.Run() == nil && bytes.Contains(out.Bytes(), []byte(panicMark))
}
