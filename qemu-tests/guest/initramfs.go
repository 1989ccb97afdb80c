package guest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Initramfs writes to path a cpio archive with busybox, script as /init, and the
// files of root, if that is not empty. It is no part of freshroot: it boots a
// kernel where freshroot's own init is not the subject, or is compared with.
//
// The script begins with #!/bin/sh. PID 1 is the script itself; nothing is mounted.
func Initramfs(ctx context.Context, path, script, root string) error {
	if err := writeInitramfs(ctx, path, script, root); err != nil {
		return fmt.Errorf("make initramfs %s: %w", path, err)
	}
	return nil
}

// writeInitramfs gathers the files in a directory of their own first, as cpio archives
// what it finds.
func writeInitramfs(ctx context.Context, path, script, root string) error {
	dir, err := os.MkdirTemp("", "initramfs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if root != "" {
		if err := run(ctx, "cp", "-a", root+"/.", dir); err != nil {
			return err
		}
	}
	if err := installBusybox(ctx, filepath.Join(dir, "bin")); err != nil {
		return err
	}
	if err := writeFiles(dir, file{"init", 0o755, script}); err != nil {
		return err
	}
	for _, mountPoint := range []string{"dev", "proc", "sys", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, mountPoint), 0o755); err != nil {
			return err
		}
	}
	return cpio(ctx, path, dir)
}

// cpio archives a directory. The kernel opens /dev/console before /init runs, and
// has made it by itself in the rootfs that the archive is unpacked into.
func cpio(ctx context.Context, path, dir string) error {
	var names bytes.Buffer
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, _ fs.DirEntry, err error) error {
		names.WriteString(name + "\x00")
		return err
	})
	if err != nil {
		return err
	}
	archive, err := os.Create(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	cmd := exec.CommandContext(ctx, "cpio", "-o", "-0", "--quiet", "-H", "newc")
	cmd.Dir, cmd.Stdin, cmd.Stdout = dir, &names, archive
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cpio: %w", err)
	}
	return archive.Close()
}
