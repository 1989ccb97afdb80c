package source

import (
	"archive/tar"
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/acl"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// maxID is the largest user or group: the one above means "leave it" to chown(2).
const maxID = math.MaxUint32 - 1

// attributes returns what a header says of an inode.
func attributes(h *tar.Header) (tree.Attributes, error) {
	// Names of owners are not looked at: whose machine should say who that is?
	for _, id := range []int{h.Uid, h.Gid} {
		if id < 0 || int64(id) > maxID {
			return tree.Attributes{}, fmt.Errorf("owner %d: Linux has none above %d", id, uint32(maxID))
		}
	}
	a := tree.Attributes{
		UID: uint32(h.Uid), GID: uint32(h.Gid), Mode: uint32(h.Mode & 0o7777),
	}
	var err error
	if a.Mtime, err = unix.TimeToTimespec(h.ModTime); err != nil {
		return a, fmt.Errorf("time %v: %w", h.ModTime, err)
	}
	a.Atime = a.Mtime
	if !h.AccessTime.IsZero() { // most archives do not say
		if a.Atime, err = unix.TimeToTimespec(h.AccessTime); err != nil {
			return a, fmt.Errorf("time %v: %w", h.AccessTime, err)
		}
	}
	a.Xattrs, err = xattrs(h.PAXRecords)
	return a, err
}

// Records of extended attributes that have names of their own in tar(1).
const selinuxRecord = "RHT.security.selinux"

var aclRecords = map[string]string{
	"SCHILY.acl.access":  "system.posix_acl_access",
	"SCHILY.acl.default": "system.posix_acl_default",
}

var unquoteXattr = strings.NewReplacer("%3D", "=", "%25", "%")

// xattrs returns the extended attributes that pax records hold. What is recorded byte
// by byte counts more than what tar(1) has recorded of it as text.
func xattrs(records map[string]string) (map[string]string, error) {
	found := map[string]string{}
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok {
			found[unquoteXattr.Replace(name)] = value
		}
	}
	if label := records[selinuxRecord]; label != "" && found["security.selinux"] == "" {
		found["security.selinux"] = label
	}
	for key, name := range aclRecords {
		text, ok := records[key]
		if _, exact := found[name]; !ok || exact {
			continue
		}
		value, err := encodeACL(text)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", key, err)
		}
		found[name] = value
	}
	return found, nil
}

// encodeACL turns the text of an ACL into what the kernel takes.
func encodeACL(text string) (string, error) {
	var list acl.List
	for line := range strings.FieldsFuncSeq(text, separatesACL) {
		rules, err := acl.Parse(numeric(line))
		if err != nil {
			return "", err
		}
		for _, rule := range rules {
			if rule.Name != "" {
				return "", fmt.Errorf("it names %.64q, whose number is not known: "+
					"make the archive with --xattrs --xattrs-include='*'", rule.Name)
			}
			list = append(list, rule.Entry)
		}
	}
	return string(list.Encode()), nil
}

// separatesACL says what stands between the entries of an ACL: GNU tar has lines, star(1)
// has commas.
func separatesACL(r rune) bool { return strings.ContainsRune("\n,\x00", r) }

// numeric turns a line of star(1) and libarchive, "user:ada:rw-:1000", into one with the
// number alone. What follows "#" is a comment of acl_to_any_text(3).
func numeric(line string) string {
	line, _, _ = strings.Cut(line, "#")
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) == 4 {
		return fields[0] + ":" + fields[3] + ":" + fields[2]
	}
	return strings.Join(fields, ":")
}
