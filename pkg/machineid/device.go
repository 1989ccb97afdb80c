package machineid

import (
	"slices"
	"strings"
)

// application is what ids are derived for. It never changes: the ids of all stateless
// machines hang on it.
var application = ID{
	0x8b, 0x90, 0x5c, 0xcf, 0xe4, 0x57, 0x4b, 0x19,
	0x8c, 0x79, 0xfc, 0x6d, 0xa4, 0x13, 0x9d, 0x5c,
}

// AppSpecific derives an id for an application from a key that identifies the machine,
// as systemd does from a machine id. The key cannot be found from it.
func AppSpecific(key []byte, app ID) ID {
	sum := hmac(key, app[:])
	return Version4(ID(sum[:16]))
}

// Device derives the id of a machine from the product UUID of its firmware, or from the
// serial number of its board. It returns false if neither tells machines apart.
func Device(productUUID, serial string) (ID, bool) {
	if id, err := Parse(trim(productUUID)); err == nil && isUnique(id) {
		return AppSpecific(id[:], application), true
	}
	if serial = trim(serial); isSerial(serial) {
		return AppSpecific([]byte(serial), application), true
	}
	return ID{}, false
}

// trim takes away what surrounds a value: a line end in sysfs, a zero byte in a device
// tree.
func trim(value string) string { return strings.Trim(value, " \t\r\n\x00") }

// shared are product UUIDs that many machines have: examples that were left in, some in
// both byte orders, and that of a Dell without a service tag.
var shared = []string{
	"03000200040005000006000700080009",
	"00020003000400050006000700080009",
	"123456781234567890abcddeefaabbcc",
	"785634123412785690abcddeefaabbcc",
	"12345678123456781234567812345678",
	"0123456789abcdef0123456789abcdef",
	"4c4c454400002010802080c04f202020",
}

// isUnique refuses what is shared, and one byte repeated: "Not Settable" of SMBIOS is
// all ones, "Not Present" all zeros, and erased flash is of either.
func isUnique(id ID) bool {
	text := id.String()
	return text != strings.Repeat(text[:2], len(id)) && !slices.Contains(shared, text)
}

// fillers are serial numbers that say that there is none, in lower case.
var fillers = []string{
	"none", "null", "unknown", "default", "default string", "empty", "n/a", "invalid",
	"not specified", "not settable", "not available", "not applicable", "not present",
	"to be filled by o.e.m.", "to be filled by oem", "o.e.m.", "oem",
	"serial number", "system serial number", "board serial number", "0123456789",
	"123456789", "1234567890", "0123456789abcdef", "1234567890abcdef", "deadbeef",
}

// isSerial refuses what is too short to tell machines apart, one digit repeated, and
// words.
func isSerial(text string) bool {
	const shortest = 4
	if len(text) < shortest || strings.Trim(text, text[:1]) == "" {
		return false
	}
	return !slices.Contains(fillers, strings.ToLower(text))
}
