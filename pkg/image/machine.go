package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/helper"
	"github.com/freshroot/freshroot/pkg/job/host"
	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/vm"
)

// Machine is a helper machine, in which that is done of making an image what needs root.
type Machine struct {
	Kernel helper.Kernel
	Tool   string // path of this program, linked statically
	// Serve are the arguments that make the tool call Serve; the request follows.
	Serve []string
}

// machineBoot is how long the machine may take to boot, under emulation on a busy host.
const machineBoot = 5 * time.Minute

// Where the machine has what is not on a disk: below /tmp, what it gets and what it makes.
const (
	inputDir  = "input" // of the initramfs
	kernelDir = "/tmp/kernel"
	bootDir   = "/tmp/boot"
)

// The serials of its disks.
const (
	poolSerial   = "pool"
	sourceSerial = "source"
	bootSerial   = "boot"
)

// maxBoot is how many bytes what boots may have: a disk of that size takes it.
const maxBoot = 4 << 30

// Build makes an image as [Build] does, without root.
func (m Machine) Build(ctx context.Context, src *source.Source, p Plan) (Result, error) {
	return p.build(ctx, src, func(f *os.File, r *Result) (size int64, err error) {
		dir, err := os.MkdirTemp("", "freshroot-image-")
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		w := work{Machine: m, plan: p, dir: dir, image: f}
		return w.fill(ctx, src, r)
	})
}

// work is an image in the making.
type work struct {
	Machine
	plan  Plan
	dir   string // for temporary files
	image *os.File

	boot  vm.Disk   // gets what boots
	disks []vm.Disk // the others
	add   []archive.Addition
	job   job.Job
}

// fill makes the pool and the boot partition in their places.
func (w *work) fill(ctx context.Context, src *source.Source, r *Result) (int64, error) {
	if err := w.addPool(); err != nil {
		return 0, err
	}
	q := request{Plan: w.plan, SourceName: src.Path}
	if err := w.addSource(ctx, src, &q); err != nil {
		return 0, err
	}
	if err := w.addInputs(ctx, &q.Plan.Fill); err != nil {
		return 0, err
	}
	var err error
	if w.boot, err = host.EmptyDisk(w.dir, bootSerial, maxBoot); err != nil {
		return 0, err
	}
	w.job.Out = []job.Copy{{Disk: bootSerial, Path: bootDir}}
	made, err := w.run(ctx, q)
	if err != nil {
		return 0, err
	}
	r.Filled = made.Filled
	return made.Size, w.fillESP(ctx, made, r)
}

// addPool makes the place of the pool a disk. mkfs.btrfs makes the file system in the
// machine: here, it would look at all that is mounted, and fail where it may not.
func (w *work) addPool() (err error) {
	extent := w.plan.Layout.Extents[poolPartition]
	w.disks = append(w.disks, vm.Disk{
		Path: w.image.Name(), Offset: extent.Offset, Size: extent.Size, Discard: true,
		SectorSize: w.plan.Layout.SectorSize, Serial: poolSerial,
	})
	w.add, err = archive.Program(mkfs)
	return program.Missing(mkfs, err)
}

// addSource makes the source a disk: a file as it is, a directory as a tar of it. The disk's
// size is the next multiple of a sector.
func (w *work) addSource(ctx context.Context, src *source.Source, q *request) error {
	info, err := os.Stat(src.Path)
	if err != nil {
		return err
	}
	file := src.Path
	if q.Packed = info.IsDir(); q.Packed {
		w.plan.Fill.Progress.report("pack")
		file = filepath.Join(w.dir, "source")
		if err := pack(ctx, file, src.Path); err != nil {
			return err
		}
		if info, err = os.Stat(file); err != nil {
			return err
		}
	}
	q.SourceSize = info.Size()
	w.disks = append(w.disks, vm.Disk{Path: file, ReadOnly: true, Serial: sourceSerial})
	return nil
}

// pack makes a tar of a directory, of which all must be readable.
func pack(ctx context.Context, to, dir string) error {
	if err := checkReadable(dir); err != nil {
		return err
	}
	from, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(source.Pack(ctx, f, from), f.Close())
}

