package sysusers

import "slices"

// The shells of those who are given none. Root gets what people expect, if it is there.
const (
	nologin      = "/usr/sbin/nologin"
	rootShell    = "/bin/bash"
	minimumShell = "/bin/sh"
)

// nologins let nobody in, wherever a distribution has them.
var nologins = []string{
	"/bin/nologin", "/sbin/nologin", "/usr/bin/nologin", "/usr/sbin/nologin",
	"/bin/false", "/usr/bin/false", "/bin/true", "/usr/bin/true",
}

// shell returns the shell that a user is given.
func (c *Config) shell(i *item) string {
	// Only of root can it be assumed that somebody logs in.
	if shell := i.field(fieldShell); shell != "" {
		return shell
	}
	if !i.uidSet || i.uid != 0 {
		return nologin
	}
	if c.same(rootShell, rootShell) {
		return rootShell
	}
	return minimumShell
}

// sameShell says that it does not matter which of two shells is given.
func (c *Config) sameShell(a, b string) bool {
	if a == b || slices.Contains(nologins, a) && slices.Contains(nologins, b) {
		return true
	}
	return c.same(a, b)
}

// same asks the root, which a test may not have.
func (c *Config) same(a, b string) bool { return c.root.Same != nil && c.root.Same(a, b) }
