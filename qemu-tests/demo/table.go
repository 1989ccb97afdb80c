package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// row is what one boot found.
type row struct {
	mode    string
	boot    int
	version string
	mounts  [4]string // of /, /usr, /etc and /var
	kept    string    // markers of the boot before
	state   string    // of systemd
	toRoot  float64   // seconds from the kernel's start to switch_root
	toUp    float64   // seconds from the kernel's start to the OS being up
}

// table boots each mode twice and prints what it saw. Every mode gets a new disk, so
// that the first boot is a first boot.
func (d demo) table(ctx context.Context, modes []string) error {
	var rows []row
	for _, mode := range modes {
		disk := filepath.Join(d.cache, "demo-"+filepath.Base(mode)+".img")
		if err := os.RemoveAll(disk); err != nil {
			return err
		}
		if err := d.newDisk(disk); err != nil {
			return err
		}
		for boot := 1; boot <= 2; boot++ {
			say("boot %d with volatile=%s", boot, mode)
			r, err := d.boot(ctx, disk, mode)
			if err != nil {
				return fmt.Errorf("boot %d with volatile=%s: %w", boot, mode, err)
			}
			r.boot = boot
			rows = append(rows, r)
			say("  %s is up after %.1f s", r.version, r.toUp)
		}
		if err := os.Remove(disk); err != nil {
			return err
		}
	}
	print(rows)
	return nil
}

// longest bounds a boot: a slow machine without KVM needs half a minute.
const longest = 5 * time.Minute

// boot boots once and reads the report of the guest.
func (d demo) boot(ctx context.Context, disk, mode string) (row, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	machine, err := vm.Start(ctx, d.machine(disk, "quiet volatile="+mode))
	if err != nil {
		return row{}, err
	}
	defer machine.Kill()
	if err := machine.Wait(ctx); err != nil {
		return row{}, err
	}
	report, err := guest.ParseReport(machine.Output())
	if err != nil {
		return row{}, err
	}
	return newRow(report)
}

func newRow(report *guest.Report) (row, error) {
	var record struct {
		Mode, Version string
		Phases        []struct{ At, Took float64 }
	}
	if err := json.Unmarshal(report.BootJSON, &record); err != nil {
		return row{}, fmt.Errorf("read boot.json: %w", err)
	}
	r := row{mode: record.Mode, version: record.Version, toUp: report.Uptime, state: report.State}
	if n := len(record.Phases); n > 0 {
		r.toRoot = record.Phases[n-1].At + record.Phases[n-1].Took
	}
	for i, point := range []string{"/", "/usr", "/etc", "/var"} {
		r.mounts[i] = describeMount(report.Mount(point))
	}
	var kept []string
	for _, dir := range []string{"/etc", "/var"} {
		if report.Markers[dir] == guest.MarkerKept {
			kept = append(kept, dir)
		}
	}
	r.kept = strings.Join(kept, " ")
	if r.kept == "" {
		r.kept = "none"
	}
	if len(report.Failed) > 0 {
		r.state = "failed: " + strings.Join(report.Failed, " ")
	}
	return r, nil
}

// describeMount says what a mount is: "btrfs rw", "tmpfs rw", or "" for a directory
// of the root.
func describeMount(m *guest.Mount) string {
	if m == nil {
		return "in /"
	}
	access, _, _ := strings.Cut(m.Options, ",")
	return m.Type + " " + access
}

func print(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nvolatile=\tboot\tversion\t/\t/usr\t/etc\t/var\tfiles kept\tto switch_root\tto up\tstate")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.1f s\t%.1f s\t%s\n", r.mode, r.boot, r.version,
			strings.Join(r.mounts[:], "\t")+"\t"+r.kept, r.toRoot, r.toUp, r.state)
	}
	w.Flush()
	fmt.Println("\nfiles kept: whether a file that the first boot wrote there is found by the second")
	fmt.Println("times: from the start of the kernel, in this virtual machine")
}
