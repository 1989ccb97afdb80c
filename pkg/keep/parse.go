package keep

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/freshroot/freshroot/pkg/dropin"
	"github.com/freshroot/freshroot/pkg/words"
)

// What a hostile file may ask for.
const (
	maxFile  = 1 << 20 // bytes
	maxRules = 4096
	maxPath  = 4096 // bytes, as PATH_MAX has it
)

// forbidden are the directories where nothing can be kept, with the reason. Those after
// usr are links into it on a usr-merged system: a path by way of them is refused as well.
var forbidden = []struct{ why, names string }{
	{"belongs to the golden master", "usr bin sbin lib lib32 lib64 libx32"},
	{"belongs to the running kernel", "proc sys dev run"},
}

// Load reads the rules of a root: those that are built in, then those of its files. The
// errors tell what was left out; none of them makes the rules useless.
func Load(root fs.FS) (Rules, []error) {
	rules := Defaults()
	files, err := dropin.Files(root, "freshroot/keep.d", ".conf")
	var problems []error
	if err != nil {
		problems = append(problems, err)
	}
	for _, f := range files {
		text, err := readFile(root, f.Path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		more, bad := Parse("/"+f.Path, text)
		rules = append(rules, more...)
		problems = append(problems, bad...)
	}
	if len(rules) > maxRules {
		// Those that are left out have the highest precedence, which cannot be helped:
		// somebody wants to see how much memory there is.
		rules = rules[:maxRules]
		problems = append(problems, fmt.Errorf("read keep list: over %d lines", maxRules))
	}
	return rules, problems
}

// readFile reads a file of the size that people write, or none.
func readFile(root fs.FS, name string) (string, error) {
	text, err := fs.ReadFile(root, name)
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	if err != nil {
		return "", fmt.Errorf("read keep list %q: %w", name, err)
	}
	return string(text), nil
}

// Parse reads the text of a file. A line that cannot be used is left out, and the
// error says "file:line: cause".
func Parse(file, text string) (rules Rules, problems []error) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		rule, err := parseLine(line)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", file, number, err))
			continue
		}
		rule.File, rule.Line = file, number
		rules = append(rules, rule)
	}
	return rules, problems
}

// parseLine reads what is left of a line without comments and space around it.
func parseLine(line string) (r Rule, err error) {
	// The path, the scopes, and one more to see that there are too many.
	fields, rest, err := words.Fields(line, len(scopes)+2, words.Unquote)
	if err != nil {
		return r, err
	}
	if rest != "" || len(fields) > len(scopes)+1 {
		return r, errors.New("too many words")
	}
	name := fields[0] // a line that is not empty has one
	name, r.Cancel = strings.CutPrefix(name, "!")
	if err := check(name); err != nil {
		return r, fmt.Errorf("path %q %w", name, err)
	}
	r.Dir = strings.HasSuffix(name, "/")
	r.Pattern = path.Clean(name)
	r.Scopes, err = parseScopes(fields[1:])
	switch {
	case err != nil:
		return r, err
	case r.Scopes == 0 && !r.Cancel:
		return r, fmt.Errorf("no scope, known are %s", all)
	case r.Scopes == 0:
		r.Scopes = all
	}
	if !r.Cancel && r.Scopes&Reset != 0 && slices.Contains(resetParts, r.Pattern) {
		return r, fmt.Errorf("path %q is what a reset throws away: name what is in it", name)
	}
	return r, nil
}

// resetParts are those that a reset replaces as a whole, and so cannot spare.
var resetParts = []string{"/etc", "/var"}

// parseScopes collects scopes. One that is not known spoils the line: it may be a typing
// error, and what it was meant to save would be lost with the next event.
func parseScopes(fields []string) (set Scope, err error) {
	for _, word := range fields {
		scope := scopeOf(word)
		if scope == 0 {
			return 0, fmt.Errorf("scope %q is not known, known are %s", word, all)
		}
		set |= scope
	}
	return set, nil
}

// scopeOf returns 0 for a word that is no scope.
func scopeOf(word string) Scope {
	for _, known := range scopes {
		if known.word == word {
			return known.scope
		}
	}
	return 0
}

// check says why a path cannot be kept.
func check(name string) error {
	parts := split(name)
	switch {
	case !strings.HasPrefix(name, "/"):
		return errors.New("is relative")
	case len(name) > maxPath:
		return fmt.Errorf("is longer than %d bytes", maxPath)
	case strings.Contains(name, "\x00"):
		return errors.New("has a zero byte")
	case slices.Contains(strings.Split(name, "/"), ".."):
		return errors.New(`has ".."`)
	case len(parts) == 0:
		return errors.New("is the root, of which all would be kept")
	case strings.ContainsAny(parts[0], `*?[\`):
		return errors.New("begins with a pattern, which would match /usr")
	}
	for _, f := range forbidden {
		if slices.Contains(strings.Fields(f.names), parts[0]) {
			return errors.New(f.why)
		}
	}
	return checkPatterns(parts)
}

// checkPatterns finds out here what matching could not tell anybody.
func checkPatterns(parts []string) error {
	for _, part := range parts {
		// path.Match takes [!...] for a set with "!" in it: people who know the shell
		// would keep the opposite of what they wanted.
		switch _, err := path.Match(part, ""); {
		case strings.Contains(part, "[!"):
			return errors.New("has [!...]: write [^...]")
		case part != deep && strings.Contains(part, deep):
			return errors.New("has ** beside other characters")
		case err != nil:
			return errors.New("has a bad pattern")
		}
	}
	return nil
}
