package apply

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAlternatives bounds what braces expand to: each pair doubles it.
const maxAlternatives = 4096

// braces expands {a,b} in a pattern, as csh does. "{}" and a brace without its
// counterpart stand for themselves.
func braces(pattern string) ([]string, error) {
	if strings.IndexByte(pattern, '{') < 0 {
		return []string{pattern}, nil
	}
	var done []string
	// The first pair is expanded, and the results are done likewise: pairs may hold
	// others, and the order is that of the shell.
	for todo := []string{pattern}; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		words, rest, open := splitBrace(next)
		if open < 0 {
			done = append(done, next)
		}
		var expanded []string
		for _, word := range words {
			expanded = append(expanded, next[:open]+word+rest)
		}
		todo = append(expanded, todo...)
		if len(done)+len(todo) > maxAlternatives {
			return nil, fmt.Errorf("more than %d alternatives: %w",
				maxAlternatives, unix.E2BIG)
		}
	}
	return done, nil
}

// splitBrace finds the first brace that expands, at open, its words and what is behind
// it. open is -1 if there is none.
func splitBrace(pattern string) (words []string, rest string, open int) {
	for open = 0; open < len(pattern); open++ {
		switch pattern[open] {
		case '\\':
			open++
		case '{':
			if strings.HasPrefix(pattern[open:], "{}") {
				open++
				continue
			}
			if words, rest, ok := braceWords(pattern[open+1:]); ok {
				return words, rest, open
			}
			return nil, "", -1
		}
	}
	return nil, "", -1
}

// braceWords splits at the commas of this level, up to the closing brace.
func braceWords(s string) (words []string, rest string, ok bool) {
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '{':
			depth++
		case s[i] == '}' && depth > 0:
			depth--
		case s[i] == '}':
			return append(words, s[start:i]), s[i+1:], true
		case s[i] == ',' && depth == 0:
			words, start = append(words, s[start:i]), i+1
		}
	}
	return nil, "", false
}

// unescape takes the backslashes out of a component without wildcards.
func unescape(word string) string {
	if strings.IndexByte(word, '\\') < 0 {
		return word
	}
	b := make([]byte, 0, len(word))
	for i := 0; i < len(word); i++ {
		if word[i] == '\\' && i+1 < len(word) {
			i++
		}
		b = append(b, word[i])
	}
	return string(b)
}
