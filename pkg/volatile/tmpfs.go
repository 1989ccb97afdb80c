package volatile

import (
	"strings"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// tmpfsDefaults are systemd's limits for a volatile root: a quarter of the RAM,
// and a million files.
var tmpfsDefaults = []string{"size=25%", "nr_inodes=1m"}

// tmpfsKeys are the mount options of tmpfs(5) that limit it, each with what may
// follow the number. The rest would be no limits, or the kernel might refuse the
// mount, and an option must never stop a boot.
var tmpfsKeys = map[string]string{
	"size":      "kmgKMG%",
	"nr_blocks": "kmgKMG",
	"nr_inodes": "kmgKMG",
}

func readTmpfs(o *Options, p cmdline.Param) ([]string, bool) {
	parts := strings.Split(p.Value, ",")
	for _, part := range parts {
		if !validTmpfs(part) {
			return []string{"limits as in " + prefix + "tmpfs=" + joinTmpfs(nil)}, false
		}
	}
	o.Tmpfs = joinTmpfs(parts)
	return nil, true
}

func validTmpfs(option string) bool {
	key, value, _ := strings.Cut(option, "=")
	units, known := tmpfsKeys[key]
	if !known || value == "" {
		return false
	}
	if strings.IndexByte(units, value[len(value)-1]) >= 0 {
		value = value[:len(value)-1]
	}
	return value != "" && len(value) <= 18 && strings.Trim(value, "0123456789") == ""
}

// joinTmpfs returns the options for mount(2), the defaults first: the kernel lets
// the last one win, but says "size" and "nr_blocks" of the same limit.
func joinTmpfs(parts []string) string {
	options := make([]string, 0, 4)
	for _, d := range tmpfsDefaults {
		if key, _, _ := strings.Cut(d, "="); !overridden(key, parts) {
			options = append(options, d)
		}
	}
	return strings.Join(append(options, parts...), ",")
}

func overridden(key string, parts []string) bool {
	for _, part := range parts {
		other, _, _ := strings.Cut(part, "=")
		if other == key || key == "size" && other == "nr_blocks" {
			return true
		}
	}
	return false
}
