package esp_test

import (
	"testing"
	"testing/fstest"

	"github.com/freshroot/freshroot/pkg/bls"
	"github.com/freshroot/freshroot/pkg/esp"
)

// FuzzLook has a partition on which everything that is read looks like anything. What is
// found is then written in each style, and found again.
func FuzzLook(f *testing.F) {
	const mark = "# Written by freshroot esp sync, which replaces it.\n"
	f.Add("linux /freshroot/a/1/linux\noptions freshroot.usr=a:1 x", mark+"append freshroot.usr=a:2",
		mark+"linux /x freshroot.usr=a:3 b\\;", "MZ", "a+3.conf")
	f.Fuzz(func(t *testing.T, conf, extlinux, grub, image, name string) {
		fsys := fstest.MapFS{
			"loader/entries/org.example.os-1.0.conf": file(conf), "extlinux/extlinux.conf": file(extlinux),
			"grub/grub.cfg": file(grub), "EFI/Linux/a_1.efi": file(image),
			"EFI/BOOT/BOOTX64.EFI": file(image),
		}
		if _, err := bls.ParseName(name); err == nil {
			fsys["loader/entries/"+name] = file(conf)
		}
		s, err := esp.Look(fsys)
		if err != nil {
			t.Fatal(err)
		}
		for _, style := range []esp.Style{esp.Entries, esp.Extlinux, esp.Grub} {
			c := config()
			c.Style = style
			// That a menu is not ours is the one thing that may be wrong.
			if _, err := esp.Decide(s, versions(t, "1.0+3", "1.1"), c); err != nil && len(s.Foreign) == 0 {
				t.Errorf("%s: %v", style, err)
			}
		}
	})
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
