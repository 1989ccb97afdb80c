package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
	"github.com/freshroot/freshroot/pkg/sysusers/sha512crypt"
)

// sysusersRoot also takes what systemd hands to its services: credentials, and a date.
func sysusersRoot(dir *os.File, note func(sysusers.Note)) sysusers.Root {
	root := apply.Root(dir, today(os.Getenv("SOURCE_DATE_EPOCH")), note)
	root.Hash = sha512crypt.Hash
	root.Credential = func(name string) (string, bool) {
		path, ok := credentialPath(name)
		if !ok {
			return "", false
		}
		// What cannot be read is as good as not there: the user is made without it.
		content, err := os.ReadFile(path)
		return string(content), err == nil
	}
	return root
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

// today counts days since 1970, or until the date that makes a build reproducible.
func today(epoch string) int32 {
	const day = 24 * 60 * 60
	// As in C, the base is that of the prefix.
	seconds, err := strconv.ParseUint(strings.TrimLeft(epoch, " \t\n\r"), 0, 64)
	if err != nil {
		seconds = uint64(time.Now().Unix())
	}
	// The microseconds of systemd's clock end there.
	return int32(min(seconds, math.MaxUint64/1_000_000) / day)
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
