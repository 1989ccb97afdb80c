package acl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Rule is an entry as text says it.
type Rule struct {
	Entry
	Name    string // of the user or group, if the text has no number: ID is not known
	Default bool   // it is for what is made in a directory
	// IfExecutable says that Execute is only meant for directories, and for files that
	// someone may execute already (a capital X). Default rules do not have it.
	IfExecutable bool
}

// Parse reads rules as "u:ada:rwX,d:g:adm:r-x,m::r", of which empty ones are left out.
// Tags may be written out, as in "default:user:ada:rwx". If one is wrong, none is
// returned.
func Parse(text string) ([]Rule, error) {
	var rules []Rule
	for field := range strings.SplitSeq(text, ",") {
		if field == "" {
			continue
		}
		r, err := parseRule(field)
		if err != nil {
			return nil, fmt.Errorf("access control list %q: %w", field, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// parseRule reads one rule. Blanks around its fields mean nothing, as for setfacl(1).
func parseRule(text string) (Rule, error) {
	f := strings.Split(text, ":")
	var r Rule
	if len(f) == 4 {
		if r.Default = f[0] == "d" || f[0] == "default"; !r.Default {
			return Rule{}, errors.New(`what precedes the tag is not "default"`)
		}
		f = f[1:]
	}
	if len(f) != 3 {
		return Rule{}, errors.New("not TAG:NAME:PERMISSIONS")
	}
	name := unquote(strings.TrimSpace(f[1]))
	if err := r.parseTag(strings.TrimSpace(f[0]), name); err != nil {
		return Rule{}, err
	}
	r.IfExecutable = !r.Default && strings.Contains(f[2], "X")
	var err error
	r.Perm, err = parsePerm(strings.ReplaceAll(strings.TrimSpace(f[2]), "X", "x"))
	return r, err
}

// parseTag reads the tag, which is another one with a name than without.
func (r *Rule) parseTag(tag, name string) error {
	r.ID = NoID
	switch tag {
	case "u", "user":
		r.Tag = UserObj
	case "g", "group":
		r.Tag = GroupObj
	case "m", "mask":
		r.Tag = Mask
	case "o", "other":
		r.Tag = Other
	default:
		return fmt.Errorf("unknown tag %q", tag)
	}
	if name == "" {
		return nil
	}
	if r.Tag&(Mask|Other) != 0 {
		return fmt.Errorf("tag %q takes no name", tag)
	}
	// The tag with a name is the next one: UserObj becomes User.
	r.Tag <<= 1
	id, err := strconv.ParseUint(name, 0, 32)
	if err != nil || strings.Contains(name, "_") {
		r.Name = name
		return nil
	}
	r.ID = uint32(id)
	return nil
}

// parsePerm reads one to three letters, each once, or "-". Their order does not matter.
func parsePerm(s string) (perm uint8, err error) {
	if s == "" || len(s) > 3 {
		return 0, fmt.Errorf("invalid permissions %q", s)
	}
	for i := range len(s) {
		at := strings.IndexByte("xwr-", s[i])
		if at < 0 || at < 3 && perm&(1<<at) != 0 {
			return 0, fmt.Errorf("invalid permissions %q", s)
		}
		if at < 3 {
			perm |= 1 << at
		}
	}
	return perm, nil
}

// unquote undoes \ooo escapes, which names may have: acl_to_text(3) writes a backslash in
// one, as in DOMAIN\user, like that. Other backslashes stand for themselves.
func unquote(s string) string {
	var b strings.Builder
	for {
		plain, after, found := strings.Cut(s, `\`)
		b.WriteString(plain)
		if !found {
			return b.String()
		}
		s = after
		if len(s) >= 3 {
			if c, err := strconv.ParseUint(s[:3], 8, 8); err == nil {
				b.WriteByte(byte(c))
				s = s[3:]
				continue
			}
		}
		b.WriteByte('\\')
	}
}
