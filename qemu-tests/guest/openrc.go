package guest

import _ "embed"

//go:embed openrc-console.sh
var openrcConsole string

// gettys are the virtual terminals of sysvinit's inittab.
const gettys = `2:23:respawn:/sbin/getty 38400 tty2
3:23:respawn:/sbin/getty 38400 tty3
4:23:respawn:/sbin/getty 38400 tty4
5:23:respawn:/sbin/getty 38400 tty5
6:23:respawn:/sbin/getty 38400 tty6
`

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
	// Each script is a dozen processes, half a second under emulation, and each is read
	// for what it depends on. What is left is what makes or fills a root, and dbus.
	unwanted: []string{
		"etc/rc[0-6S].d", // insserv's, which OpenRC does not read
		"etc/**/brightness", "etc/**/hwclock.sh", "etc/**/mount-configfs", "etc/**/mountnfs*.sh",
		"etc/**/bootlogs", "etc/**/rc.local", "etc/**/rmnologin", "etc/**/killprocs",
		"etc/**/single", "etc/**/savecache", "etc/**/sendsigs", "etc/**/umount*",
	},
	edits: []edit{
		// What follows the default runlevel is started when all of its services are.
		{"usr/share/factory/etc/inittab",
			"1:2345:respawn:/sbin/getty --noclear 38400 tty1\n",
			"S0:2345:respawn:/bin/sh /usr/lib/guest/openrc-console.sh\n"},
		// Nobody sees them.
		{"usr/share/factory/etc/inittab", gettys, ""},
		// It hands the kernel the read-only of the mount for the whole file system, and
		// with it goes the instance: they are one btrfs. A vendor has to drop it, too.
		{"usr/share/factory/etc/init.d/mountall.sh", "mount -o remount /usr\n", ":\n"},
	},
}
