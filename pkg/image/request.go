package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/job/guest"
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/source"
)

// request is what a helper machine is asked to do: the part of Build that needs root.
type request struct {
	Plan       Plan
	SourceName string // as people know it
	SourceSize int64  // how many bytes of the disk are the source
	Packed     bool   // it is a directory
}

// reply is a line that the machine answers with. The last one has Done.
type reply struct {
	Step        string `json:",omitempty"` // a step of Progress
	Read, Total int64  `json:",omitempty"`
	Done        *poolMade
}

// poolMade tells of a pool that is filled.
type poolMade struct {
	Filled Filled
	Title  string // what the OS calls itself
	Size   int64  // of the pool, in bytes
}

// Serve does in a helper machine what a request, in JSON, asks for, and replies on w in lines
// of JSON.
func Serve(ctx context.Context, text []byte, w io.Writer) error {
	var q request
	if err := json.Unmarshal(text, &q); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	// Also what fails leaves one, of nothing.
	if err := os.MkdirAll(bootDir, 0o755); err != nil {
		return err
	}
	replies := json.NewEncoder(w)
	q.Plan.Fill.Progress = func(step string, done, total int64) {
		_ = replies.Encode(reply{Step: step, Read: done, Total: total}) // is not what matters
	}
	made, err := q.serve(ctx)
	if err != nil {
		return err
	}
	return replies.Encode(reply{Done: &made})
}

// openSource opens the disk with the source.
func (q request) openSource() (*source.Source, error) {
	disk, err := guest.DiskPath(sourceSerial)
	if err != nil {
		return nil, err
	}
	openDisk := source.OpenPart
	if q.Packed {
		openDisk = source.OpenPacked
	}
	src, err := openDisk(disk, q.SourceSize)
	if err == nil {
		src.Path = q.SourceName
	}
	return src, err
}

// makePool makes the pool on its disk, and returns its top level.
func (q request) makePool(ctx context.Context) (*os.File, error) {
	disk, err := guest.DiskPath(poolSerial)
	if err != nil {
		return nil, err
	}
	if err := makeBtrfs(ctx, disk, q.Plan.FSUUID); err != nil {
		return nil, err
	}
	return mount.Nowhere("btrfs", disk, "subvolid=5", "compress="+q.Plan.Compress)
}

func (q request) serve(ctx context.Context) (made poolMade, err error) {
	src, err := q.openSource()
	if err != nil {
		return made, err
	}
	defer src.Close()
	top, err := q.makePool(ctx)
	if err != nil {
		return made, err
	}
	// The machine is about to be switched off.
	defer unix.Sync()
	defer top.Close()
	if made.Filled, err = Fill(ctx, top, src, q.Plan.Fill); err != nil {
		return made, err
	}
	version, err := q.export(top)
	if err != nil {
		return made, fmt.Errorf("copy what boots: %w", err)
	}
	made.Title = version.Title
	q.Plan.Fill.Progress.report("trim")
	made.Size, err = q.Plan.shrink(top)
	return made, err
}

// The files of the directory with what the boot partition is made of.
const (
	exportedKernel    = "linux"
	exportedInitramfs = "initrd"
	exportedLoader    = "loader"
	exportedStub      = "stub"
)

// export copies what the boot partition is made of, and returns the version.
func (q request) export(top *os.File) (v esp.Version, err error) {
	usr := q.Plan.Fill.Usr
	member, err := rootfs.OpenDir(top, usr.String())
	if err != nil {
		return v, err
	}
	defer member.Close()
	b, err := ofPool(top, member, usr, q.Plan.Boot)
	if err != nil {
		return v, err
	}
	if len(b.versions) != 1 {
		return v, errors.New(strings.Join(b.warnings, " "))
	}
	v = b.versions[0]
	for name, file := range map[string]esp.File{
		exportedKernel: v.Kernel, exportedInitramfs: v.Initramfs,
		exportedLoader: b.loader, exportedStub: b.stub,
	} {
		if err := write(filepath.Join(bootDir, name), file); err != nil {
			return v, err
		}
	}
	return v, nil
}

// imported is what was exported to a directory.
func imported(dir string, v esp.Version) bootable {
	file := func(name string) esp.File { return fileAt(filepath.Join(dir, name)) }
	v.Kernel, v.Initramfs = file(exportedKernel), file(exportedInitramfs)
	return bootable{
		arch: v.Usr.Arch, versions: []esp.Version{v},
		loader: file(exportedLoader), stub: file(exportedStub),
	}
}

// fileAt is a file, none if there is none.
func fileAt(path string) esp.File {
	info, err := os.Stat(path)
	if err != nil {
		return esp.File{}
	}
	return esp.File{Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// write makes a file, unless there is none.
func write(path string, file esp.File) error {
	if file.Open == nil {
		return nil
	}
	r, err := file.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
