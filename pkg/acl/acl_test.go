package acl_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/acl"
)

const rwx = acl.Read | acl.Write | acl.Execute

func rule(tag acl.Tag, id uint32, perm uint8) acl.Rule {
	return acl.Rule{Entry: acl.Entry{Tag: tag, ID: id, Perm: perm}}
}

func named(tag acl.Tag, name string, perm uint8) acl.Rule {
	r := rule(tag, acl.NoID, perm)
	r.Name = name
	return r
}

func TestParse(t *testing.T) {
	conditional := named(acl.Group, "adm", acl.Read|acl.Execute)
	conditional.IfExecutable = true
	inherited := named(acl.Group, "wheel", acl.Read|acl.Execute)
	inherited.Default = true
	for text, want := range map[string][]acl.Rule{
		"":             nil,
		",":            nil,
		"u::rwx":       {rule(acl.UserObj, acl.NoID, rwx)},
		"user:ada:rw-": {named(acl.User, "ada", acl.Read|acl.Write)},
		"u:1000:r":     {rule(acl.User, 1000, acl.Read)},
		"g:0x10:w":     {rule(acl.Group, 16, acl.Write)},
		"g::-,m::x,other::---": {
			rule(acl.GroupObj, acl.NoID, 0), rule(acl.Mask, acl.NoID, acl.Execute),
			rule(acl.Other, acl.NoID, 0),
		},
		"group:adm:r-X":         {conditional},
		"d:group:wheel:r-x":     {inherited},
		"default:g:wheel:rX":    {inherited},
		" u : ada : r ,, o::x ": {named(acl.User, "ada", acl.Read), rule(acl.Other, acl.NoID, acl.Execute)},
		`u:DOM\134ada:r`:        {named(acl.User, `DOM\ada`, acl.Read)},
		`u:a\b:r`:               {named(acl.User, `a\b`, acl.Read)},
		"u:1_0:r":               {named(acl.User, "1_0", acl.Read)},
	} {
		got, err := acl.Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{
		"u", "u:ada", "u:ada:", "u:ada:rwxr", "u:ada:rr", "u:ada:q", "x::r", ":ada:r",
		"m:ada:r", "o:0:r", "e:u:ada:r", "d:d:u:ada:r", "u::r,z", "u:ada:rxX",
	} {
		if got, err := acl.Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestLists(t *testing.T) {
	base := acl.FromMode(0o754)
	for name, tc := range map[string]struct{ got, want acl.List }{
		"mode": {base, acl.List{
			{acl.UserObj, acl.NoID, 7}, {acl.GroupObj, acl.NoID, 5}, {acl.Other, acl.NoID, 4},
		}},
		"merge": {
			base.Merge(acl.List{{acl.Other, acl.NoID, 0}, {acl.User, 5, 6}, {acl.User, 6, 4}}).
				Merge(acl.List{{acl.User, 5, 2}}),
			acl.List{
				{acl.UserObj, acl.NoID, 7}, {acl.GroupObj, acl.NoID, 5}, {acl.Other, acl.NoID, 0},
				{acl.User, 5, 2}, {acl.User, 6, 4},
			},
		},
		"mask": {
			acl.List{{acl.User, 5, 2}, {acl.GroupObj, acl.NoID, 1}, {acl.Other, acl.NoID, 4}}.WithMask(),
			acl.List{
				{acl.User, 5, 2}, {acl.GroupObj, acl.NoID, 1}, {acl.Other, acl.NoID, 4},
				{acl.Mask, acl.NoID, 3},
			},
		},
		"has a mask": {
			acl.List{{acl.User, 5, 2}, {acl.Mask, acl.NoID, 0}}.WithMask(),
			acl.List{{acl.User, 5, 2}, {acl.Mask, acl.NoID, 0}},
		},
		"needs none": {base.WithMask(), base},
		"complete":   {base.WithBase(0), base},
		"with base": {
			acl.List{{acl.UserObj, acl.NoID, 1}}.WithBase(0o754),
			acl.List{{acl.UserObj, acl.NoID, 1}, base[1], base[2]},
		},
		"original kept": {base, acl.FromMode(0o754)},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if !base.Executable(acl.UserObj) || base.Executable(acl.Other|acl.User) {
		t.Errorf("Executable is wrong for %v", base)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, b := range []string{"", "\x02\x00\x00", "\x01\x00\x00\x00", "\x02\x00\x00\x00\x01"} {
		if got, err := acl.Decode([]byte(b)); !errors.Is(err, acl.ErrFormat) {
			t.Errorf("Decode(%q) = %v, %v", b, got, err)
		}
	}
}

// TestIntegrationKernel has the kernel take a list and give it back.
func TestIntegrationKernel(t *testing.T) {
	dir := testfs.Tmpfs(t, "size=1m")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	want := acl.FromMode(0o640).Merge(acl.List{{acl.User, 7, rwx}, {acl.User, 3, acl.Read}}).WithMask()
	if err := unix.Setxattr(file, "system.posix_acl_access", want.Encode(), 0); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 256)
	n, err := unix.Getxattr(file, "system.posix_acl_access", b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := acl.Decode(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Encode(), got.Encode()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"u::rwx,d:g:adm:rX", `u:\134:r`, ":::", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		rules, err := acl.Parse(s)
		if err != nil && rules != nil {
			t.Errorf("Parse(%q) = %v, %v", s, rules, err)
		}
		for _, r := range rules {
			if r.Perm > rwx || (r.Name != "" || r.ID != acl.NoID) && r.Tag&(acl.User|acl.Group) == 0 {
				t.Errorf("Parse(%q) has %+v", s, r)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(acl.FromMode(0o755).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := acl.Decode(b)
		if err != nil {
			return
		}
		again, err := acl.Decode(l.Encode())
		if err != nil || len(again) != len(l) {
			t.Errorf("%v became %v, %v", l, again, err)
		}
	})
}
