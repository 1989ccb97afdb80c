// Package facts looks into a mounted pool for what a plan is made of.
//
// It only reads. What golden masters and instances hold is not trusted: links are
// resolved within them.
package facts

import (
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/pkg/instance"
	"github.com/freshroot/freshroot/pkg/keep"
	"github.com/freshroot/freshroot/pkg/pool"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// Gather returns the facts for a plan with a pool, which stays open while the plan is
// made. arch and kernel are those to plan for.
func Gather(dir *os.File, part volatile.Partition, o volatile.Options, arch, kernel string) (
	volatile.Facts, error,
) {
	entries, err := pool.Entries(dir)
	return volatile.Facts{
		Options: o, Arch: arch, Kernel: kernel, Pool: part, Entries: entries,
		Check: func(entry string) error { return pool.CheckUsr(dir, entry, kernel) },
		Golden: func(usr volatile.Usr, instance string) volatile.Golden {
			return golden(dir, o, usr, instance)
		},
	}, err
}

// golden looks into a golden master, and into the instance that belongs to it, "" if
// there is none.
func golden(dir *os.File, o volatile.Options, usr volatile.Usr, instance string) volatile.Golden {
	g := volatile.Golden{Systemd: RunsSystemd(dir, usr.Entry, o.Init)}
	if instance != "" {
		g.Stale = isStale(dir, usr.Member, instance)
		g.Request, g.Warnings = readRequest(dir, instance)
	}
	g.Release = release(dir, usr.Entry)
	if o.Mode == volatile.Yes {
		instance = "" // its /etc is not what will be seen
	}
	rules, _ := Keep(dir, usr.Entry, instance)
	g.Keeps = rules.Needs(keep.Reboot)
	return g
}

// readRequest reads what the running system has asked for.
func readRequest(pool *os.File, name string) (reset.Request, []string) {
	r, err := instance.ReadRequest(pool, name)
	if err != nil {
		return r, []string{err.Error() + ": left out"}
	}
	return r, nil
}

// release reads who the OS is; nobody, if it does not say.
func release(pool *os.File, usr string) reset.Release {
	golden, err := rootfs.OpenDir(pool, usr)
	if err != nil {
		return reset.Release{}
	}
	defer golden.Close()
	text, err := fs.ReadFile(rootfs.FS(golden), "lib/os-release")
	if err != nil {
		return reset.Release{}
	}
	return reset.ParseRelease(string(text))
}

// isStale takes an instance that cannot be looked at for one that needs attention.
func isStale(pool *os.File, usr subvol.Member, name string) bool {
	stale, err := instance.Target{Pool: pool, Name: name, Usr: usr}.IsStale()
	return stale || err != nil
}

// Keep reads the keep list of a root that is not put together yet, from a golden
// master and from the instance, or from the factory if instance is "". The errors tell
// what was left out; the rules are of use all the same.
func Keep(pool *os.File, usr, instance string) (rules keep.Rules, problems []error) {
	rules = keep.Defaults()
	err := View(pool, usr, instance, func(root fs.FS) error {
		rules, problems = keep.Load(root)
		return nil
	})
	if err != nil {
		problems = append(problems, err)
	}
	return rules, problems
}

// systemd is where a golden master has it.
const systemd = "lib/systemd/systemd"

// RunsSystemd says whether PID 1 of a golden master is systemd. init is the path of
// the OS's init, or "" for the one that is found first, which is systemd's.
func RunsSystemd(pool *os.File, entry, init string) bool {
	wanted := strings.TrimPrefix(strings.TrimPrefix(init, "/"), "usr/")
	if wanted == "" {
		wanted = systemd
	}
	usr, err := open(int(pool.Fd()), entry, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return false
	}
	defer unix.Close(usr)
	// On a usr-merged system what /sbin/init links to is the same seen from /usr.
	a, err := identify(usr, wanted)
	if err != nil {
		return false
	}
	b, err := identify(usr, systemd)
	return err == nil && a == b
}

// identify returns the inode that a path in a golden master leads to.
func identify(usr int, path string) (inode uint64, err error) {
	fd, err := open(usr, path, unix.RESOLVE_IN_ROOT)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	return st.Ino, err
}

func open(dir int, path string, resolve uint64) (int, error) {
	return unix.Openat2(dir, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve,
	})
}
