package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/host"
	"github.com/freshroot/freshroot/pkg/job/parcel"
	"github.com/freshroot/freshroot/pkg/vm"
)

// outSize is how large the disk is that the guest copies to, and so how much it may copy.
// It is a file of holes.
const outSize = 16 << 30

// ciCopy is a file or a directory that goes by a disk from one side to the other.
type ciCopy struct {
	host, guest string
	disk        vm.Disk
}

// parseCopy reads FROM:TO, of which one is the guest's, and absolute.
func parseCopy(flag, text string, toGuest bool) (ciCopy, error) {
	from, to, ok := strings.Cut(text, ":")
	c := ciCopy{host: to, guest: from}
	form := "GUEST:HOST"
	if toGuest {
		c, form = ciCopy{host: from, guest: to}, "HOST:GUEST"
	}
	c.guest = path.Clean(c.guest)
	if !ok || c.host == "" || !path.IsAbs(c.guest) || c.guest == "/" {
		return c, usageError{fmt.Errorf("--%s %q: want %s, with an absolute path in the guest",
			flag, text, form)}
	}
	return c, nil
}

// parseCopies reads the flags.
func (r *ciRun) parseCopies() (in, out []ciCopy, err error) {
	for _, text := range r.copyIn {
		c, err := parseCopy("copy-in", text, true)
		if err != nil {
			return nil, nil, err
		}
		in = append(in, c)
	}
	for _, text := range r.copyOut {
		c, err := parseCopy("copy-out", text, false)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, c)
	}
	return in, out, nil
}

// makeDisks makes full disks for what goes to the guest, and empty ones for what comes.
func makeDisks(ctx context.Context, dir string, in, out []ciCopy) (err error) {
	for i := range in {
		serial := "freshroot-in" + strconv.Itoa(i)
		if in[i].disk, err = host.PackDisk(ctx, dir, serial, in[i].host); err != nil {
			return fmt.Errorf("--copy-in: %w", err)
		}
	}
	for i := range out {
		serial := "freshroot-out" + strconv.Itoa(i)
		if out[i].disk, err = host.EmptyDisk(dir, serial, outSize); err != nil {
			return fmt.Errorf("--copy-out: %w", err)
		}
	}
	return nil
}

// unpackOut takes what the guest has made. What it has not made, it has said so.
func unpackOut(ctx context.Context, list []ciCopy) error {
	for _, c := range list {
		err := host.UnpackDisk(ctx, c.disk, c.host, outSize)
		if err != nil && !errors.Is(err, parcel.ErrEmpty) {
			return fmt.Errorf("--copy-out: %w", err)
		}
	}
	return nil
}

// copies says what a job has to copy.
func copies(list []ciCopy) (jobs []job.Copy, disks []vm.Disk) {
	for _, c := range list {
		jobs = append(jobs, job.Copy{Disk: c.disk.Serial, Path: c.guest})
		disks = append(disks, c.disk)
	}
	return jobs, disks
}
