#!/usr/bin/busybox sh
# PID 1 of the guest without systemd. It expects /dev, /proc, /sys and /run to be
# there, and nothing in /etc. Should it fail, the kernel panics, which is noticed.
export PATH=/usr/bin:/usr/sbin
exec < /dev/console > /dev/console 2>&1
dmesg -n 1 # or the kernel prints into our lines
. /usr/lib/guest/report.sh
trap 'sync; reboot -f' TERM # which is how "reboot" asks for it

if ! asked guest.shell; then
	echo GUEST-UP busybox
	report_boot
	report_writable
	report_run
	echo GUEST-DONE
fi
if asked guest.shell || asked guest.stay; then
	setsid cttyhack sh # a session of its own gives it job control
fi
sync
poweroff -f
