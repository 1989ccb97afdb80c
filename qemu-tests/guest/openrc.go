package guest

import _ "embed"

//go:embed openrc-console.sh
var openrcConsole string

// openrc is a Debian that knows nothing of systemd.
var openrc = flavour{
	name:     "openrc",
	packages: "sysvinit-core,initscripts,openrc,dbus,kmod,usr-is-merged",
	files: []file{
		{"usr/lib/guest/report.sh", 0o644, reportScript},
		{"usr/lib/guest/openrc-console.sh", 0o644, openrcConsole},
		// Colours on the console cost a dozen processes a line.
		{"usr/share/factory/etc/lsb-base-logging.sh", 0o644, "FANCYTTY=0\n"},
	},
	edits: []edit{
		// What follows the default runlevel is started when all of its services are.
		{"usr/share/factory/etc/inittab",
			"1:2345:respawn:/sbin/getty --noclear 38400 tty1\n",
			"S0:2345:respawn:/bin/sh /usr/lib/guest/openrc-console.sh\n"},
		// It hands the kernel the read-only of the mount for the whole file system, and
		// with it goes the instance: they are one btrfs. A vendor has to drop it, too.
		{"usr/share/factory/etc/init.d/mountall.sh", "mount -o remount /usr\n", ":\n"},
	},
}
