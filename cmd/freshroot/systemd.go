package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/rootfs"
)

// checkReplace finds what cannot be asked for with --replace=, whose path is "" without
// it. printing says that the configuration is only to be printed.
func checkReplace(path string, printing bool, args []string) error {
	switch {
	case path == "":
		return nil
	case !strings.HasPrefix(path, "/"):
		return errors.New("--replace takes an absolute path")
	case !strings.HasSuffix(path, ".conf"):
		return errors.New("--replace takes a path that ends in .conf")
	// Both only print what is in the directories.
	case printing:
		return errors.New("--replace does not go with --cat-config and --tldr")
	case len(args) == 0:
		return errors.New("--replace needs what takes the place of the file")
	}
	return nil
}

// getent asks the C library of the running system, which also asks LDAP or systemd. In
// passwd and in group, the id is the third field.
func getent(database string) func(key string) (name string, id uint32, ok bool) {
	return func(key string) (string, uint32, bool) {
		out, err := exec.Command("getent", database, "--", key).Output()
		fields := strings.Split(string(out), ":")
		// It fails where nobody knows the key.
		if err != nil || len(fields) < 3 {
			return "", 0, false
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		return fields[0], uint32(id), err == nil
	}
}

// credentialPath returns where a credential is, if there are any.
func credentialPath(name string) (string, bool) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	// Systemd trusts no other: it would depend on where we are.
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != strings.TrimSuffix(dir, "/") {
		return "", false
	}
	return filepath.Join(dir, name), true
}

// credential returns a credential that the service manager handed to us.
func credential(name string) ([]byte, error) {
	path, ok := credentialPath(name)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(path)
}

// printConfig prints files of configuration, each below its name.
func printConfig(w io.Writer, root *os.File, files []dropin.File, short bool) error {
	out := bufio.NewWriter(w)
	for i, file := range files {
		text, err := fs.ReadFile(rootfs.FS(root), file.Path)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "# %s\n", filepath.Join(root.Name(), file.Path))
		printLines(out, string(text), short)
	}
	return out.Flush()
}

// printLines prints a text, whose last line need not end. Short means without comments
// and blank lines.
func printLines(w io.Writer, text string, short bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		// Both signs begin a comment in some of systemd's formats.
		start := strings.TrimLeft(line, " \t\r")
		if !short || start != "" && start[0] != '#' && start[0] != ';' {
			fmt.Fprintln(w, line)
		}
	}
}
