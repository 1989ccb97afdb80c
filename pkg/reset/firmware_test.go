package reset_test

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/reset"
)

// variable is a text as the firmware has it.
func variable(text string) []byte {
	raw := []byte{7, 0, 0, 0}
	for _, unit := range utf16.Encode([]rune(text + "\x00")) {
		raw = binary.LittleEndian.AppendUint16(raw, unit)
	}
	return raw
}

var debian = reset.Release{ID: "debian"}

func TestFirmwareAsks(t *testing.T) {
	for _, tc := range []struct {
		old, new string // "-" is a variable that is not there
		os       reset.Release
		want     bool
		err      string
	}{
		{"-", "-", debian, false, ""},
		{"yes", "-", debian, true, ""},
		{"0", "-", debian, false, ""},
		{"maybe", "-", debian, false, `EFI variable FactoryReset: "maybe" is no boolean`},
		{"-", `{"osReleaseId":"debian","bootId":"x"}`, debian, true, ""},
		{"-", ` { "osReleaseId" : "debian" , "osReleaseImageId" : "kiosk" } `, reset.Release{ID: "debian", ImageID: "kiosk"}, true, ""},
		{"-", `{"osReleaseId":"debian","osReleaseImageId":"kiosk"}`, debian, false, ""},
		{"-", `{"osReleaseId":"debian"}`, reset.Release{ID: "debian", ImageID: "kiosk"}, false, ""},
		{"-", `{"osReleaseId":"fedora"}`, debian, false, ""},
		{"1", `{"osReleaseId":"fedora"}`, debian, true, ""},
		{"-", `{"osReleaseId":""}`, reset.Release{}, false, ""},
		{"-", `{}`, debian, false, ""},
		{"-", `{"osReleaseId":"debian",}`, debian, false, "EFI variable FactoryResetRequest: not an object of strings"},
		{"-", `["debian"]`, debian, false, "not an object"},
		{"-", `{"osReleaseId":1}`, debian, false, "not an object"},
		{"-", `{"osReleaseId":"debian"`, debian, false, "not an object"},
	} {
		var f reset.Firmware
		if tc.old != "-" {
			f.FactoryReset = variable(tc.old)
		}
		if tc.new != "-" {
			f.FactoryResetRequest = variable(tc.new)
		}
		got, err := f.Asks(tc.os)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%+v: %v, %v", tc, got, err)
		}
	}
	for _, raw := range [][]byte{{}, {7, 0}, {7, 0, 0, 0, 1}, make([]byte, reset.MaxVariable+2)} {
		if asks, err := (reset.Firmware{FactoryReset: raw}).Asks(debian); asks || err == nil {
			t.Errorf("%d bytes: %v, %v", len(raw), asks, err)
		}
	}
}

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]reset.Release{
		"":                                  {},
		"NAME=x\nID=debian\nID_LIKE=y\n":    {ID: "debian"},
		"ID=\"a b\"\nIMAGE_ID='kiosk'":      {ID: "a b", ImageID: "kiosk"},
		"# ID=x\nID=a\\b\nIMAGE_ID=k\nID=z": {ID: "z", ImageID: "k"},
	} {
		if diff := cmp.Diff(want, reset.ParseRelease(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// FuzzFirmware has encoding/json as the witness of what is accepted.
func FuzzFirmware(f *testing.F) {
	f.Add(`{"osReleaseId":"debian","bootId":"a\/\"b"}`)
	f.Add(`{"osReleaseId":"debian","osReleaseId":"x"}`)
	f.Add(`{ }`)
	f.Fuzz(func(t *testing.T, text string) {
		asks, err := reset.Firmware{FactoryResetRequest: variable(text)}.Asks(debian)
		if err != nil {
			return
		}
		fields := map[string]string{}
		decoded := strings.TrimRight(string([]rune(text)), "\x00")
		if err := json.Unmarshal([]byte(decoded), &fields); err != nil {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		if want := fields["osReleaseId"] == "debian" && fields["osReleaseImageId"] == ""; asks != want {
			t.Errorf("%q: %v, want %v", text, asks, want)
		}
	})
}
