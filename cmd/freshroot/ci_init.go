package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/guest"
)

// ciInitCommand is what the initramfs of a helper machine executes.
func ciInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "init",
		Short:  "Be the init of a helper machine",
		Hidden: true,
		Args:   arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			if os.Getpid() != 1 {
				return errors.New("ci init: only the kernel may start this")
			}
			if err := ciInit(c.Context()); err != nil {
				fmt.Fprintf(os.Stderr, "freshroot: %v\n", err)
			}
			return guest.PowerOff()
		},
	}
}

func ciInit(ctx context.Context) error {
	if err := guest.Boot(); err != nil {
		return err
	}
	port, err := guest.WaitPort(job.Port)
	if err != nil {
		return err
	}
	return ciServe(ctx, port)
}
