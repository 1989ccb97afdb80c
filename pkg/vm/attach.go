package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Attach boots a machine whose serial console is this process's terminal, and waits
// until it is off. Ctrl-A X ends it.
func Attach(ctx context.Context, c Config) error {
	c, accel := c.ready(ctx)
	args, err := c.machineArgs(accel, "stdio,id=console,mux=on,signal=off")
	if err != nil {
		return fmt.Errorf("start %s: %w", QEMU, err)
	}
	// In our process group, so that it may use the terminal.
	cmd := exec.CommandContext(ctx, QEMU, append(args, "-mon", "chardev=console")...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", QEMU, err)
	}
	return nil
}
