package image_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/image"
	"github.com/freshroot/freshroot/pkg/subvol"
)

var update = flag.Bool("update", false, "write what plans look like to testdata")

// planned are options with all that has to be given.
func planned() image.Options {
	return image.Options{
		Output: "disk.img", Seed: "seed",
		Fill: image.FillOptions{Usr: subvol.Member{
			Kind: subvol.Usr, Vendor: "org.example.os", Arch: "x86-64", Version: "1.0",
		}},
	}
}

func TestPlan(t *testing.T) {
	for name, edit := range map[string]func(o *image.Options){
		"default": func(*image.Options) {},
		"all": func(o *image.Options) {
			o.Format, o.Size, o.ESPSize, o.SectorSize = image.Qcow2, 4<<30, 300<<20, 4096
			o.Compress, o.Fill.Instance, o.Fill.Usr.Arch = "zstd:15", "kiosk", "arm64"
			o.Fill.Usr.Tries = subvol.Tries{Counted: true, Left: 3}
			o.Boot = image.BootOptions{Style: esp.UKI, Cmdline: "quiet"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := planned()
			edit(&o)
			p, err := image.NewPlan(o)
			must(t, err)
			var got strings.Builder
			p.WriteText(&got)
			file := filepath.Join("testdata", name+".txt")
			if *update {
				must(t, os.WriteFile(file, []byte(got.String()), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	for want, edit := range map[string]func(o *image.Options){
		`compression "lzo"`:         func(o *image.Options) { o.Compress = "lzo" },
		`compression "zstd:16"`:     func(o *image.Options) { o.Compress = "zstd:16" },
		`compression "zstd,subvol"`: func(o *image.Options) { o.Compress = "zstd,subvol" },
		`architecture "vax"`:        func(o *image.Options) { o.Fill.Usr.Arch = "vax" },
		"sectors of 520 bytes":      func(o *image.Options) { o.SectorSize = 520 },
		"414 MiB too small":         func(o *image.Options) { o.Size = 100 << 20 },
		"has 186 MiB":               func(o *image.Options) { o.Size = 700 << 20 },
		"a FAT32":                   func(o *image.Options) { o.ESPSize, o.SectorSize = 64<<20, 4096 },
		"536870913 bytes":           func(o *image.Options) { o.ESPSize = 512<<20 + 1 },
	} {
		o := planned()
		edit(&o)
		if _, err := image.NewPlan(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewPlan: %v, want %q in it", err, want)
		}
	}
}

// TestPlanSeed has identifiers that differ from each other, and not from run to run.
func TestPlanSeed(t *testing.T) {
	one, err := image.NewPlan(planned())
	must(t, err)
	two, err := image.NewPlan(planned())
	must(t, err)
	if diff := cmp.Diff(ids(one), ids(two)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, id := range ids(one) {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
}

func ids(p image.Plan) []string {
	list := []string{p.Layout.GUID, p.FSUUID}
	for _, part := range p.Layout.Partitions {
		list = append(list, part.GUID)
	}
	return list
}
