package reset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The EFI variables by which systemd asks the next boot for a factory reset: the first
// up to version 257, the second since. Both are systemd's own, by the same vendor GUID.
const (
	FactoryReset        = "FactoryReset-8cf2644b-4b0b-428f-9387-6d876050dc67"
	FactoryResetRequest = "FactoryResetRequest-8cf2644b-4b0b-428f-9387-6d876050dc67"
)

// MaxVariable is the longest variable that is looked at.
const MaxVariable = 4 << 10

// Release is what os-release says of the OS.
type Release struct{ ID, ImageID string }

// Firmware is what the variables of the firmware hold, attributes and all; nil is none.
type Firmware struct{ FactoryReset, FactoryResetRequest []byte }

// Asks says whether the firmware asks for the factory reset of this OS. A request for
// another one is none; what cannot be understood is an error.
func (f Firmware) Asks(os Release) (bool, error) {
	if f.FactoryResetRequest != nil {
		asks, err := parseRequest(f.FactoryResetRequest, os)
		if asks || err != nil {
			return asks, wrap(FactoryResetRequest, err)
		}
	}
	if f.FactoryReset == nil {
		return false, nil
	}
	text, err := decode(f.FactoryReset)
	if err != nil {
		return false, wrap(FactoryReset, err)
	}
	asks, err := parseBoolean(text)
	return asks, wrap(FactoryReset, err)
}

func wrap(variable string, err error) error {
	if err == nil {
		return nil
	}
	name, _, _ := strings.Cut(variable, "-")
	return fmt.Errorf("EFI variable %s: %w", name, err)
}

// decode takes the text out of a variable: four bytes of attributes, and UTF-16.
func decode(raw []byte) (string, error) {
	if len(raw) < 4 || len(raw) > MaxVariable || len(raw)%2 != 0 {
		return "", fmt.Errorf("%d bytes are no text", len(raw))
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 4; i < len(raw); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(raw[i:]))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00"), nil
}

func parseBoolean(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "yes", "y", "true", "t", "on":
		return true, nil
	case "0", "no", "n", "false", "f", "off":
		return false, nil
	}
	return false, fmt.Errorf("%.64q is no boolean", text)
}

// parseRequest reads the JSON of a request and compares it with the OS. In the initramfs
// each boot is another one than the request was made in, so that bootId says nothing.
func parseRequest(raw []byte, os Release) (bool, error) {
	text, err := decode(raw)
	if err != nil {
		return false, err
	}
	fields, err := parseObject(text)
	if err != nil {
		return false, err
	}
	return fields["osReleaseId"] == os.ID && os.ID != "" &&
		fields["osReleaseImageId"] == os.ImageID, nil
}

// errObject stands for all that is no object of strings: who wrote it is not systemd.
var errObject = errors.New("not an object of strings")

// parseObject reads a JSON object whose values are strings without anything exotic.
// encoding/json would make the init larger by a twelfth.
func parseObject(text string) (map[string]string, error) {
	fields := map[string]string{}
	s, ok := strings.CutPrefix(trim(text), "{")
	for ok && !strings.HasPrefix(trim(s), "}") {
		var key, value string
		if key, s, ok = cutString(s); !ok {
			break
		}
		if s, ok = strings.CutPrefix(trim(s), ":"); !ok {
			break
		}
		if value, s, ok = cutString(s); !ok {
			break
		}
		fields[key] = value
		rest, more := strings.CutPrefix(trim(s), ",")
		if !more {
			break
		}
		// A comma is followed by another field.
		s, ok = rest, strings.HasPrefix(trim(rest), `"`)
	}
	if !ok || strings.Trim(s, blanks) != "}" {
		return nil, errObject
	}
	return fields, nil
}

const blanks = " \t\r\n"

func trim(s string) string { return strings.TrimLeft(s, blanks) }

// cutString takes a string from the front. Escapes other than those of a quote, a slash
// and a backslash are not accepted: no name of an OS has them.
func cutString(text string) (value, rest string, ok bool) {
	s, ok := strings.CutPrefix(trim(text), `"`)
	if !ok {
		return "", "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], utf8.ValidString(b.String())
		case c < ' ':
			return "", "", false
		case c == '\\':
			if i++; i == len(s) || !strings.ContainsRune(`"\/`, rune(s[i])) {
				return "", "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// ParseRelease reads the two fields of an os-release(5) file. Its values may be quoted
// as a shell has it; with a backslash in them they are left out, for no ID has one.
func ParseRelease(text string) (r Release) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		for _, quote := range []string{`"`, "'"} {
			if v, ok := strings.CutPrefix(value, quote); ok {
				value = strings.TrimSuffix(v, quote)
			}
		}
		switch {
		case strings.Contains(value, `\`):
		case key == "ID":
			r.ID = value
		case key == "IMAGE_ID":
			r.ImageID = value
		}
	}
	return r
}
