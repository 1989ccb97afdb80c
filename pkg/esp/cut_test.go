package esp_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/esp"
)

// TestIntegrationPowerCut cuts the power after each operation of many plans, in a random life of a
// partition: whatever names a file then names a whole one, what is protected can be
// booted, what is not ours is as it was, and the next sync ends where it would have.
func TestIntegrationPowerCut(t *testing.T) {
	stub := realFile(t, "linuxx64.efi.stub")
	r := rand.New(rand.NewPCG(7, 8))
	scratch := testfs.Tmpfs(t, "size=512m") // where a sync takes no time
	dir := filepath.Join(scratch, "esp")
	foreign := map[string]string{
		"EFI/Microsoft/x.efi": "MZ", "loader/entries/other.conf": "linux /x\n",
	}
	for name, content := range foreign {
		write(t, dir, name, content)
	}
	cuts := 0
	booted := "1.0"
	sync(t, dir, versions(t, booted), config())
	for range 25 {
		want, c := randomWish(t, r, stub)
		c.Booted = usr(t, booted)
		plan := decide(t, dir, want, c)
		whole := copyOf(t, dir, scratch)
		sync(t, whole, want, c)
		after := files(t, whole)
		for n := range len(plan.Ops) {
			cuts++
			cut := copyOf(t, dir, scratch)
			apply(t, cut, esp.Plan{Ops: plan.Ops[:n]})
			if plan.Ops[n].Do == esp.Write { // as far as it came
				write(t, cut, "freshroot/new.tmp", "half a fi")
			}
			checkCut(t, cut, booted, foreign)
			sync(t, cut, want, c)
			if diff := cmp.Diff(after, files(t, cut)); diff != "" {
				t.Fatalf("cut after %d operations of\n%sit ends otherwise (-whole +cut):\n%.2000s",
					n, plan, diff)
			}
		}
		sync(t, dir, want, c)
		checkCut(t, dir, booted, foreign)
		if len(want) > 0 {
			booted = want[r.IntN(len(want))].Usr.Version
		}
	}
	t.Logf("%d cuts", cuts)
}

// randomWish is what somebody may want of a partition.
func randomWish(t *testing.T, r *rand.Rand, stub esp.File) (want []esp.Version, c esp.Config) {
	c = config()
	styles := []esp.Style{esp.Entries, esp.Entries, esp.UKI, esp.Extlinux, esp.Grub, esp.None}
	c.Style = styles[r.IntN(len(styles))]
	c.Stub, c.Tries = stub, r.IntN(2)*3
	for _, name := range []string{"1.0", "1.1", "1.2~rc1", "1.3"} {
		if r.IntN(2) > 0 {
			v := version(t, name+[]string{"", "+3", "+0-1"}[r.IntN(3)])
			if r.IntN(3) == 0 {
				v.Options = fmt.Sprintf("quiet n=%d", r.IntN(3))
			}
			want = append(want, v)
		}
	}
	return want, c
}

func copyOf(t *testing.T, dir, scratch string) string {
	t.Helper()
	to, err := os.MkdirTemp(scratch, "copy")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// checkCut looks at a partition as a boot loader does.
func checkCut(t *testing.T, dir, booted string, foreign map[string]string) {
	t.Helper()
	there := files(t, dir)
	bootable := false
	for _, e := range look(t, dir).Entries {
		kernel := "freshroot/org.example.os/" + bls.Safe(e.Version) + "/"
		unified := strings.HasSuffix(e.Path, ".efi")
		if !unified && (there[kernel+"linux"] != kernelOf(e.Version) ||
			there[kernel+"initrd"] != initramfsOf(e.Version)) {
			t.Errorf("%s has %s, whose files are not whole", e.Path, e.Version)
		}
		if unified && (!strings.Contains(there[e.Path], kernelOf(e.Version)) ||
			!strings.Contains(there[e.Path], initramfsOf(e.Version))) {
			t.Errorf("%s is not whole", e.Path)
		}
		bootable = bootable || e.Version == booted
	}
	if _, kept := there["freshroot/org.example.os/"+bls.Safe(booted)+"/linux"]; !bootable && !kept {
		t.Errorf("%s cannot be booted any more", booted)
	}
	for name, content := range foreign {
		if there[name] != content {
			t.Errorf("%s was changed", name)
		}
	}
}
