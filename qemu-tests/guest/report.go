package guest

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Report is what a guest said of the boot it went through.
type Report struct {
	Init    string   // "busybox", "systemd" or "openrc"
	Cmdline string   // of the kernel
	Argv    []string // of PID 1; of a script, with the interpreter
	Env     []string // of PID 1, as it was started
	Mounts  []Mount  // in the order of mountinfo

	// What freshroot leaves for the system, if it was freshroot that booted.
	BootJSON     []byte // /run/freshroot/boot.json, nil if there is none
	VolatileRoot string // where /run/systemd/volatile-root points to, or ""

	// What the guest could do, and what was there from before.
	UsrWritable bool
	Markers     map[string]Marker // by directory
	Meminfo     map[string]int    // in KiB: MemFree, Shmem, Unevictable, ...
	Uptime      float64           // seconds from the kernel's start to the report

	// The next ones are systemd's or OpenRC's.
	State  string   // of systemctl is-system-running, or the runlevel
	Failed []string // units or services
	Time   string   // of systemd-analyze time

	// The next ones are of guest.run on the command line.
	RunOutput string
	RunStatus int // -1 if nothing was run
}

// Mount is a line of mountinfo.
type Mount struct {
	Root, Point, Options, Type, Source, SuperOptions string
}

// Marker says what became of the file that every guest leaves in some directories.
type Marker string

// What becomes of a marker.
const (
	MarkerNew        Marker = "new"        // there was none, now there is
	MarkerKept       Marker = "kept"       // an earlier boot left it
	MarkerUnwritable Marker = "unwritable" // there is none and cannot be
)

// The lines that frame a report.
const (
	upLine       = "GUEST-UP "
	doneLine     = "GUEST-DONE"
	runBeginLine = "GUEST-RUN-BEGIN"
	runEndLine   = "GUEST-RUN-END "
	factLine     = "GUEST "
)

// ParseReport finds the report in what a guest printed. It is an error if it is not
// complete, or if a line of it cannot be read.
func ParseReport(console string) (*Report, error) {
	p := parser{report: &Report{
		Markers: make(map[string]Marker), Meminfo: make(map[string]int), RunStatus: -1,
	}}
	lines := bufio.NewScanner(strings.NewReader(console))
	lines.Buffer(nil, len(console)+1)
	for lines.Scan() && !p.done {
		if err := p.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("parse guest report %q: %w", lines.Text(), err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("parse guest report: %w", err)
	}
	return p.finish()
}

// Mount returns the topmost mount at point, or nil.
func (r *Report) Mount(point string) *Mount {
	for i := len(r.Mounts) - 1; i >= 0; i-- {
		if r.Mounts[i].Point == point {
			return &r.Mounts[i]
		}
	}
	return nil
}

// parser is where we are in a report. It goes by lines, since others print between them.
type parser struct {
	report  *Report
	running bool // within the output of guest.run
	done    bool
	json    strings.Builder // in base64, from several lines
}

// line takes one line of the console. What systemd and the kernel print is in
// between, or may be in front on the same line.
func (p *parser) line(line string) error {
	switch {
	case p.running:
		return p.runLine(line)
	case line == runBeginLine:
		p.running = true
	case line == doneLine:
		p.done = true
	default:
		if _, init, ok := strings.Cut(line, upLine); ok {
			p.report.Init = init
		} else if _, fact, ok := strings.Cut(line, factLine); ok {
			key, value, _ := strings.Cut(fact, " ")
			return p.fact(key, value)
		}
	}
	return nil
}

// runLine takes a line of the command's output, or its end: right behind the
// output, if that does not end in a newline.
func (p *parser) runLine(line string) error {
	output, status, ended := strings.Cut(line, runEndLine)
	if !ended {
		p.report.RunOutput += line + "\n"
		return nil
	}
	p.report.RunOutput += output
	p.running = false
	return number(&p.report.RunStatus, status)
}

// fact takes a line that says one thing.
func (p *parser) fact(key, value string) error {
	r := p.report
	switch key {
	case "cmdline":
		r.Cmdline = value
	case "argv":
		r.Argv = append(r.Argv, value)
	case "env":
		r.Env = append(r.Env, value)
	case "mount":
		return r.addMount(value)
	case "boot.json":
		p.json.WriteString(value)
	case "volatile-root":
		r.VolatileRoot = value
	case "usr":
		r.UsrWritable = value == "writable"
	case "marker":
		dir, marker, _ := strings.Cut(value, " ")
		r.Markers[dir] = Marker(marker)
	case "meminfo":
		return r.addMeminfo(value)
	case "uptime":
		return r.setUptime(value)
	case "state":
		r.State = value
	case "failed":
		r.Failed = append(r.Failed, value)
	case "time":
		r.Time = value
	default:
		return errors.New("unknown key")
	}
	return nil
}

// addMount takes a line of mountinfo, of which the optional fields in the middle end
// with a dash:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func (r *Report) addMount(line string) error {
	head, tail, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(head), strings.Fields(tail)
	if !ok || len(f) < 6 || len(g) < 3 {
		return errors.New("no line of mountinfo")
	}
	r.Mounts = append(r.Mounts, Mount{
		Root: f[3], Point: f[4], Options: f[5],
		Type: g[0], Source: g[1], SuperOptions: g[2],
	})
	return nil
}

// addMeminfo takes a line such as "MemFree:   123 kB".
func (r *Report) addMeminfo(line string) error {
	key, value, _ := strings.Cut(line, ":")
	var kib int
	err := number(&kib, strings.TrimSuffix(strings.TrimSpace(value), " kB"))
	r.Meminfo[key] = kib
	return err
}

// setUptime takes the content of /proc/uptime.
func (r *Report) setUptime(line string) (err error) {
	up, _, _ := strings.Cut(line, " ")
	r.Uptime, err = strconv.ParseFloat(up, 64)
	return err
}

// finish checks that the report is whole.
func (p *parser) finish() (*Report, error) {
	switch {
	case p.report.Init == "":
		return nil, errors.New("parse guest report: the guest did not come up")
	case !p.done:
		return nil, errors.New("parse guest report: it is not complete")
	case p.json.Len() == 0:
		return p.report, nil
	}
	var err error
	p.report.BootJSON, err = base64.StdEncoding.DecodeString(p.json.String())
	if err != nil {
		return nil, fmt.Errorf("parse guest report: boot.json: %w", err)
	}
	return p.report, nil
}

// number reads an integer into n.
func number(n *int, s string) (err error) {
	*n, err = strconv.Atoi(s)
	return err
}

// RunArg returns the word for the kernel command line that makes a guest run a shell
// command.
func RunArg(command string) string {
	return "guest.run=" + base64.StdEncoding.EncodeToString([]byte(command))
}
