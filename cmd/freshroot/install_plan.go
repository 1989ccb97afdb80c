package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/source"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/units"
)

// check finds mistakes in the flags.
func (o *installOptions) check() (err error) {
	sources := 0
	for _, given := range []bool{o.usr != "", o.from != "", o.fromRunning} {
		if given {
			sources++
		}
	}
	switch {
	case sources != 1:
		err = errors.New("give one of --usr, --from and --from-running")
	case o.sha256 != "" && o.from == "":
		err = errors.New("--sha256 is for --from")
	case o.sha256 != "" && !isSHA256(o.sha256):
		err = fmt.Errorf("--sha256 %q: give 64 hexadecimal digits", o.sha256)
	case o.fromRunning && (o.vendor != "" || o.version != ""):
		err = errors.New("the running version has its name: leave out --vendor and --version")
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// isSHA256 says whether a text can be a SHA-256.
func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}

// plan decides what is made of the disk.
func (o *installOptions) plan(path string, c device.Contents) (p image.Plan, err error) {
	switch {
	case c.ReadOnly:
		return p, fmt.Errorf("%s is read-only", path)
	case c.Size == 0: // which stands for any size
		return p, fmt.Errorf("%s has no medium", path)
	}
	options := image.Options{
		Output: path, Size: c.Size, SectorSize: c.SectorSize, Compress: o.compress,
	}
	if o.fromRunning {
		options.Fill, err = o.running()
	} else {
		o.usr = cmp.Or(o.usr, o.from)
		options.Fill, err = o.fill()
	}
	if err != nil {
		return p, err
	}
	if options.Boot, err = o.boot(); err != nil {
		return p, err
	}
	options.Boot.Style = cmp.Or(options.Boot.Style, esp.Entries)
	if options.ESPSize, err = parseSize(o.espSize); err != nil {
		return p, usageError{err}
	}
	p, err = image.NewPlan(options)
	if err != nil {
		return p, fmt.Errorf("%s has %s: %w", path, units.Bytes(c.Size), err)
	}
	return p, nil
}

// running names the copy of the golden master that is running: without its counter,
// which is of this machine. Without --cmdline its consoles are used.
func (o *installOptions) running() (image.FillOptions, error) {
	b, err := readBoot()
	if err != nil {
		return o.FillOptions, err
	}
	m, err := subvol.Parse(b.Usr)
	if err != nil {
		return o.FillOptions, fmt.Errorf("read %s: %w", bootFile, err)
	}
	m.Tries = subvol.Tries{}
	o.Usr = m
	if o.cmdline == "" {
		var consoles []string
		for _, p := range cmdline.Parse(b.Cmdline) {
			if p.Key == "console" {
				consoles = append(consoles, "console="+p.Value)
			}
		}
		o.cmdline = strings.Join(consoles, " ")
	}
	return o.FillOptions, nil
}

// content opens what is installed, and makes sure that it can be; done closes it.
func (o *installOptions) content(
	ctx context.Context, p image.Plan, line *progressLine,
) (with image.Content, done func(), err error) {
	if err := p.CanInstall(); err != nil {
		return nil, nil, err
	}
	switch {
	case o.fromRunning:
		usr, err := os.Open("/usr")
		if err != nil {
			return nil, nil, err
		}
		with, err = image.Copied(usr, p.Fill, p.Boot)
		if err != nil {
			usr.Close()
		}
		return with, func() { usr.Close() }, err
	case o.from != "":
		if err := p.CanFill(ctx, nil); err != nil {
			return nil, nil, adviseInit(err)
		}
		r, err := openRemote(ctx, o.from, o.sha256, p.PoolSize(), line)
		if err != nil {
			return nil, nil, err
		}
		return r.content(p.Fill), func() { r.Close() }, nil
	}
	src, err := source.Open(o.usr)
	if err != nil {
		return nil, nil, err
	}
	if err := p.CanFill(ctx, src); err != nil {
		src.Close()
		return nil, nil, adviseInit(err)
	}
	return image.Unpacked(src, p.Fill), func() { src.Close() }, nil
}
