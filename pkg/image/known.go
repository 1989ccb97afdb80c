package image

import "strings"

// knownError is an error that calls files what people do.
type knownError struct {
	error
	text string
}

// Error has other names.
func (e *knownError) Error() string { return e.text }

// Unwrap returns the error with the names that the program has used.
func (e *knownError) Unwrap() error { return e.error }

// known replaces names in the text of an error: paths of descriptors, which say nothing to
// anybody when the program has ended. They are given in pairs, the old and the new one.
func known(err error, pairs ...string) error {
	return &knownError{err, strings.NewReplacer(pairs...).Replace(err.Error())}
}
