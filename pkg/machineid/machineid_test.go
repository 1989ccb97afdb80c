package machineid_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/machineid"
)

const (
	plain = "0b0a5ba8f5c44d0c8a1fd1f0f8ce2f31"
	uuid  = "0B0A5BA8-F5C4-4D0C-8A1F-D1F0F8CE2F31"
	other = "9d3d3c8a2f0e4f6db6a6d1f1f6b6c0aa"
)

func TestParse(t *testing.T) {
	for text, valid := range map[string]bool{
		plain: true, uuid: true, strings.ToUpper(plain): true,
		"": false, plain[1:]: false, plain + "0": false, plain + "\n": false,
		strings.Repeat("0", 32): false, strings.Repeat("f", 32): true,
		"0b0a5ba8-f5c44-d0c-8a1f-d1f0f8ce2f31": false,
		"0b0a5ba8f5c44d0c8a1fd1f0f8ce2f31----": false,
		"0b0a5ba8-f5c4-4d0c-8a1f-d1f0f8ce-f31": false,
		"gb0a5ba8f5c44d0c8a1fd1f0f8ce2f31":     false,
	} {
		id, err := machineid.Parse(text)
		if (err == nil) != valid {
			t.Errorf("Parse(%q) = %v, %v", text, id, err)
		}
		if valid && len(text) > 0 && id.String() != strings.ToLower(strings.ReplaceAll(text, "-", "")) {
			t.Errorf("Parse(%q) = %v", text, id)
		}
	}
}

