// Package machineid decides which machine-id(5) and which hostname a boot gets, before
// the init of the OS starts.
//
// The machine id is the first of these: what systemd.machine_id= says; what the root has
// in /etc/machine-id; where systemd is the init and the root outlives the boot, what it
// makes itself; where the root does not outlive the boot, one that is derived from the
// hardware, and so the same at each boot without a byte on the disk; a random one.
//
// It is derived as sd_id128_get_app_specific(3) does it, from the product UUID of the
// firmware or the serial number of the board, which cannot be found from it. What
// vendors forgot to fill in is refused, or many machines would be one.
//
// The package is pure and needs no privileges: what asks the hardware and writes the
// file is in machineid/identity.
package machineid

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// ID is a machine id.
type ID [16]byte

// String returns 32 hexadecimal digits, as they are in /etc/machine-id.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

var errInvalid = errors.New("not 32 hexadecimal digits, or all of them 0")

// Parse reads 32 hexadecimal digits, or a UUID with its dashes. Zero is no id.
func Parse(text string) (id ID, err error) {
	if len(text) == 36 {
		text = undash(text)
	}
	if len(text) != 32 {
		return ID{}, errInvalid
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil || id == (ID{}) {
		return ID{}, errInvalid
	}
	return id, nil
}

// undash takes the dashes of a UUID away; it returns "" if one is not in its place.
func undash(text string) string {
	for _, at := range []int{8, 13, 18, 23} {
		if text[at] != '-' {
			return ""
		}
	}
	return text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
}

// Version4 marks 16 random bytes as a UUID of version 4, as systemd does.
func Version4(id ID) ID {
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Facts are what the choice is made from.
type Facts struct {
	Cmdline     cmdline.Params
	Stored      string // what the root's /etc/machine-id holds
	Persistent  bool   // the root's /etc outlives the boot
	Systemd     bool   // systemd will be the init
	ProductUUID string // what the firmware says, as it is read
	Serial      string // the serial number of the board, as it is read
}

// Source says where an id is from.
type Source string

// The sources. That with systemd.machine_id=firmware is not hashed: it is the UUID.
const (
	FromCmdline  Source = "the kernel command line"
	FromFirmware Source = "the UUID of the firmware"
	FromFile     Source = "/etc/machine-id"
	FromInit     Source = "the init, which makes it"
	FromHardware Source = "the hardware"
	FromChance   Source = "chance"
)

// Choice is the id of this boot. With FromChance and FromInit, it is not
// known yet.
type Choice struct {
	ID      ID
	Source  Source
	Write   bool   // it has to be written to /etc/machine-id
	Warning string // why the kernel command line was not followed
}

// Decide chooses the id.
func Decide(f Facts) Choice {
	id, source, warning := f.asked()
	stored, isStored := parseStored(f.Stored)
	switch {
	case source != "":
		return Choice{id, source, id != stored, warning}
	case isStored:
		return Choice{stored, FromFile, false, warning}
	case f.Persistent && f.Systemd:
		return Choice{Source: FromInit, Warning: warning}
	}
	if id, ok := Device(f.ProductUUID, f.Serial); ok && !f.Persistent {
		return Choice{id, FromHardware, true, warning}
	}
	return Choice{Source: FromChance, Write: true, Warning: warning}
}

// asked is what the kernel command line asks for. As in systemd, the last value that is
// valid counts.
func (f Facts) asked() (id ID, source Source, warning string) {
	for _, p := range f.Cmdline {
		if !cmdline.SameKey(p.Key, "systemd.machine_id") {
			continue
		}
		if p.Value == "firmware" {
			source = FromFirmware
			continue
		}
		parsed, err := Parse(p.Value)
		if err != nil {
			warning = fmt.Sprintf("%s=%q is ignored: %v", p.Key, p.Value, err)
			continue
		}
		id, source = parsed, FromCmdline
	}
	if source != FromFirmware {
		return id, source, warning
	}
	// Unlike for an id that is derived, the person vouches for it.
	id, err := Parse(trim(f.ProductUUID))
	if err != nil || id.String() == strings.Repeat("f", 32) {
		return ID{}, "", "systemd.machine_id=firmware is ignored: it has no UUID"
	}
	return id, FromFirmware, warning
}

// parseStored reads the content of /etc/machine-id. What is empty, "uninitialized" or
// broken is no id.
func parseStored(text string) (ID, bool) {
	text = strings.TrimSuffix(text, "\n")
	id, err := Parse(text)
	return id, err == nil && len(text) == 32
}
