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

// Instantiate makes the instance Name from Factory if it is not there, and makes
// its /etc and /var anew where they are missing or empty.
type Instantiate struct {
	Name    string
	Factory string
	New     bool // the instance was not there when the plan was made
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

// VolatileRoot tells systemd's tools which device is behind a volatile root.
type VolatileRoot struct{ Device string }

// Switch makes Root the root and executes the init of the OS.
type Switch struct {
	Root string
	Init []string // candidates, the first that exists is executed
}

func (s Instantiate) String() string {
	if s.New {
		return fmt.Sprintf("create instance %s from %s", s.Name, s.Factory)
	}
	return fmt.Sprintf("complete instance %s where /etc or /var is missing or empty", s.Name)
}

func (s Remount) String() string {
	return "remount the pool " + access(!s.Writable)
}

func (s Bind) String() string {
	return fmt.Sprintf("bind %s on %s, %s", s.Source, s.Target, access(s.ReadOnly))
}

func (s Tmpfs) String() string {
	return fmt.Sprintf("mount tmpfs on %s (%s)", s.Target, s.Options)
}

func (s OverlayRoot) String() string {
	return fmt.Sprintf("mount overlay on %s: tmpfs (%s) over %s", s.Target, s.Options, s.Lower)
}

func (s Protect) String() string {
	return fmt.Sprintf("remount %s read-only", s.Target)
}

func (s Skeleton) String() string {
	return fmt.Sprintf("make what is missing of the links and directories of %s", s.Root)
}

func (s Populate) String() string {
	return fmt.Sprintf("copy %s to %s, keeping what exists", s.From, s.To)
}

func (s VolatileRoot) String() string {
	return "link /run/systemd/volatile-root to " + s.Device
}

func (s Switch) String() string {
	return fmt.Sprintf("switch to %s and execute the first of %s", s.Root, strings.Join(s.Init, " "))
}

func access(readOnly bool) string {
	if readOnly {
		return "read-only"
	}
	return "writable"
}
