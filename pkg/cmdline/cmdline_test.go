package cmdline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]cmdline.Params{
		"":     nil,
		" \n ": nil,
		"quiet root=PARTUUID=ab  ro\n": {
			{Key: "quiet"}, {Key: "root", Value: "PARTUUID=ab", HasValue: true}, {Key: "ro"}},
		`a= b="x y" "c=d e" f`: {
			{Key: "a", HasValue: true}, {Key: "b", Value: "x y", HasValue: true},
			{Key: "c", Value: "d e", HasValue: true}, {Key: "f"}},
		"a=1 a=2":            {{Key: "a", Value: "1", HasValue: true}, {Key: "a", Value: "2", HasValue: true}},
		"a -- b c":           {{Key: "a"}},
		"a --b":              {{Key: "a"}, {Key: "--b"}},
		`open="never closed`: {{Key: "open", Value: "never closed", HasValue: true}},
		`mid"dle quote" x`:   {{Key: `mid"dle quote"`}, {Key: "x"}},
	} {
		if diff := cmp.Diff(want, cmdline.Parse(line)); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", line, diff)
		}
	}
}

func TestLast(t *testing.T) {
	params := cmdline.Parse("volatile=no systemd.volatile=yes on_failure=halt")
	for _, tc := range []struct {
		keys []string
		want string
		ok   bool
	}{
		{[]string{"volatile"}, "no", true},
		{[]string{"volatile", "systemd.volatile"}, "yes", true},
		{[]string{"on-failure"}, "halt", true},
		{[]string{"root"}, "", false},
	} {
		got, ok := params.Last(tc.keys...)
		if got.Value != tc.want || ok != tc.ok {
			t.Errorf("Last(%q) = %q, %v, want %q, %v", tc.keys, got.Value, ok, tc.want, tc.ok)
		}
	}
}

func TestModule(t *testing.T) {
	params := cmdline.Parse(`usb-storage.quirks=1:2:u usb_storage.delay_use=0 nvme.x dyndbg "btrfs.a=b c"`)
	for name, want := range map[string]string{
		"usb_storage": "quirks=1:2:u delay_use=0",
		"nvme":        "x",
		"btrfs":       `a="b c"`,
		"virtio":      "",
	} {
		if got := params.Module(name); got != want {
			t.Errorf("Module(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`quiet root="a b" "c=d" -- x`)
	f.Add(`"""="" = ==" "`)
	f.Fuzz(func(t *testing.T, line string) {
		size := 0
		for _, p := range cmdline.Parse(line) {
			size += len(p.Key) + len(p.Value)
			if !p.HasValue && p.Value != "" {
				t.Errorf("Parse(%q): %+v has a value and says it has none", line, p)
			}
		}
		if size > len(line) {
			t.Errorf("Parse(%q) made %d bytes of %d", line, size, len(line))
		}
	})
}
