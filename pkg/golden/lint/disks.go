package lint

import (
	"fmt"
	"strings"
)

// checkDisks wants no disk in fstab that has to be there.
func checkDisks(t *tree) (found []Finding) {
	for line := range strings.Lines(string(t.text("etc/fstab"))) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.HasPrefix(fields[0], "#") || !isDisk(fields[0]) ||
			optional(fields[3]) {
			continue
		}
		f := Finding{
			Severity: Warning, Path: "etc/fstab",
			What: fmt.Sprintf("%q has to be there for %q", fields[0], fields[1]),
			Why:  "without it systemd waits 90 seconds, and ends in an emergency shell",
			Do:   "remove the line, or add nofail to its options",
		}
		if fields[1] == "/" || fields[1] == "/usr" {
			f.Severity = Error
			f.Why = "the initramfs mounts it; systemd would check and remount this"
			f.Do = "remove the line"
		}
		found = append(found, f)
	}
	return found
}

// optional says that the options of a mount let the boot go on without it.
func optional(options string) bool {
	return strings.Contains(options, "nofail") || strings.Contains(options, "noauto")
}

// isDisk says that a source is one that a machine has or has not.
func isDisk(source string) bool {
	return strings.HasPrefix(source, "/dev/") || hasPrefix(source,
		[]string{"UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=", "ID="})
}
