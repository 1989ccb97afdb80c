# Run by init on the console when the runlevel is reached, again whenever it ends.
. /usr/lib/guest/report.sh

if ! asked guest.shell && [ ! -e /run/guest-reported ]; then
	touch /run/guest-reported
	dmesg -n 1 # or the kernel prints into our lines
	echo GUEST-UP openrc
	rc-status --runlevel | lines state
	for service in /run/openrc/failed/*; do
		[ ! -e "$service" ] || say failed "${service##*/}"
	done
	report_boot
	report_writable
	report_run
	echo GUEST-DONE
fi
if asked guest.shell || asked guest.stay; then
	exec /sbin/agetty --autologin root --noclear --keep-baud 115200 ttyS0 linux
fi
sync
poweroff -f # to stop service by service takes longer than the boot
