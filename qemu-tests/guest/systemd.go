package guest

import _ "embed"

var (
	//go:embed debian-report.sh
	debianReport string
	//go:embed debian-report.service
	debianReportUnit string
)

// unit is the name of the service that reports to the tests.
const unit = "freshroot-report.service"

// autologin gives a root shell on the serial console to who asked for it. It is for
// tests and the demo, no model for an image to ship.
const autologin = `[Unit]
ConditionKernelCommandLine=|guest.stay
ConditionKernelCommandLine=|guest.shell

[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 - linux
`

// systemd is the Debian that everybody has.
var systemd = flavour{
	name:     "debian",
	packages: "systemd,systemd-sysv,udev,dbus,kmod,usr-is-merged",
	files: []file{
		{"usr/lib/guest/report.sh", 0o644, reportScript},
		{"usr/lib/guest/debian-report.sh", 0o644, debianReport},
		{"usr/lib/systemd/system/" + unit, 0o644, debianReportUnit},
		{"usr/lib/systemd/system/multi-user.target.d/report.conf", 0o644,
			"[Unit]\nWants=" + unit + "\n"},
		{"usr/share/factory/etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf",
			0o644, autologin},
	},
}
