package esp_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/esp"
)

// The files of a partition that is checked.
const (
	linux     = "freshroot/org.example.os/1.1/linux"
	initrd    = "freshroot/org.example.os/1.1/initrd"
	oneEntry  = "loader/entries/org.example.os-1.1.conf"
	oneImage  = "EFI/Linux/org.example.os_1.1.efi"
	ownLoader = "EFI/systemd/systemd-bootx64.efi"
	anyLoader = "EFI/BOOT/BOOTX64.EFI"
)

// TestCheck damages partitions of all styles. The pool has another version, which was left
// out of all of them.
func TestCheck(t *testing.T) {
	const of = " is not that of usr:org.example.os:x86-64:1.1"
	for _, c := range []struct {
		name   string
		style  esp.Style
		damage func(t *testing.T, dir string)
		want   []string
	}{
		{"whole", esp.Entries, nil, nil},
		{"whole", esp.UKI, nil, nil},
		{"whole", esp.Extlinux, nil, nil},
		{"whole", esp.Grub, nil, nil},
		{"whole", esp.None, nil, nil},
		{"bit", esp.Entries, spoil(linux), []string{linux + of}},
		{"bit", esp.UKI, spoil(oneImage), []string{oneImage + ": its section .linux" + of}},
		{"bit", esp.Extlinux, spoil(initrd), []string{initrd + of}},
		{"bit", esp.Grub, spoil(linux), []string{linux + of}},
		{"bit", esp.None, spoil(linux), []string{linux + of}},
		{"short", esp.Entries, cut(initrd, 2), []string{initrd + of}},
		{"short", esp.UKI, cut(oneImage, 20), []string{oneImage + ": its section .linux" + of}},
		{"empty", esp.UKI, cut(oneImage, 1), []string{
			oneImage + " is no entry for usr:org.example.os:x86-64:1.1, as its name says",
		}},
		{"empty", esp.Entries, cut(oneEntry, 1), []string{
			oneEntry + " is no entry for usr:org.example.os:x86-64:1.1, as its name says",
		}},
		{"gone", esp.Extlinux, lose(linux, initrd), []string{linux + " is not there", initrd + " is not there"}},
		{"gone", esp.Grub, lose(initrd), []string{initrd + " is not there"}},
		{"gone", esp.None, lose(initrd), []string{initrd + " is not there"}},
		{"no menu", esp.Extlinux, lose("extlinux/extlinux.conf"), []string{"extlinux/extlinux.conf is not there"}},
		{"no menu", esp.Grub, lose("grub/grub.cfg"), []string{"grub/grub.cfg is not there"}},
		{"no entry", esp.Entries, lose(oneEntry), []string{"systemd-boot has no entry"}},
		{"no entry", esp.UKI, lose(oneImage), []string{"systemd-boot has no entry"}},
		{"no loader", esp.Entries, lose(ownLoader, anyLoader), []string{
			"nothing reads the entries: neither " + ownLoader + " nor " + anyLoader + " is systemd-boot",
		}},
		{"no loader", esp.UKI, lose(anyLoader), []string{
			anyLoader + ", which firmware looks for, is not there",
		}},
		{"other bits", esp.Entries, func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, anyLoader, "M? #### LoaderInfo: systemd-boot 257.9 ####")
		}, []string{ownLoader + " and " + anyLoader + " are both systemd-boot 257.9, and differ"}},
		{"another program", esp.UKI, func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, ownLoader, "MZ")
		}, []string{ownLoader + " is not systemd-boot"}},
		{"another loader", esp.Entries, func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir, anyLoader, "MZ shim")
		}, nil},
	} {
		t.Run(string(c.style)+" "+c.name, func(t *testing.T) {
			dir, conf := t.TempDir(), config()
			conf.Style = c.style
			if c.style == esp.UKI {
				conf.Stub = realFile(t, "linuxx64.efi.stub")
			}
			sync(t, dir, versions(t, "1.1"), conf)
			if c.damage != nil {
				c.damage(t, dir)
			}
			got, err := esp.Check(look(t, dir), versions(t, "1.0", "1.1"), "x86-64")
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestCheckOther has what is no business of ours.
func TestCheckOther(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "loader/entries/debian.conf", "linux /debian/vmlinuz\n")
	write(t, dir, anyLoader, "MZ #### LoaderInfo: systemd-boot 257 ####")
	write(t, dir, "EFI/Linux/arch.efi", "MZ")
	if got, err := esp.Check(look(t, dir), versions(t, "1.0"), "x86-64"); got != nil || err != nil {
		t.Errorf("entries of others: %q, %v", got, err)
	}
	if got, err := esp.Check(look(t, t.TempDir()), versions(t, "1.0"), "x86-64"); got != nil || err != nil {
		t.Errorf("nothing: %q, %v", got, err)
	}
}

// spoil changes the last byte of a file that is not zero.
func spoil(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		last := len(text) - 1
		for text[last] == 0 {
			last--
		}
		text[last] ^= 1
		write(t, dir, name, string(text))
	}
}

// cut removes the last part of a file: half of it, a third, and so on.
func cut(name string, part int64) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		file := filepath.Join(dir, name)
		info, err := os.Stat(file)
		if err == nil {
			err = os.Truncate(file, info.Size()-info.Size()/part)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// lose removes files.
func lose(names ...string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		for _, name := range names {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
