package uki_test

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/uki"
)

// stub is systemd's, of Debian's package systemd-boot-efi.
func stub(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return data
}

// part is a section with its content.
type part struct{ name, content string }

func parts() []part {
	return []part{
		{".osrel", "ID=linux\n"}, {".cmdline", "quiet"},
		{".initrd", strings.Repeat("i", 70000)}, {".linux", strings.Repeat("k", 512)},
	}
}

func build(t testing.TB, stub []byte, list []part) []byte {
	t.Helper()
	var sections []uki.Section
	var contents []io.Reader
	for _, p := range list {
		sections = append(sections, uki.Section{Name: p.name, Size: int64(len(p.content))})
		contents = append(contents, strings.NewReader(p.content))
	}
	image, err := uki.Layout(stub, sections)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(image.Reader(contents...))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != image.Size() {
		t.Errorf("%d bytes, not %d as was said", len(data), image.Size())
	}
	return data
}

// TestLayout has Go's reader look at an image: the stub's sections are as they were, and
// the new ones behind them, none over another.
func TestLayout(t *testing.T) {
	data := build(t, stub(t), parts())
	before, err := pe.NewFile(bytes.NewReader(stub(t)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := pe.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range before.Sections {
		if diff := cmp.Diff(s.SectionHeader, f.Sections[i].SectionHeader); diff != "" {
			t.Errorf("section %s of the stub (-before +after):\n%s", s.Name, diff)
		}
	}
	header := f.OptionalHeader.(*pe.OptionalHeader64)
	end := uint32(0)
	for _, s := range f.Sections {
		aligned := s.VirtualAddress%header.SectionAlignment == 0 || before.Section(s.Name) != nil
		if s.VirtualAddress < end || !aligned {
			t.Errorf("section %s is at %#x, and the one before ends at %#x",
				s.Name, s.VirtualAddress, end)
		}
		end = s.VirtualAddress + s.VirtualSize
	}
	if header.SizeOfImage < end || header.SizeOfImage > end+header.SectionAlignment {
		t.Errorf("the image has %#x bytes in memory, and ends at %#x", header.SizeOfImage, end)
	}
	for _, p := range parts() {
		got, err := f.Section(p.name).Data()
		if err != nil || string(got[:len(p.content)]) != p.content {
			t.Errorf("section %s: %v, %.20q", p.name, err, got)
		}
		got, err = uki.Read(bytes.NewReader(data), p.name, 1<<20)
		if err != nil || string(got) != p.content {
			t.Errorf("read section %s: %v, %.20q", p.name, err, got)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	data := build(t, stub(t), parts())
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		".initrd": {data, "has 70000 bytes"},
		".dtb":    {data, "no section .dtb"},
		".linux":  {data[:len(data)-1], "read section .linux"},
		".osrel":  {data[:300], "ends in its headers"},
		".text":   {[]byte("#!/bin/sh"), "not an EFI program"},
	} {
		got, err := uki.Read(bytes.NewReader(c.data), name, 1000)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %d bytes", name, err, len(got))
		}
	}
}

func TestLayoutRefuses(t *testing.T) {
	var many []uki.Section
	for range 40 {
		many = append(many, uki.Section{Name: ".x", Size: 1})
	}
	cut := stub(t)[:2000]
	for _, c := range []struct {
		stub     []byte
		sections []uki.Section
		want     string
	}{
		{stub(t), many, "no room"},
		{stub(t), []uki.Section{{Name: ".linux", Size: 0}}, "0 bytes"},
		{stub(t), []uki.Section{{Name: ".linux", Size: 3 << 30}}, "3221225472 bytes"},
		{cut, nil, "a section is not in the file"},
		{nil, nil, "not an EFI program"},
	} {
		_, err := uki.Layout(c.stub, c.sections)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	image, err := uki.Layout(stub(t), []uki.Section{{Name: ".linux", Size: 10}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(image.Reader(strings.NewReader("short"))); err != io.ErrUnexpectedEOF {
		t.Errorf("content that is too short: %v", err)
	}
}

// small is an EFI program with nothing but headers and a section of one byte.
func small() []byte {
	data := make([]byte, 1024)
	copy(data, "MZ")
	le := binary.LittleEndian
	le.PutUint32(data[60:], 64)
	copy(data[64:], "PE\x00\x00")
	le.PutUint16(data[70:], 1)   // section
	le.PutUint16(data[84:], 240) // bytes of the optional header
	le.PutUint16(data[88:], 0x20b)
	le.PutUint32(data[88+32:], 4096)
	le.PutUint32(data[88+36:], 512)
	le.PutUint32(data[88+60:], 512)
	copy(data[328:], ".text")
	for i, value := range []uint32{1, 4096, 512, 512} {
		le.PutUint32(data[328+8+4*i:], value)
	}
	return data
}

func FuzzLayout(f *testing.F) {
	f.Add(small())
	f.Fuzz(func(t *testing.T, stub []byte) {
		if _, err := uki.Layout(stub, []uki.Section{{Name: ".cmdline", Size: 5}}); err != nil {
			return
		}
		data := build(t, stub, []part{{".cmdline", "quiet"}})
		if got, err := uki.Read(bytes.NewReader(data), ".cmdline", 100); err != nil {
			// The stub may have had such a section before.
			t.Logf("read: %v, %q", err, got)
		}
		uki.Signed(bytes.NewReader(data))
	})
}

func FuzzRead(f *testing.F) {
	f.Add(small(), ".text")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		got, err := uki.Read(bytes.NewReader(data), name, 100)
		if err == nil && len(got) > 100 {
			t.Errorf("%d bytes", len(got))
		}
		uki.Signed(bytes.NewReader(data))
	})
}
