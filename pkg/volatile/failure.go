package volatile

// Problem names what stopped a boot, for programs to branch on.
type Problem string

// The problems that have words of their own.
const (
	NoDisk       Problem = "no-disk"
	NoTable      Problem = "no-gpt"
	CorruptTable Problem = "corrupt-gpt"
	NoBtrfs      Problem = "no-btrfs"
	Ambiguous    Problem = "ambiguous"
	NoUsr        Problem = "no-usr"
	NoMount      Problem = "no-mount"
	Unwritable   Problem = "unwritable"
	TmpfsFull    Problem = "tmpfs-full"
	NoInit       Problem = "no-init"
	Hang         Problem = "hang"
	Panic        Problem = "panic"
	Other        Problem = "other"
)

// Failure is an error that stops a boot, told so that a person can mend it.
type Failure struct {
	Problem Problem
	What    string   // one line: what went wrong
	Seen    []string // what was looked at, each with the reason it was not taken
	Do      []string // what to do about it
	Err     error    // the cause, or nil
}

// Error returns what went wrong and its cause.
func (f *Failure) Error() string {
	if f.Err != nil {
		return f.What + ": " + f.Err.Error()
	}
	return f.What
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
