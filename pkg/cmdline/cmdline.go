// Package cmdline splits a kernel command line into its parameters.
//
// The grammar is that of the kernel's next_arg (lib/cmdline.c) and of its
// document kernel-parameters: white space separates, double quotes protect
// spaces, "-" and "_" in keys are the same, and what follows "--" is for the
// init of the OS. Order and repetitions are kept: what they mean is for the
// reader of a key to say. The package is pure.
package cmdline

import "strings"

// Param is one parameter.
type Param struct {
	Key      string
	Value    string
	HasValue bool // "key=" has one, "key" has none
}

// Params are the parameters of a command line in their order.
type Params []Param

// Parse splits a command line. Any text is a command line.
func Parse(line string) Params {
	var params Params
	for rest := line; ; {
		var word string
		word, rest = nextWord(rest)
		if word == "" || word == "--" {
			return params
		}
		params = append(params, parseWord(word))
	}
}

// nextWord returns the next word, quotes and all; it is empty at the end.
func nextWord(line string) (word, rest string) {
	line = strings.TrimLeft(line, space)
	quoted := false
	for i := range len(line) {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(space, line[i]) >= 0:
			return line[:i], line[i:]
		}
	}
	return line, ""
}

const space = " \t\n\v\f\r"

// parseWord takes the quotes off: around the whole word, or around its value.
func parseWord(word string) Param {
	if inner, ok := strings.CutPrefix(word, `"`); ok {
		word = strings.TrimSuffix(inner, `"`)
	}
	key, value, hasValue := strings.Cut(word, "=")
	if inner, ok := strings.CutPrefix(value, `"`); ok {
		value = strings.TrimSuffix(inner, `"`)
	}
	return Param{Key: key, Value: value, HasValue: hasValue}
}

// SameKey says whether two keys are one to the kernel.
func SameKey(a, b string) bool {
	return len(a) == len(b) && normal(a) == normal(b)
}

func normal(key string) string { return strings.ReplaceAll(key, "-", "_") }

// Last returns the last parameter with one of these keys: later ones win.
func (p Params) Last(keys ...string) (Param, bool) {
	for i := len(p) - 1; i >= 0; i-- {
		for _, key := range keys {
			if SameKey(p[i].Key, key) {
				return p[i], true
			}
		}
	}
	return Param{}, false
}

// Module returns the parameters of a kernel module ("btrfs.debug=1") as
// finit_module(2) wants them: separated by spaces, quoted where needed.
func (p Params) Module(name string) string {
	var words []string
	for _, param := range p {
		module, key, ok := strings.Cut(param.Key, ".")
		if !ok || !SameKey(module, name) {
			continue
		}
		if param.HasValue {
			key += "=" + quote(param.Value)
		}
		words = append(words, key)
	}
	return strings.Join(words, " ")
}

func quote(value string) string {
	if strings.ContainsAny(value, space) {
		return `"` + value + `"`
	}
	return value
}
