package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// Check is one thing that was looked at.
type Check struct {
	Name  string   `json:"name"`
	Wrong []string `json:"wrong,omitempty"` // nothing if all is well
}

// Verify reads all of an image and checks what can be checked: both partition tables,
// both file systems with their checksums, and that they fit each other. It needs root.
// What is wrong is in the checks, also what cannot be read. An error says that ctx has ended,
// or that a program is missing.
func (i *Image) Verify(ctx context.Context, progress Progress) ([]Check, error) {
	if err := i.canVerify(); err != nil {
		return nil, err
	}
	var checks []Check
	for _, c := range []struct {
		name string
		do   func(context.Context) ([]string, error)
	}{
		{"partition table", i.verifyTable},
		{"boot partition", i.verifyESP},
		{"entries", i.verifyEntries},
		{"pool", i.verifyPool},
		{"members", i.verifyMembers},
	} {
		progress.report(c.name)
		wrong, err := c.do(ctx)
		if ctx.Err() != nil {
			return checks, fmt.Errorf("check %s: %w", c.name, ctx.Err())
		}
		if err != nil { // of a damaged image: the rest of it may be whole
			wrong = append(wrong, lines(err.Error())...)
		}
		checks = append(checks, Check{c.name, wrong})
	}
	return checks, nil
}

// canVerify makes sure of the programs that Verify needs.
func (i *Image) canVerify() error {
	if err := program.Present("btrfs"); err != nil || i.ESP.Size == 0 {
		return err
	}
	return program.Present("fsck.fat", "mcopy")
}

// lines are those of a text that are not empty.
func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
}

// verifyTable compares the table with its backup.
func (i *Image) verifyTable(context.Context) (wrong []string, err error) {
	if i.Table.Recovered != nil {
		wrong = append(wrong, fmt.Sprintf("only the backup can be read: %v", i.Table.Recovered))
	}
	wrong = append(wrong, i.Table.Dropped...)
	backup, err := gpt.Read(withoutPrimary{i, i.Table.SectorSize}, i.Size, i.Table.SectorSize)
	switch {
	case err != nil:
		wrong = append(wrong, fmt.Sprintf("the backup cannot be read: %v", err))
	case !reflect.DeepEqual(backup.Partitions, i.Table.Partitions):
		wrong = append(wrong, "the backup has other partitions")
	}
	return wrong, nil
}

// withoutPrimary is a disk whose primary header is lost.
type withoutPrimary struct {
	io.ReaderAt
	sectorSize int
}

// ReadAt shows zeros in the place of the header.
func (w withoutPrimary) ReadAt(b []byte, at int64) (int, error) {
	if at == int64(w.sectorSize) {
		clear(b)
		return len(b), nil
	}
	return w.ReaderAt.ReadAt(b, at)
}

// verifyESP has fsck.fat look at the partition.
func (i *Image) verifyESP(ctx context.Context) ([]string, error) {
	if i.ESP.Size == 0 {
		return nil, nil // U-Boot and -kernel need none
	}
	return i.judge(ctx, i.ESP, "fsck.fat", "-n")
}

// verifyPool has btrfs read everything, and compare it with its checksums.
func (i *Image) verifyPool(ctx context.Context) ([]string, error) {
	return i.judge(ctx, i.Pool, "btrfs", "check", "--readonly", "--check-data-csum")
}

// judge runs a program on a partition; that it finds something wrong is an answer.
func (i *Image) judge(ctx context.Context, p gpt.Partition, name string, args ...string) (
	[]string, error,
) {
	loop, err := i.loop(p, false)
	if err != nil {
		return nil, err
	}
	defer loop.Close()
	err = program.Run(ctx, nil, name, append(args, loop.Name())...)
	var failed *program.Error
	if errors.As(err, &failed) {
		if failed.Output == "" {
			return nil, err
		}
		return lines(failed.Output), nil
	}
	return nil, err
}

// verifyEntries wants each entry to name files that there are, and a version that the
// pool has with the same files, and a boot loader that reads it.
func (i *Image) verifyEntries(ctx context.Context) (wrong []string, err error) {
	b := i.boot()
	if b == nil {
		return nil, nil
	}
	err = withTree(func(tree string) error {
		if err := b.extract(ctx, tree); err != nil {
			return err
		}
		if wrong, err = missingFiles(os.DirFS(tree)); err != nil {
			return err
		}
		state, err := esp.Look(os.DirFS(tree))
		if err != nil {
			return err
		}
		return i.WithPool(func(top *os.File) error {
			differing, err := i.compare(state, top)
			wrong = append(wrong, differing...)
			return err
		})
	})
	return wrong, err
}

// missingFiles lists what entries name and is not there.
func missingFiles(boot fs.FS) (wrong []string, err error) {
	entries, err := fs.Glob(boot, path.Join(bls.EntriesDir, "*"+bls.ConfSuffix))
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		text, err := fs.ReadFile(boot, name)
		if err != nil {
			return nil, err
		}
		entry, err := bls.Parse(text)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		for _, file := range append([]string{entry.Linux, entry.EFI}, entry.Initrd...) {
			if file == "" {
				continue
			}
			if _, err := fs.Stat(boot, strings.TrimPrefix(file, "/")); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s names %q, which is not there", name, file))
			}
		}
	}
	return wrong, nil
}

// compare says what of a boot partition does not fit the pool.
func (i *Image) compare(state esp.State, top *os.File) (wrong []string, err error) {
	has := map[[2]string]bool{}
	err = eachUsr(top, func(m subvol.Member, _ string) {
		has[[2]string{m.Vendor, m.Version}] = true
	})
	if err != nil {
		return nil, err
	}
	for _, e := range state.Entries {
		if !has[[2]string{e.Vendor, e.Version}] {
			wrong = append(wrong, fmt.Sprintf("%s boots %s:%s, which the pool does not have",
				e.Path, e.Vendor, e.Version))
		}
	}
	// What is passed over, and why, the members tell.
	versions, _, err := esp.Versions(top, i.Arch())
	if err != nil {
		return wrong, err
	}
	differing, err := esp.Check(state, versions, i.Arch())
	return append(wrong, differing...), err
}

// verifyMembers wants golden masters to be whole: read-only, with modules.
func (i *Image) verifyMembers(context.Context) (wrong []string, err error) {
	err = i.WithPool(func(top *os.File) error {
		return eachUsr(top, func(_ subvol.Member, entry string) {
			if err := pool.CheckUsr(top, entry, ""); err != nil {
				wrong = append(wrong, fmt.Sprintf("%q: %v", entry, err))
			}
		})
	})
	return wrong, err
}

// eachUsr shows all golden masters of a pool to f, with their names.
func eachUsr(top *os.File, f func(m subvol.Member, entry string)) error {
	entries, err := pool.Entries(top)
	slices.Sort(entries)
	for _, entry := range entries {
		if m, err := subvol.Parse(entry); err == nil && m.Kind == subvol.Usr {
			f(m, entry)
		}
	}
	return err
}
