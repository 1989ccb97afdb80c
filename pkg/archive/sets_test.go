package archive

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseModules(t *testing.T) {
	tests := []struct {
		list string
		want Modules
	}{
		{"none", Modules{}},
		{"ext4", Modules{Required: []string{"ext4"}}},
		{"ext4,kernel/drivers/mmc/host/*",
			Modules{Required: []string{"ext4", "kernel/drivers/mmc/host/*"}}},
		{"default", everywhere},
		{"virtio", virtio},
		{"+i915,xe", Modules{
			Required: []string{"btrfs", "i915", "xe"},
			Optional: everywhere.Optional,
		}},
		{"virtio,nvme", Modules{
			Required: []string{"btrfs", "nvme"},
			Optional: virtio.Optional,
		}},
	}
	for _, tt := range tests {
		got, err := ParseModules(tt.list)
		if err != nil {
			t.Errorf("ParseModules(%q): %v", tt.list, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseModules(%q) (-want +got):\n%s", tt.list, diff)
		}
		if got.Empty() != (tt.list == "none") {
			t.Errorf("ParseModules(%q).Empty() = %v", tt.list, got.Empty())
		}
	}
	for _, list := range []string{"", ",", "a,,b", "+", "none,a", "a,none", "+none"} {
		if got, err := ParseModules(list); err == nil {
			t.Errorf("ParseModules(%q) = %v, want an error", list, got)
		}
	}
}

func TestSetsHelpNamesAll(t *testing.T) {
	help := SetsHelp()
	for _, name := range append(everywhere.Optional, "btrfs", "default", "none") {
		if !strings.Contains(help, name) {
			t.Errorf("help does not mention %s", name)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 82 {
			t.Errorf("line of %d columns: %s", len(line), line)
		}
	}
}
