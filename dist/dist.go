// Package dist has the units for systemd and the scripts for other inits, which belong
// into an OS beside the tool.
package dist

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Systemd has the units, below systemd/.
//
//go:embed systemd
var Systemd embed.FS

// Sysv has the scripts, below sysv/: in the style of sysvinit, to be started last.
//
//go:embed sysv
var Sysv embed.FS

// Links returns the symbolic links that have an init start and stop the script of a name
// in init.d, by their paths, for the init that the directory etc of a tree is for: OpenRC,
// sysvinit or, with the rcS of Buildroot, busybox. For another one there are none.
func Links(tree fs.FS, etc, script string) map[string]string {
	has := func(name string) bool {
		_, err := fs.Stat(tree, path.Join(etc, name))
		return err == nil
	}
	links := map[string]string{}
	switch {
	case has("runlevels/default"):
		links[path.Join(etc, "runlevels/default", script)] = "/etc/init.d/" + script
	case has("rc2.d"):
		for _, runlevel := range []string{"2", "3", "4", "5"} {
			links[path.Join(etc, "rc"+runlevel+".d/S99"+script)] = "../init.d/" + script
		}
		for _, runlevel := range []string{"0", "6"} { // halt, reboot
			links[path.Join(etc, "rc"+runlevel+".d/K01"+script)] = "../init.d/" + script
		}
	case has("init.d/rcS"):
		links[path.Join(etc, "init.d/S99"+script)] = script
	}
	return links
}

// InitdOrder are the files in init.d that tell startpar(8) what to start before what, and
// what to stop, where a sysvinit has them. With them, links alone start nothing.
var InitdOrder = []string{".depend.start", ".depend.stop"}

// Order adds a script to the text of such a file: it starts last, and stops before all
// processes are killed. That is what insserv(8) makes of its header.
func Order(name, text, script string) string {
	const targets = "TARGETS ="
	others := ""
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if list, ok := strings.CutPrefix(line, targets); ok {
			others = list
			lines[i] = line + " " + script
		}
	}
	after := script + ":" + others
	if name == ".depend.stop" {
		after = "sendsigs: " + script
	}
	return strings.Join(append(lines, after), "\n") + "\n"
}
