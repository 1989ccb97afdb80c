package main

import (
	"math"
	"os"
	"strconv"
	"strings"
	"time"

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
