package source

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/acl"
)

func TestXattrs(t *testing.T) {
	list := acl.List{{Tag: acl.UserObj, ID: acl.NoID, Perm: 6}, {Tag: acl.User, ID: 7, Perm: 4}}
	const name = "system.posix_acl_access"
	encoded := string(list.Encode())
	tests := []struct {
		name    string
		records map[string]string
		want    map[string]string // nil: an error
	}{
		{"none", map[string]string{"path": "x", "SCHILY.xattr": "y"}, map[string]string{}},
		{"quoted", map[string]string{"SCHILY.xattr.user.a%3Db%25c": "v\x00"}, map[string]string{"user.a=b%c": "v\x00"}},
		{"tar's", map[string]string{"SCHILY.acl.access": "user::rw-\nuser:7:r--\t#effective:r--\n"}, map[string]string{name: encoded}},
		{"star's", map[string]string{"SCHILY.acl.access": "user::rw-,user:lp:r--:7"}, map[string]string{name: encoded}},
		{"names", map[string]string{"SCHILY.acl.access": "user:lp:r--"}, nil},
		{"no list", map[string]string{"SCHILY.acl.access": "whatever"}, nil},
		{"both", map[string]string{"SCHILY.acl.access": "user:lp:r--", "SCHILY.xattr." + name: encoded}, map[string]string{name: encoded}},
		{"a label", map[string]string{"RHT.security.selinux": "u:r:t"}, map[string]string{"security.selinux": "u:r:t"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := xattrs(test.records)
			if (err != nil) != (test.want == nil) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzACL(f *testing.F) {
	f.Add("user::rw-\nuser:7:r--\t#effective:r--\n")
	f.Add("default:user:a:rwx:9,mask::r")
	f.Fuzz(func(t *testing.T, text string) {
		value, err := encodeACL(text)
		if err != nil {
			return
		}
		list, err := acl.Decode([]byte(value))
		if err != nil || len(list) > len(text) {
			t.Errorf("%q became %v (%v)", text, list, err)
		}
	})
}

func FuzzKind(f *testing.F) {
	f.Add([]byte("hsqs"))
	f.Add([]byte(strings.Repeat("\x00", 257) + "ustar"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if kind := kindOf(head); kind == Tar {
			kindOfTar(head)
		}
	})
}