// addInputs gives the machine the files that the options name, and has the options name
// them as the machine does.
func (w *work) addInputs(ctx context.Context, o *FillOptions) error {
	if o.Initramfs == "" && o.Init == "" {
		o.Init = filepath.Join(w.dir, "init")
		if err := archive.CompileInit(ctx, o.InitSource, o.Init); err != nil {
			return err
		}
	}
	if o.Tool == w.Tool {
		o.Tool = ""
		defer func() { o.Tool = helper.Tool }()
	}
	for name, file := range map[string]*string{
		"init": &o.Init, "initramfs": &o.Initramfs, "tool": &o.Tool,
	} {
		if *file != "" {
			w.add = append(w.add, archive.Addition{Host: *file, Path: path.Join(inputDir, name)})
			*file = path.Join("/", inputDir, name)
		}
	}
	return w.addKernel(ctx, o)
}

// addKernel gives the machine the kernel that is not the source's.
func (w *work) addKernel(ctx context.Context, o *FillOptions) error {
	if o.KernelFrom == "" {
		return nil
	}
	k, err := archive.FindKernel(o.KernelFrom, o.Kernel, "")
	if err != nil {
		return err
	}
	image, err := k.Image(o.KernelFrom)
	if err != nil {
		return err
	}
	o.KernelFrom, o.Kernel = kernelDir, k.Release
	for from, to := range map[string]string{
		image: path.Join(kernelDir, "boot", "vmlinuz-"+k.Release),
		k.Dir: path.Join(kernelDir, "lib/modules", k.Release),
	} {
		serial := fmt.Sprintf("kernel%d", len(w.job.In))
		disk, err := host.PackDisk(ctx, w.dir, serial, from)
		if err != nil {
			return err
		}
		w.disks = append(w.disks, disk)
		w.job.In = append(w.job.In, job.Copy{Disk: serial, Path: to})
	}
	return nil
}

// run has the machine do its part.
func (w *work) run(ctx context.Context, q request) (made poolMade, err error) {
	text, err := json.Marshal(q)
	if err != nil {
		return made, err
	}
	w.job.Argv = append(append([]string{helper.Tool}, w.Serve...), string(text))
	w.plan.Fill.Progress.report("start helper machine")
	c, err := helper.Machine(ctx, w.Kernel, w.Tool, w.dir, w.add)
	if err != nil {
		return made, err
	}
	c.Disks, c.CPUs = append(w.disks, w.boot), runtime.NumCPU()
	replies := &replies{progress: w.plan.Fill.Progress}
	var words bytes.Buffer
	result, err := host.Run(ctx, c, w.job, host.Options{
		Boot: machineBoot, Stdout: replies, Stderr: &words,
	})
	switch {
	case err != nil:
		return made, fmt.Errorf("helper machine: %w", err)
	case result.Status != 0:
		// The words are the tool's own, which is this program: it begins with its command.
		command := "freshroot " + strings.Join(w.Serve, " ") + ": "
		return made, errors.New(strings.TrimPrefix(strings.TrimSpace(words.String()), command))
	case replies.done == nil:
		return made, errors.New("helper machine: it did not reply")
	}
	return *replies.done, nil
}

// fillESP makes the boot partition of what the machine has copied for it.
func (w *work) fillESP(ctx context.Context, made poolMade, r *Result) error {
	w.plan.Fill.Progress.report("make boot partition")
	dir := filepath.Join(w.dir, "boot.d") // beside the disk
	if err := host.UnpackDisk(ctx, w.boot, dir, maxBoot); err != nil {
		return err
	}
	from := imported(dir, esp.Version{
		Usr: w.plan.Fill.Usr, Release: made.Filled.Kernel, Title: made.Title, Options: w.plan.Boot.Cmdline,
	})
	return withTree(func(tree string) error {
		warnings, err := w.plan.bootPartition(w.image).fillWith(ctx, tree, from, w.plan.Boot)
		r.Warnings = append(r.Warnings, warnings...)
		return err
	})
}
