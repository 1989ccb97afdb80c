package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// readFirmware reads by what systemd asks the firmware to remember a factory reset.
func (b *boot) readFirmware() {
	for name, value := range map[string]*[]byte{
		reset.FactoryReset:        &b.firmware.FactoryReset,
		reset.FactoryResetRequest: &b.firmware.FactoryResetRequest,
	} {
		var err error
		if *value, err = device.ReadVariable(efivars, name, reset.MaxVariable); err != nil {
			b.warn(err.Error())
		}
	}
}

// takeOver makes the request of the firmware, if there is one, a request of the pool,
// before anything is reset: a variable that cannot be deleted, which forget does, would
// reset the machine at each boot. Then it is only reset as others ask for.
func (b *boot) takeOver(pool *os.File, s volatile.Reset, forget func() error) (
	volatile.Reset, error,
) {
	if !s.Firmware {
		return s, nil
	}
	before, _ := instance.ReadRequest(pool, s.Instance) // what cannot be read is none
	note := instance.WriteRequest(pool, s.Instance, reset.Request{Reset: reset.All})
	if note != nil { // a disk that is full may be why the reset is wanted
		b.warn("if power goes now, the firmware's request is lost: " + note.Error())
	}
	err := forget()
	if err == nil {
		s.Request = true
		return s, nil
	}
	err = fmt.Errorf("the firmware would ask for it at each boot, for its request cannot be "+
		"deleted; systemd.factory_reset=no does not look at it: %w", err)
	if before == (reset.Request{}) {
		b.warnForgotten(instance.DropRequest(pool, s.Instance))
	} else {
		b.warnForgotten(instance.WriteRequest(pool, s.Instance, before))
	}
	if s.Rest == reset.None {
		return s, err
	}
	b.warn("THE RESET OF THE FIRMWARE WAS NOT DONE: " + err.Error())
	s.Scope = s.Rest
	return s, nil
}

// forgetFirmware deletes the variables.
func forgetFirmware() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := mount.Mount("efivarfs", efivars, "efivarfs", flags, ""); err != nil {
		return err
	}
	defer mount.Unmount(efivars)
	return errors.Join(device.DeleteVariable(efivars, reset.FactoryReset),
		device.DeleteVariable(efivars, reset.FactoryResetRequest))
}
