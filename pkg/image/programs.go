package image

import (
	"context"
	"os"

	"github.com/freshroot/freshroot/pkg/program"
	"github.com/freshroot/freshroot/pkg/source"
)

// canBuild makes sure of the programs and files that Build needs: what is lacking is said
// at once, and not after all has been unpacked.
func (p Plan) canBuild(ctx context.Context, src *source.Source) error {
	if p.Format != Raw {
		if err := program.Present("qemu-img"); err != nil {
			return err
		}
	}
	if err := program.Present(mkfs); err != nil {
		return err
	}
	if err := p.Boot.canFill(); err != nil {
		return err
	}
	return p.CanFill(ctx, src)
}

// CanInstall makes sure of the programs and keys that Install needs, so that it does not
// lack one when the disk is empty already. [Plan.CanFill] does so for what is unpacked.
func (p Plan) CanInstall() error {
	if err := program.Present(mkfs, "btrfs", "fsck.fat"); err != nil {
		return err
	}
	return p.Boot.canFill()
}

// canFill makes sure of what a boot partition is made with.
func (o BootOptions) canFill() error {
	if err := program.Present("mkfs.fat", "mcopy", "mmd"); err != nil || o.Sign == nil {
		return err
	}
	for _, path := range []string{o.Sign.Key, o.Sign.Cert} {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		f.Close()
	}
	return program.Present("sbsign")
}
