package efivar_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/efivar"
	"github.com/freshroot/freshroot/pkg/gpt"
)

func guid(t testing.TB, s string) gpt.GUID {
	t.Helper()
	g, err := gpt.ParseGUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const espID = "11111111-89ab-cdef-0123-456789abcdef"

func option(t testing.TB) efivar.LoadOption {
	return efivar.LoadOption{
		Active: true, Description: "freshroot", File: `\EFI\x.efi`,
		Partition: efivar.Partition{Number: 1, First: 2048, Size: 1 << 20, GUID: guid(t, espID)},
	}
}

// TestEncode compares with what is written by hand from the tables of the specification.
func TestEncode(t *testing.T) {
	want := strings.Join([]string{
		"01000000", "4800", // active, 72 bytes of path
		"6600" + "7200" + "6500" + "7300" + "6800" + "7200" + "6f00" + "6f00" + "7400" + "0000",
		"0401" + "2a00" + "01000000" + "0008000000000000" + "0000100000000000",
		"11111111" + "ab89" + "efcd" + "0123456789abcdef" + "02" + "02",
		"0404" + "1a00", "5c00" + "4500" + "4600" + "4900" + "5c00" + "7800" + "2e00" + "6500" + "6600" + "6900" + "0000",
		"7fff" + "0400",
	}, "")
	raw := option(t).Encode()
	if diff := cmp.Diff(want, hex.EncodeToString(raw)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := efivar.ParseLoadOption(append(raw, "what a loader is given"...))
	if diff := cmp.Diff(option(t), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestParseLoadOptionRejects(t *testing.T) {
	raw := option(t).Encode()
	for n := range len(raw) {
		if o, err := efivar.ParseLoadOption(raw[:n]); err == nil {
			t.Errorf("the first %d bytes are %+v", n, o)
		}
	}
	raw[6+20+2] = 3
	if o, err := efivar.ParseLoadOption(raw); err == nil {
		t.Errorf("a node without a header is %+v", o)
	}
}

func TestName(t *testing.T) {
	const name = "Boot00AF-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	if got := efivar.Name(0xaf); got != name {
		t.Errorf("got %s", got)
	}
	if n, ok := efivar.ParseName(name); n != 0xaf || !ok {
		t.Errorf("got %x, %v", n, ok)
	}
	for _, other := range []string{"", efivar.Order, "Boot00af" + name[8:], "BootAF" + name[8:],
		"Boot+0AF" + name[8:], name[:8], "Boot00AF-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"} {
		if n, ok := efivar.ParseName(other); ok {
			t.Errorf("%q is %x", other, n)
		}
	}
}

func TestRegister(t *testing.T) {
	old := option(t)
	other, elsewhere := old, old
	other.Description = "debian"
	elsewhere.Partition.GUID = guid(t, "22222222-89ab-cdef-0123-456789abcdef")
	former := []gpt.GUID{guid(t, espID)}
	for name, tc := range map[string]struct {
		there  map[uint16]efivar.LoadOption
		order  []uint16
		number uint16
		want   []uint16
	}{
		"first":    {nil, nil, 0, []uint16{0}},
		"one more": {map[uint16]efivar.LoadOption{0: other, 1: elsewhere, 5: other}, []uint16{5, 0, 1}, 2, []uint16{2, 5, 0, 1}},
		"again":    {map[uint16]efivar.LoadOption{0: other, 3: old, 4: old}, []uint16{0, 3, 4}, 3, []uint16{3, 0, 4}},
	} {
		number, order, err := efivar.Register(tc.there, tc.order, option(t), former)
		if diff := cmp.Diff(tc.want, order); diff != "" || number != tc.number || err != nil {
			t.Errorf("%s: %d, %v (-want +got):\n%s", name, number, err, diff)
		}
		if diff := cmp.Diff(order, efivar.ParseOrder(append(efivar.EncodeOrder(order), 1))); diff != "" {
			t.Errorf("%s: the order (-written +read):\n%s", name, diff)
		}
	}
	full := map[uint16]efivar.LoadOption{}
	for n := range 1 << 16 {
		full[uint16(n)] = other
	}
	if _, _, err := efivar.Register(full, nil, option(t), former); !errors.Is(err, efivar.ErrFull) {
		t.Errorf("no number is free: %v", err)
	}
}

// FuzzParseLoadOption has to bear what it reads, and reads what it has written.
func FuzzParseLoadOption(f *testing.F) {
	f.Add(option(f).Encode())
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := efivar.ParseLoadOption(raw)
		if err != nil {
			return
		}
		again, err := efivar.ParseLoadOption(o.Encode())
		if diff := cmp.Diff(o, again); diff != "" || err != nil {
			t.Errorf("%v (-first +again):\n%s", err, diff)
		}
	})
}
