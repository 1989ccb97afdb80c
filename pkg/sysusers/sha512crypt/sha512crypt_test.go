package sha512crypt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/sysusers/sha512crypt"
)

// TestSalted compares with OpenSSL, which has code of its own for it.
func TestSalted(t *testing.T) {
	testfs.Tool(t, "openssl")
	for _, c := range []struct{ password, salt string }{
		{"Hello world!", "saltstring"},
		{"a", "x"},
		{"ünicode, and a long one " + strings.Repeat("0123456789", 10), "sixteen.letters/"},
		{strings.Repeat("b", 64), "0"},
		{strings.Repeat("c", 65), "ABCDEFGH"},
		{strings.Repeat("d", 127), "ABCDEFGHIJKLMNOPQRST"},
	} {
		want := testfs.Run(t, "openssl", "passwd", "-6", "-salt", c.salt, c.password)
		got := sha512crypt.Salted(c.password, c.salt) + "\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q with %q (-want +got):\n%s", c.password, c.salt, diff)
		}
	}
}

// The example of the specification that leaves the number of rounds away.
func TestSpecification(t *testing.T) {
	want := "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI" +
		"FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
	if diff := cmp.Diff(want, sha512crypt.Salted("Hello world!", "saltstring")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHash(t *testing.T) {
	a, err := sha512crypt.Hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	b, err := sha512crypt.Hash("secret")
	if err != nil {
		t.Fatal(err)
	}
	if a == b {
		t.Errorf("two hashes of one password are the same: %s", a)
	}
	salt := strings.Split(a, "$")[2]
	if diff := cmp.Diff(sha512crypt.Salted("secret", salt), a); diff != "" {
		t.Errorf("hash with its own salt (-want +got):\n%s", diff)
	}
}
