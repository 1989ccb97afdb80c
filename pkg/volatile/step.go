package volatile

import (
	"fmt"
	"strings"
)

// Step is one thing to do. The steps of a plan are done in order; a step that
// fails ends the boot.
type Step interface {
	// String describes the step to a person, in the imperative.
	String() string
}

// Where things are while the root is assembled.
const (
	PoolDir = "/pool"    // the top level of the pool
	RootDir = "/sysroot" // the new root
	Factory = RootDir + "/usr/share/factory"
)

// Instantiate makes the instance Name from the factory of Usr if it is not there. If
// it is, its /etc and /var are made anew where they are missing or empty, and brought
// to the version of Usr where another one filled them.
type Instantiate struct {
	Name string
	Usr  string
	New  bool // the instance was not there when the plan was made
}

// Remount changes whether the pool can be written to.
type Remount struct{ Writable bool }

// Bind shows Source at Target.
type Bind struct {
	Source, Target string
	ReadOnly       bool
}

// Tmpfs mounts an empty file system in RAM.
type Tmpfs struct{ Target, Options string }

// OverlayRoot mounts an overlay at Target: changes go to a tmpfs, and what is not
// changed is that of Lower.
type OverlayRoot struct{ Lower, Target, Options string }

// Protect makes the mount at Target read-only, and only this one.
type Protect struct{ Target string }

// Skeleton makes the directories and links that a root has besides /usr.
type Skeleton struct{ Root string }

// Populate copies what is in the factory's directory From to To; what exists stays.
// Itself says that To also gets the owner, the mode and the like of From.
type Populate struct {
	From, To string
	Itself   bool
}

// Keep shows in Root what Instance keeps from boot to boot.
type Keep struct{ Instance, Root string }

// Identity gives Root its machine-id, and the machine its name, as far as its init
// does not.
type Identity struct {
	Root       string
	Systemd    bool // is the init
	Persistent bool // what is written to Root outlives the boot
}

// Sysusers makes the users and groups that sysusers.d of Root asks for.
type Sysusers struct{ Root string }

// Tmpfiles does what tmpfiles.d of Root asks for, as at boot.
type Tmpfiles struct{ Root string }

// VolatileRoot tells systemd's tools which device is behind a volatile root.
type VolatileRoot struct{ Device string }

// Switch makes Root the root and executes the init of the OS.
type Switch struct {
	Root string
	Init []string // candidates, the first that exists is executed
}

// String tells an instance that is new, and comes from the factory alone, from one that
// is merged with it.
func (s Instantiate) String() string {
	if s.New {
		return fmt.Sprintf("create instance %s from %s/share/factory", s.Name, s.Usr)
	}
	return fmt.Sprintf("bring /etc and /var of instance %s up to %s", s.Name, s.Usr)
}

// String says only what becomes of the pool: which device it is on is known by then.
func (s Remount) String() string {
	return "remount the pool " + access(!s.Writable)
}

// String says whether what is seen at the target can be changed there.
func (s Bind) String() string {
	return fmt.Sprintf("bind %s on %s, %s", s.Source, s.Target, access(s.ReadOnly))
}

// String has the limits, for they are what a root in RAM fails by.
func (s Tmpfs) String() string {
	return fmt.Sprintf("mount tmpfs on %s (%s)", s.Target, s.Options)
}

// String names the layers, the one that is written to first.
func (s OverlayRoot) String() string {
	return fmt.Sprintf("mount overlay on %s: tmpfs (%s) over %s", s.Target, s.Options, s.Lower)
}

// String names what is protected.
func (s Protect) String() string {
	return fmt.Sprintf("remount %s read-only", s.Target)
}

// String does not list the directories: what is there is left as it is.
func (s Skeleton) String() string {
	return fmt.Sprintf("make what is missing of the links and directories of %s", s.Root)
}

// String says that nothing that exists is overwritten.
func (s Populate) String() string {
	return fmt.Sprintf("copy %s to %s, keeping what exists", s.From, s.To)
}

// String does not list the paths: they are known when the rules are read.
func (s Keep) String() string {
	return fmt.Sprintf("bind what is kept from boot to boot from %s into %s", s.Instance, s.Root)
}

// String names both, though either may be left to systemd.
func (s Identity) String() string {
	return "set up machine-id and hostname of " + s.Root
}

// String names the root whose users are made.
func (s Sysusers) String() string {
	return "make the users and groups of sysusers.d in " + s.Root
}

// String names the root whose files are made and removed.
func (s Tmpfiles) String() string {
	return "make and remove what tmpfiles.d says in " + s.Root
}

// String names the device, as the link does.
func (s VolatileRoot) String() string {
	return "link /run/systemd/volatile-root to " + s.Device
}

// String lists the candidates in the order in which they are tried.
func (s Switch) String() string {
	return fmt.Sprintf("switch to %s and execute the first of %s", s.Root, strings.Join(s.Init, " "))
}

func access(readOnly bool) string {
	if readOnly {
		return "read-only"
	}
	return "writable"
}
