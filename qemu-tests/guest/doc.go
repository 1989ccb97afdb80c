// Package guest builds the userlands that the virtual machines boot, and reads
// what they report.
//
// There are three. Busybox is one static program and a shell script as init: small,
// quick, without systemd, and with a factory of every kind of file that copying
// can get wrong. Debian is a real one, with systemd; OpenRC is a real one without.
// mmdebstrap installs these two, and "freshroot factory build" makes their factories.
//
// A tree holds nothing but usr/, as a golden master does: its /etc and /var are in
// usr/share/factory. Trees are built once, as root, into a cache directory
// ($FRESHROOT_CACHE, or .cache at the top of the checkout), and built again when
// the recipe changes. Callers read them and never change them.
//
// Each userland prints a report on the console when it is up (ParseReport), and
// then powers the machine off. Its words on the kernel command line:
//
//	guest.stay        a root shell on the console instead of powering off
//	guest.shell       the same, without a report
//	guest.run=BASE64  a shell command to run; its output is in the report
package guest
