package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// Save writes the state of the machine to a file, from which Config.Resume starts others
// as often as wanted. The machine stands still from then on. It must have no disk yet.
func (v *VM) Save(ctx context.Context, path string) error {
	if err := v.save(ctx, path); err != nil {
		return fmt.Errorf("save machine to %s: %w", path, err)
	}
	return nil
}

func (v *VM) save(ctx context.Context, path string) error {
	if v.disks > 0 {
		return errors.New("its disks would go on without it")
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := v.migrate(ctx, f); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return f.Close()
}

// migrate lets QEMU send the state to a socket, whose end says that all of it has come.
func (v *VM) migrate(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "vm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer listener.Close()
	uri := props{"uri": "unix:" + listener.Addr().String()}
	if err := v.command(ctx, "migrate", uri); err != nil {
		return err
	}
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	_, err = io.Copy(w, conn)
	return err
}

// command runs a single command of the monitor.
func (v *VM) command(ctx context.Context, name string, args props) error {
	v.monitor.mu.Lock()
	defer v.monitor.mu.Unlock()
	return v.monitor.command(ctx, name, args)
}
