// Package pam tells whether a configuration of Linux-PAM lets in someone who knows no
// password.
//
// It plays the auth stack of a service by the rules of pam.conf(5), with each module
// answering as it would to somebody who can prove nothing: pam_permit succeeds, what
// only prepares has no say, everything else fails. So it does not know modules that
// are not Linux-PAM's own, and no conditions on who comes from where: these fail, too.
// Included files are found by the caller. It needs no privileges.
package pam

import "strings"

// Read returns the file of a service.
type Read func(service string) (text string, ok bool)

// maxFiles bounds the files that include each other.
const maxFiles = 100

// LetsIn says whether the auth stack of a service lets anyone in. A service without
// one does not: PAM asks the service "other" in its place.
func LetsIn(service string, read Read) bool {
	p := player{read: read}
	p.file(service)
	return p.judged && p.good
}

// player is the state of a stack that is played: whether there is an opinion, and
// which.
type player struct {
	read   Read
	files  int
	judged bool // not the case: all modules were ignored
	bad    bool // something failed that had to succeed: final
	good   bool
}

// file plays the auth lines of a file, and says whether the stack is at its end.
func (p *player) file(service string) (ended bool) {
	text, ok := p.read(service)
	if p.files++; !ok || p.files > maxFiles {
		return false
	}
	skip := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		l, ok := parse(line)
		switch {
		case !ok:
		case skip > 0:
			skip--
		case l.control == "include":
			ended = p.file(l.module)
		case l.control == "substack":
			p.file(l.module)
		default:
			skip, ended = p.module(l)
		}
		if ended {
			return true
		}
	}
	return false
}

// module plays one module: what it answers, and what is done then.
func (p *player) module(l line) (skip int, ended bool) {
	answer := answerOf(l)
	switch action := l.action(answer); action {
	case "ignore":
	case "ok", "done":
		// An answer counts as long as nothing has failed before.
		if answer != ignored && !p.bad && (!p.judged || p.good) {
			p.judged, p.good = true, answer == success
		}
		ended = action == "done" && p.judged && !p.bad
	case "bad", "die": // nothing that comes later makes it good again
		p.judged, p.bad, p.good = true, true, false
		ended = action == "die"
	case "reset":
		p.judged, p.bad, p.good = false, false, false
	default:
		skip = number(action)
	}
	return skip, ended
}

// number is how many lines to skip; what is no number skips none. It is bounded long
// before it overflows: no file has so many lines.
func number(s string) (n int) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > 1000 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// What a module answers, by the names that a control in brackets uses.
const (
	success = "success"
	failure = "auth_err"
	ignored = "ignore"
)

// answers of modules to somebody without a password; all others fail.
var answers = map[string]string{
	"pam_permit": success, "pam_securetty": success, "pam_shells": success,
	"pam_localuser": success, "pam_usertype": success, "pam_faildelay": ignored,
	"pam_env": ignored, "pam_nologin": ignored, "pam_issue": ignored,
	"pam_group": ignored, "pam_echo": ignored, "pam_warn": ignored,
	"pam_keyinit": ignored, "pam_cap": ignored, "pam_selinux": ignored,
	"pam_gnome_keyring": ignored, "pam_kwallet5": ignored, "pam_mount": ignored,
	"pam_tally2": ignored,
}

// answerOf is what the module of a line answers, which may be named by its path.
func answerOf(l line) string {
	name := strings.TrimSuffix(l.module[strings.LastIndexByte(l.module, '/')+1:], ".so")
	if name == "pam_faillock" && strings.Contains(l.args, "preauth") {
		return ignored
	}
	if answer, ok := answers[name]; ok {
		return answer
	}
	return failure
}

// line is an auth line.
type line struct{ control, module, args string }

// parse reads a line of a file in pam.d, if it is of the auth stack.
func parse(text string) (line, bool) {
	text, _, _ = strings.Cut(text, "#")
	text = strings.TrimSpace(text)
	kind, rest := cut(text)
	if kind == "@include" {
		return line{control: "include", module: rest}, rest != ""
	}
	if !strings.EqualFold(strings.TrimPrefix(kind, "-"), "auth") {
		return line{}, false
	}
	var l line
	if strings.HasPrefix(rest, "[") {
		l.control, rest, _ = strings.Cut(rest[1:], "]")
	} else {
		l.control, rest = cut(rest)
		l.control = strings.ToLower(l.control)
	}
	l.module, l.args = cut(strings.TrimSpace(rest))
	return l, l.module != ""
}

// cut takes the first word off.
func cut(s string) (word, rest string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// simple controls, in brackets.
var simple = map[string]string{
	"required":   "success=ok new_authtok_reqd=ok ignore=ignore default=bad",
	"requisite":  "success=ok new_authtok_reqd=ok ignore=ignore default=die",
	"sufficient": "success=done new_authtok_reqd=done default=ignore",
	"optional":   "success=ok new_authtok_reqd=ok default=ignore",
}

// action is what the control says is done when the module answers so.
func (l line) action(answer string) string {
	control := l.control
	if long, ok := simple[control]; ok {
		control = long
	}
	// What is not mentioned is bad, but for an answer that is to be ignored.
	otherwise := "bad"
	if answer == ignored {
		otherwise = "ignore"
	}
	for _, pair := range strings.Fields(control) {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case answer:
			return value
		case "default":
			if answer != ignored {
				otherwise = value
			}
		}
	}
	return otherwise
}
