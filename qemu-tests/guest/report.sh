# Tells the tests on the console what this guest found when it came up. Sourced by
# the init of the busybox guest and run by a unit in the Debian one, so it sticks to
# what both of them have, and needs nothing in /etc.
#
# Every line is one write, or the kernel and systemd would print into it. Package
# guest reads this: see ParseReport.

say() { printf 'GUEST %s\n' "$*"; }

word() { # the value of a key of the kernel command line
	for w in $(cat /proc/cmdline); do
		case $w in "$1="*) echo "${w#*=}" ;; esac
	done
}

asked() { # whether the kernel command line has a word
	grep -qwF "$1" /proc/cmdline
}

lines() { # says each line of the input, with a key before it
	while IFS= read -r line; do say "$1 $line"; done
}

report_boot() {
	lines cmdline < /proc/cmdline
	tr '\0' '\n' < /proc/1/cmdline | lines argv
	tr '\0' '\n' < /proc/1/environ | lines env
	lines mount < /proc/self/mountinfo
	lines uptime < /proc/uptime
	[ ! -e /run/freshroot/boot.json ] ||
		base64 /run/freshroot/boot.json | lines boot.json
	[ ! -L /run/systemd/volatile-root ] ||
		readlink /run/systemd/volatile-root | lines volatile-root
	# What the initramfs left behind shows here: as Unevictable if it was a ramfs,
	# as Shmem if it was a tmpfs.
	grep -E '^(MemTotal|MemFree|MemAvailable|Shmem|Unevictable):' /proc/meminfo |
		lines meminfo
}

report_writable() {
	if touch /usr/.probe 2>/dev/null; then
		rm /usr/.probe
		say usr writable
	else
		say usr read-only
	fi
	# A marker that is there was left by an earlier boot.
	for dir in / /etc /var /var/lib /root /home /srv /opt /mnt /tmp; do
		marker=${dir%/}/marker
		if [ -e "$marker" ]; then
			say marker "$dir" kept
		elif touch "$marker" 2>/dev/null; then
			say marker "$dir" new
		else
			say marker "$dir" unwritable
		fi
	done
}

report_run() {
	run=$(word guest.run)
	[ -n "$run" ] || return 0
	echo GUEST-RUN-BEGIN
	echo "$run" | base64 -d | sh 2>&1
	echo "GUEST-RUN-END $?"
}
