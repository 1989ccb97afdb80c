package rules

// Machine is what is in no image, whatever the distribution. The first rule that
// matches gives the reason. ld.so.cache is no cache in this sense: nothing makes it anew
// before the first program needs it.
var Machine = []Rule{
	{Why: "a secret of one machine, the same in all copies of the image", Secret: true,
		Globs: []string{
			"etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_*_key.pub",
			"etc/dropbear/dropbear_*_host_key", "etc/ssl/private/ssl-cert-snakeoil.key",
			"etc/ssl/certs/ssl-cert-snakeoil.pem",
			"etc/NetworkManager/system-connections/*",
			"var/lib/iwd/*", "var/lib/connman/*", "var/lib/bluetooth/*",
			"var/lib/samba/private/*", "var/lib/systemd/credential.secret",
		}},
	{Why: "a seed of random numbers, the same in all copies of the image", Secret: true,
		Globs: []string{
			"var/lib/systemd/random-seed", "var/lib/random-seed", "var/lib/seedrng",
			"var/lib/urandom/random-seed", "var/lib/misc/random-seed",
		}},
	{Why: "the name or the identity of one machine",
		Globs: []string{
			"etc/hostname", "var/lib/dbus/machine-id", "etc/iscsi/initiatorname.iscsi",
			"etc/nvme/hostid", "etc/nvme/hostnqn",
		}},
	{Why: "the name servers of the network that the image was built in", Files: true,
		Globs: []string{"etc/resolv.conf"}},
	{Why: "names the disks of one machine",
		Globs: []string{
			"etc/fstab", "etc/crypttab", "etc/lvm/archive/*", "etc/lvm/backup/*",
			"etc/lvm/devices/system.devices", "etc/blkid.tab", "etc/multipath/*",
		}},
	{Why: "names the devices of one machine",
		Globs: []string{
			"etc/udev/rules.d/*-persistent-*.rules", "etc/adjtime",
			"var/lib/alsa/asound.state", "var/lib/systemd/backlight/*",
			"var/lib/systemd/rfkill/*", "var/lib/upower/*",
		}},
	{Why: "a lease or the state of a network",
		Globs: []string{
			"var/lib/dhcp/*", "var/lib/dhclient/*", "var/lib/dhcpcd/*", "var/db/dhcpcd/*",
			"var/lib/NetworkManager/*", "var/lib/systemd/network/*", "var/lib/misc/*.leases",
		}},
	{Why: "what cloud-init knows of one instance",
		Globs: []string{"var/lib/cloud/*", "etc/netplan/50-cloud-init.yaml",
			"etc/cloud/cloud.cfg.d/90-installer-network.cfg"}},
	{Why: "a log", Files: true, Globs: []string{"var/log/**"}},
	{Why: "the journal of one machine", Globs: []string{"var/log/journal/*"}},
	{Why: "a cache", Files: true,
		Globs: []string{
			"var/cache/**", "var/lib/apt/lists/**", "var/lib/plocate/*.db",
			"var/lib/mlocate/*.db",
		}},
	{Why: "a temporary file",
		Globs: []string{"var/tmp/*", "var/crash/*", "var/lib/systemd/coredump/*",
			"var/lib/systemd/pstore/*", "var/lib/systemd/ephemeral-trees/*"}},
	{Why: "a lock or a leftover of the package manager",
		Globs: []string{
			"var/lib/apt/periodic/*", "var/lib/dpkg/*-old",
			"var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/triggers/Lock",
			"var/lib/dpkg/updates/*", "var/lib/PackageKit/*", "var/lib/dnf/repos/*",
			"var/lib/rpm/.rpm.lock", "var/lib/pacman/sync/*", "var/lib/pacman/db.lck",
		}},
	{Why: "a copy of the password files, or of the package database", Secret: true,
		Globs: []string{
			"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-",
			"etc/subuid-", "etc/subgid-", "var/backups/*",
		}},
	{Why: "a lock", Globs: []string{"etc/.pwd.lock", "etc/*.lock"}},
	{Why: "a stamp that says that the update of one system is done",
		Globs: []string{"etc/.updated", "var/.updated"}},
	{Why: "when a service of one machine ran last",
		Globs: []string{"var/lib/systemd/timers/*", "var/lib/systemd/timesync/*",
			"var/lib/systemd/clock", "var/lib/logrotate/status",
			"var/lib/logrotate.status"}},
	{Why: "the state of services whose user has no fixed number",
		Globs: []string{"var/lib/private/*", "var/cache/private/*", "var/log/private/*"}},
	{Why: "belongs to a person",
		Globs: []string{
			"var/mail/*", "var/spool/mail/*", "var/spool/cron/crontabs/*",
			"var/spool/cups/[cd][0-9]*", "var/lib/AccountsService/users/*", "var/lib/fprint/*",
			"var/lib/sudo/lectured/*", "var/db/sudo/lectured/*", "var/lib/systemd/linger/*",
		}},
	{Why: "what an editor left", Files: true,
		Globs: []string{"etc/**/*~", "etc/**/.*.sw?", "etc/**/#*#"}},
	{Why: "what an upgrade of a package left", Files: true,
		Globs: []string{
			"etc/**/*.dpkg-*", "etc/**/*.ucf-*", "etc/**/*.rpmnew", "etc/**/*.rpmsave",
			"etc/**/*.rpmorig", "etc/**/*.pacnew", "etc/**/*.pacsave", "etc/**/*.pacorig",
			"etc/**/*.apk-new", "etc/**/._cfg????_*",
		}},
	{Why: "the history of one machine's /etc", Globs: []string{"etc/.git"}},
	{Why: "what a file system check left",
		Globs: []string{"etc/lost+found", "var/lost+found"}},
}

// Packages is what the package managers know of the tree. They cannot work on an /usr
// that is read-only, but tools that report what is installed read it.
var Packages = []Rule{
	{Why: "the database of the package manager",
		Globs: []string{
			"var/lib/dpkg", "var/lib/apt", "var/lib/rpm", "var/lib/dnf", "var/lib/pacman",
			"var/lib/ucf", "var/db/pkg", "var/lib/portage", "var/lib/apk",
		}},
}