func id(t *testing.T, text string) machineid.ID {
	t.Helper()
	id, err := machineid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDecide(t *testing.T) {
	derived, ok := machineid.Device(uuid+"\n", "")
	if !ok {
		t.Fatal("no id of the device")
	}
	type facts = machineid.Facts
	type choice = machineid.Choice
	for name, tc := range map[string]struct {
		cmdline string
		facts   facts
		want    choice
	}{
		"command line": {"systemd.machine_id=" + plain, facts{Stored: other + "\n", Persistent: true},
			choice{id(t, plain), machineid.FromCmdline, true, ""}},
		"command line, as stored": {"systemd.machine_id=" + uuid, facts{Stored: plain + "\n"},
			choice{id(t, plain), machineid.FromCmdline, false, ""}},
		"command line, last that is valid": {
			"systemd.machine-id=" + other + " systemd.machine_id=" + uuid + " systemd.machine_id=x", facts{},
			choice{id(t, plain), machineid.FromCmdline, true,
				`systemd.machine_id="x" is ignored: not 32 hexadecimal digits, or all of them 0`}},
		"firmware": {"systemd.machine_id=firmware", facts{ProductUUID: uuid + "\n", Persistent: true, Systemd: true},
			choice{id(t, plain), machineid.FromFirmware, true, ""}},
		"firmware without": {"systemd.machine_id=firmware",
			facts{ProductUUID: strings.Repeat("F", 32), Stored: plain},
			choice{id(t, plain), machineid.FromFile, false,
				"systemd.machine_id=firmware is ignored: it has no UUID"}},
		"no value": {"systemd.machine_id", facts{Stored: plain},
			choice{id(t, plain), machineid.FromFile, false,
				`systemd.machine_id="" is ignored: not 32 hexadecimal digits, or all of them 0`}},
		"stored": {"", facts{Stored: plain + "\n", ProductUUID: uuid},
			choice{id(t, plain), machineid.FromFile, false, ""}},
		"systemd makes it":            {"", facts{Persistent: true, Systemd: true}, choice{Source: machineid.FromInit}},
		"systemd makes it, empty":     {"", facts{Stored: "\n", Persistent: true, Systemd: true}, choice{Source: machineid.FromInit}},
		"systemd commits it":          {"", facts{Stored: "uninitialized\n", Persistent: true, Systemd: true}, choice{Source: machineid.FromInit}},
		"persistent, another init":    {"", facts{ProductUUID: uuid, Persistent: true}, choice{Source: machineid.FromChance, Write: true}},
		"stateless, systemd":          {"", facts{ProductUUID: uuid, Systemd: true}, choice{derived, machineid.FromHardware, true, ""}},
		"stateless, another init":     {"", facts{ProductUUID: uuid, Stored: "uninitialized"}, choice{derived, machineid.FromHardware, true, ""}},
		"stored as a UUID is invalid": {"", facts{ProductUUID: uuid, Stored: uuid}, choice{derived, machineid.FromHardware, true, ""}},
		"nothing is known":            {"", facts{ProductUUID: "Not Settable", Serial: "0000000"}, choice{Source: machineid.FromChance, Write: true}},
	} {
		tc.facts.Cmdline = cmdline.Parse(tc.cmdline)
		if diff := cmp.Diff(tc.want, machineid.Decide(tc.facts)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestDevice also pins the derived ids: a change of one is a change of all stateless
// machines.
func TestDevice(t *testing.T) {
	for _, tc := range []struct{ uuid, serial, want string }{
		{uuid, "", "c7a4dda501494e25a40cd8452593efc9"},
		{plain + "\n", "100000003d1d1c36\x00", "c7a4dda501494e25a40cd8452593efc9"},
		{"03000200-0400-0500-0006-000700080009", "100000003d1d1c36\x00", "4cfcc33b93ed4f6ba9c6cd8ae5324257"},
		{"", "100000003d1d1c36", "4cfcc33b93ed4f6ba9c6cd8ae5324257"},
		{"03000200-0400-0500-0006-000700080009\n", "", ""},
		{"00020003-0004-0005-0006-000700080009", "", ""},
		{"00000000-0000-0000-0000-000000000000", "0000000000000000\x00", ""},
		{"ffffffff-ffff-ffff-ffff-ffffffffffff", "To be filled by O.E.M.\n", ""},
		{"FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE", "Default string", ""},
		{"Not Settable", "Not Specified", ""},
		{"Not Present", "123", ""},
		{"", "", ""},
	} {
		got := ""
		if id, ok := machineid.Device(tc.uuid, tc.serial); ok {
			got = id.String()
		}
		if got != tc.want {
			t.Errorf("Device(%q, %q) = %q, want %q", tc.uuid, tc.serial, got, tc.want)
		}
	}
}

func TestHostname(t *testing.T) {
	for _, tc := range []struct{ cmdline, etc, name, warning string }{
		{"systemd.hostname=a hostname=b", "c\n", "a", ""},
		{"hostname=b", "c\n", "b", ""},
		{"", "# comment\n\n  c.example \n d", "c.example", ""},
		{"", "", "", ""},
		{"", "a_b\nc", "", `/etc/hostname is ignored: "a_b" is not valid`},
		{"systemd.hostname=-a", "c", "c", `systemd.hostname="-a" is ignored: it is not valid`},
		{"systemd.hostname", "", "", `systemd.hostname="" is ignored: it is not valid`},
	} {
		name, warning := machineid.Hostname(cmdline.Parse(tc.cmdline), tc.etc)
		if name != tc.name || warning != tc.warning {
			t.Errorf("Hostname(%q, %q) = %q, %q", tc.cmdline, tc.etc, name, warning)
		}
	}
}

func TestValidHostname(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "A-1": true, "a.b.c": true, "1": true, "a.b.": true, strings.Repeat("a", 64): true,
		"": false, ".": false, "a.": false, ".a": false, "a..b": false, "-a": false, "a-": false,
		"a.-b": false, "a-.b": false, "a b": false, "a_b": false, "ä": false, "a\x00": false,
		strings.Repeat("a", 65): false, "a.b..": false, "A@": false, "`": false, "[": false, "a\x0d1": false,
		strings.Repeat("a.", 32): true, strings.Repeat("a.", 33): false, "\r1": false, "\x101": false,
	} {
		if got := machineid.ValidHostname(name); got != want {
			t.Errorf("ValidHostname(%q) = %v, want %v", name, got, want)
		}
	}
}

// FuzzHostname sees that what is accepted is harmless in a line or on a screen.
func FuzzHostname(f *testing.F) {
	f.Add("hostname=a", "b.c.\n")
	f.Add("systemd.hostname=\"a b\"", "#\n\x00")
	f.Fuzz(func(t *testing.T, line, etc string) {
		name, _ := machineid.Hostname(cmdline.Parse(line), etc)
		const ldh = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
		if strings.Trim(name, ldh) != "" || len(name) > 64 {
			t.Errorf("accepted %q", name)
		}
	})
}
