package pam_test

import (
	"strings"
	"testing"

	"github.com/freshroot/freshroot/pkg/golden/pam"
)

func read(files map[string]string) pam.Read {
	return func(name string) (string, bool) {
		text, ok := files[name]
		return text, ok
	}
}

const debian = `auth	[success=1 default=ignore]	pam_unix.so nullok
auth	requisite			pam_deny.so
auth	required			pam_permit.so
`

const fedora = `auth required pam_env.so
auth required pam_faildelay.so delay=2000000
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth [default=1 ignore=ignore success=ok] pam_localuser.so
auth sufficient pam_unix.so nullok
auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular
auth sufficient pam_sss.so forward_pass
auth required pam_deny.so
`

func TestLetsIn(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want bool
	}{
		"nothing":              {"", false},
		"other stacks":         {"account required pam_permit.so\nsession required pam_permit.so", false},
		"permit":               {"auth required pam_permit.so", true},
		"permit with a path":   {"AUTH\tRequired  /usr/lib/security/pam_permit.so # all", true},
		"permit, optional":     {"auth optional pam_permit.so", true},
		"optional dash":        {"-auth sufficient pam_permit.so", true},
		"a comment":            {"# auth required pam_permit.so", false},
		"unix":                 {"auth required pam_unix.so", false},
		"only sufficient":      {"auth sufficient pam_unix.so", false},
		"sufficient, permit":   {"auth sufficient pam_unix.so\nauth required pam_permit.so", true},
		"required, permit":     {"auth required pam_unix.so\nauth required pam_permit.so", false},
		"required, sufficient": {"auth required pam_unix.so\nauth sufficient pam_permit.so", false},
		"sufficient first":     {"auth sufficient pam_permit.so\nauth required pam_unix.so", true},
		"optional unix":        {"auth required pam_securetty.so\nauth optional pam_unix.so", true},
		"debian":               {debian, false},
		"debian, broken jump":  {strings.Replace(debian, "default=ignore", "default=1", 1), true},
		"debian without deny":  {strings.Replace(debian, "pam_deny", "pam_faildelay", 1), true},
		"fedora":               {fedora, false},
		"fedora without deny":  {strings.Replace(fedora, "auth required pam_deny.so", "", 1), true},
		"included":             {"@include debian", false},
		"included, then more":  {"@include debian\nauth sufficient pam_permit.so", false},
		"included permit":      {"auth include open", true},
		"substack":             {"auth substack open\nauth required pam_deny.so", false},
		"substack that ends":   {"auth substack done\nauth required pam_deny.so", false},
		"include that ends":    {"auth include done\nauth required pam_deny.so", true},
		"includes itself":      {"@include self\nauth required pam_unix.so", false},
		"missing file":         {"@include nothing", false},
		"continued line":       {"auth \\\n required \\\n pam_permit.so", true},
		"reset":                {"auth [default=bad] pam_unix.so\nauth [success=reset] pam_permit.so\nauth required pam_permit.so", true},
		"die":                  {"auth [default=die] pam_unix.so\nauth required pam_permit.so", false},
		"jump over all":        {"auth [default=9] pam_unix.so\nauth required pam_permit.so", false},
		"no such jump":         {"auth [default=99999999999999999999] pam_unix.so", false},
		"rootok":               {"auth sufficient pam_rootok.so\n@include debian", false},
		"faillock":             {"auth required pam_faillock.so preauth\nauth sufficient pam_unix.so", false},
	} {
		files := map[string]string{
			"test": test.text, "self": test.text, "debian": debian,
			"open": "auth required pam_permit.so", "done": "auth sufficient pam_permit.so",
		}
		if got := pam.LetsIn("test", read(files)); got != test.want {
			t.Errorf("%s: lets in anyone: %t, want %t", name, got, test.want)
		}
	}
}

// Nothing makes it panic or run for ever, and what is denied at the end of a stack
// that nothing ends before is denied.
func FuzzLetsIn(f *testing.F) {
	f.Add(debian)
	f.Add(fedora)
	f.Add("auth [ a=1 b] x\n@include test")
	f.Fuzz(func(t *testing.T, text string) {
		pam.LetsIn("test", read(map[string]string{"test": text}))
		denied := "auth requisite pam_deny.so\n" + text
		if pam.LetsIn("test", read(map[string]string{"test": denied})) {
			t.Errorf("lets in anyone:\n%s", denied)
		}
	})
}
