# Run by freshroot-report.service, when the system is about to be up.
. /usr/lib/guest/report.sh

state=$(systemctl is-system-running --wait)
dmesg -n 1 # or the kernel prints into our lines
echo GUEST-UP systemd
say state "$state"
systemctl list-units --failed --plain --no-legend | while read -r unit _; do
	say failed "$unit"
done
systemd-analyze time | head -n 1 | lines time
report_boot
report_writable
report_run
echo GUEST-DONE
asked guest.stay || systemctl poweroff
