package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/guest"
)

// ciEnvironment is what a command can rely on where the service manager sets nothing.
var ciEnvironment = map[string]string{
	"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/sh",
}

func ciGuestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "guest",
		Short: "Run in the guest what ci run asks for",
		Long: `Run the command that "freshroot ci run" asks for, in the machine that it has booted,
and report to it. freshroot-ci.service runs this. In another machine it does nothing.

Exit status: 0 if the command was run, whatever its status, or there is nothing to do;
1 if something went wrong, 2 for wrong usage.`,
		Args: arguments(noArguments),
		RunE: func(c *cobra.Command, _ []string) error {
			path, err := guest.FindPort(job.Port)
			if errors.Is(err, fs.ErrNotExist) {
				return nil // nobody to report to
			} else if err != nil {
				return fmt.Errorf("ci guest: %w", err)
			}
			return ciServe(c.Context(), path)
		},
	}
}

// ciServe runs the job, and reports to a port.
func ciServe(ctx context.Context, path string) error {
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("ci guest: %w", err)
	}
	defer port.Close()
	for key, value := range ciEnvironment {
		if _, set := os.LookupEnv(key); !set {
			os.Setenv(key, value)
		}
	}
	encoded, err := systemCredential(job.Credential)
	if err != nil {
		return fmt.Errorf("ci guest: %w", err)
	}
	if err := guest.Serve(ctx, port, encoded); err != nil {
		return fmt.Errorf("ci guest: %w", err)
	}
	return nil
}

// systemCredentials is where systemd puts what the machine was given.
const systemCredentials = "/run/credentials/@system"

// systemCredential returns a credential of the machine, nil if there is none.
func systemCredential(name string) ([]byte, error) {
	data, err := os.ReadFile(systemCredentials + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
