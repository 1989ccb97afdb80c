package esp_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// TestPrograms prefers what is signed, and takes what is missing from the next /usr.
func TestPrograms(t *testing.T) {
	const dir = "lib/systemd/boot/efi/"
	first := fstest.MapFS{
		dir + "systemd-bootaa64.efi": file("1"), dir + "systemd-bootaa64.efi.signed": file("12"),
		dir + "linuxx64.efi.stub": file("123"),
	}
	second := fstest.MapFS{
		dir + "systemd-bootaa64.efi": file("1234"), dir + "linuxaa64.efi.stub": file("12345"),
	}
	boot, stub := esp.Programs(first, "arm64", second)
	if diff := cmp.Diff([]int64{2, 5}, []int64{boot.Size, stub.Size}); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if boot, stub = esp.Programs(first, "riscv64"); boot.Open != nil || stub.Open != nil {
		t.Errorf("%d and %d bytes of another architecture", boot.Size, stub.Size)
	}
}

// TestRecount blesses a version and marks one bad, in the names of their entries only.
func TestRecount(t *testing.T) {
	dir := t.TempDir()
	sync(t, dir, versions(t, "1.0+3", "1.1+2-1"), config())
	for _, c := range []struct {
		version string
		change  func(subvol.Tries) subvol.Tries
		want    string
	}{
		{"1.1", func(subvol.Tries) subvol.Tries { return subvol.Tries{} }, "1.1+2-1.conf to 1.1.conf"},
		{"1.0", subvol.Tries.Spent, "1.0+3.conf to 1.0+0.conf"},
		{"1.1", func(subvol.Tries) subvol.Tries { return subvol.Tries{} }, ""},
		{"1.2", subvol.Tries.Spent, ""},
	} {
		plan := look(t, dir).Recount(usr(t, c.version), c.change)
		got := strings.TrimPrefix(strings.TrimSpace(plan.String()), "rename ")
		if got = strings.ReplaceAll(got, "loader/entries/org.example.os-", ""); got != c.want {
			t.Errorf("%s: %q, want %q", c.version, got, c.want)
		}
		apply(t, dir, plan)
		apply(t, dir, plan) // somebody else was faster
	}
}

// TestGiveBack gives a try back to the entry that was counted, but not to one that had no
// try left when it was booted.
func TestGiveBack(t *testing.T) {
	const entry = "loader/entries/org.example.os-"
	for _, c := range []struct{ pool, there, counted, want string }{
		{"1.0+3", "1.0+2-1", "1.0+2-1", "1.0+2-1.conf to 1.0+3.conf"},
		{"1.0+3", "1.0+0-3", "1.0+0-3", "1.0+0-3.conf to 1.0+1-2.conf"},
		{"1.0+1-2", "1.0+0-3", "1.0+0-3", "1.0+0-3.conf to 1.0+1-2.conf"},
		{"1.0+3", "1.0+0-4", "1.0+0-4", ""},
		{"1.0", "1.0+1-2", "1.0+1-2", "1.0+1-2.conf to 1.0+2-1.conf"},
		{"1.0", "1.0+0-3", "1.0+0-3", ""},     // it may have had none before
		{"1.0+3", "1.0+3", "1.0+2-1", ""},     // given back already
		{"1.0+3", "1.0+2-1", "1.1+2-1", ""},   // another one was booted
		{"1.0+3", "1.0", "1.0+2-1", ""},       // blessed
		{"1.1+3", "1.0+2-1", "1.0+2-1", ""},   // another version runs
		{"1.0+3", "1.0+2-1", "elsewhere", ""}, // of another loader
	} {
		root := t.TempDir()
		sync(t, root, versions(t, "1.0"), config())
		rename(t, root, entry+"1.0.conf", entry+c.there+".conf")
		plan := look(t, root).GiveBack(usr(t, c.pool), entry+c.counted+".conf")
		got := strings.TrimPrefix(strings.TrimSpace(plan.String()), "rename ")
		if got = strings.ReplaceAll(got, entry, ""); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
