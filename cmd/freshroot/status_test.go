package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/subvol"
	"github.com/freshroot/freshroot/pkg/volatile"
)

const wantStatus = `running   usr:org.example.os:x86-64:2+1-2
          on trial until it is blessed: 2 made, 1 left, size unknown: gone
          pinned by freshroot.usr=2
          not "usr:org.example.os:x86-64:3+0-3": no tries left (+0-3)
mode      volatile=state
instance  root:default:org.example.os:x86-64
pool      /dev/vda2, 1.0 GiB of 10 GiB free, metadata 50 % full
others    usr:org.example.os:x86-64:3+0-3  bad: no tries left
          usr:org.example.os:x86-64:1  good, 1.5 MiB of its own and 300 MiB shared
log       freshroot log show usr:org.example.os:x86-64:3+0-3
next      usr:org.example.os:x86-64:1, unless the boot loader pins another
pending   root:default:org.example.os:x86-64: reset var
boot      1.75 s to the OS's init (kernel 0.50, early 0.01, root 1.00)
warning   the pool is 90 % full: 1.0 GiB are free
`

// aStatus is one with something in each part.
func aStatus() bootStatus {
	space := poolSpace{Size: 10 << 30, Free: 1 << 30, MetadataTotal: 512 << 20, MetadataUsed: 256 << 20}
	return bootStatus{
		bootRecord: bootRecord{
			Mode: volatile.State, Pool: bootPool{Device: "/dev/vda2"}, Usr: v + "2+1-2",
			Tries: &tries{1, 2}, CountedBy: volatile.CountedByInit,
			Instance: "root:default:org.example.os:x86-64", Warnings: space.warnings(),
			Skipped: []volatile.Skipped{{Entry: v + "3+0-3", Reason: "no tries left (+0-3)"}},
			Phases:  []timed{{"early", 0.5, 0.01}, {"root", 0.75, 1}},
		},
		Members: []poolMember{
			{Kind: subvol.Root, Name: "root:default:org.example.os:x86-64"},
			{Kind: subvol.Usr, Name: v + "3+0-3", State: stateBad, Reason: "no tries left"},
			{Kind: subvol.Usr, Name: v + "2+1-2", State: stateTrial, Running: true, Size: &memberSize{Error: "gone"}},
			{Kind: subvol.Usr, Name: v + "1", State: stateGood, Size: &memberSize{Exclusive: 3 << 19, Shared: 300 << 20}},
		},
		Logs:    []string{v + "3+0-3"},
		Pin:     "2",
		Next:    v + "1",
		Pending: []string{"root:default:org.example.os:x86-64: reset var"},
		Space:   &space,
	}
}

func TestStatusText(t *testing.T) {
	var out strings.Builder
	aStatus().print(&out, styleOf(&out))
	if diff := cmp.Diff(wantStatus, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	aStatus().print(&out, style(true))
	for _, want := range []string{"\x1b[1mrunning\x1b[m   usr:", "\x1b[32mgood\x1b[m", "\x1b[31mbad\x1b[m"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("in colour it lacks %q:\n%q", want, out.String())
		}
	}
}

func TestStatusStanding(t *testing.T) {
	for want, s := range map[string]bootStatus{
		"blessed: it has booted well":                             {Blessed: true},
		"bad: it never booted well, and there was nothing better": {bootRecord: bootRecord{Degraded: true}},
		"on trial, counted by the boot loader": {
			bootRecord: bootRecord{CountedBy: volatile.CountedByLoader}},
		"on trial, and this boot could not be counted": {},
	} {
		if got := s.standing(false); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestStatusWhy tells a pin that counts from one that does not, and a next version that is
// sure from one that the boot loader may know better.
func TestStatusWhy(t *testing.T) {
	for _, c := range []struct {
		pin           string
		pinned, loose bool
	}{
		{"", false, false}, {"2", true, true}, {"org.example.os", true, false},
		{"org.example.os:2", true, true}, {v + "2", true, true}, {"org.example.os:3", false, false},
	} {
		s := aStatus()
		s.Pin = c.pin
		var out strings.Builder
		s.print(&out, styleOf(&out))
		pinned := strings.Contains(out.String(), "\n          pinned by freshroot.usr="+c.pin+"\n")
		loose := !strings.Contains(out.String(), "\nnext      "+v+"1\n")
		if pinned != c.pinned || loose != c.loose {
			t.Errorf("%q: pinned %v, loose %v:\n%s", c.pin, pinned, loose, &out)
		}
	}
}

// TestStatusJSON sees the field names that programs rely on.
func TestStatusJSON(t *testing.T) {
	text, err := json.Marshal(aStatus())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"usr", "mode", "tries", "counted_by", "blessed", "pin", "members", "next", "pending", "space", "phases", "skipped",
	} {
		if _, ok := got[key]; !ok {
			t.Errorf("%q is missing in %s", key, text)
		}
	}
}

func TestStatusWarnings(t *testing.T) {
	full := []string{"/ is full", "so is /var"}
	for _, c := range []struct {
		options  statusOptions
		warnings []string
		want     string
		err      error
	}{
		{statusOptions{}, nil, "", nil},
		{statusOptions{}, full, "/ is full\nso is /var\n", errSaid},
		{statusOptions{json: true}, nil, `{"warnings":[]}`, nil},
		{statusOptions{json: true}, full, `{"warnings":["/ is full","so is /var"]}`, errSaid},
	} {
		var out strings.Builder
		err := c.options.printWarnings(&out, c.warnings)
		got := out.String()
		if c.options.json { // the layout is that of printJSON
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(got)); err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			got = compact.String()
		}
		if diff := cmp.Diff(c.want, got); diff != "" || err != c.err {
			t.Errorf("%+v: error %v (-want +got):\n%s", c.options, err, diff)
		}
	}
}

// TestIntegrationStatusLook looks at a pool as it is mounted in each mode.
func TestIntegrationStatusLook(t *testing.T) {
	for _, mode := range []volatile.Mode{volatile.No, volatile.Yes} {
		t.Run(string(mode), func(t *testing.T) {
			b := runningFrom(t, mode, v+"2+1-2", v+"2+1-2", v+"1", v+"3+0-3", "usr:x:arm64:1", "junk\n")
			s := bootStatus{bootRecord: b}
			if err := b.readPool(s.look); err != nil {
				t.Fatal(err)
			}
			s.judge("")
			if s.Blessed || *s.Tries != (tries{1, 2}) || s.Usr != v+"2+1-2" {
				t.Errorf("before: %+v", s)
			}
			if err := b.bless(&strings.Builder{}, 0); err != nil {
				t.Fatal(err)
			}
			if err := b.readPool(s.look); err != nil {
				t.Fatal(err)
			}
			s.judge("")
			if !s.Blessed || s.Usr != v+"2" {
				t.Errorf("after: %+v", s)
			}
			var got []string
			for _, p := range s.Members {
				got = append(got, p.Name+" "+p.describe(false))
			}
			want := []string{
				v + "3+0-3 bad: no tries left", v + "2 running, good", v + "1 good",
				"usr:x:arm64:1 unusable: other architecture", "junk\n no member, left alone",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("versions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestIntegrationStatusOfAnybody sees without a look into the pool that it was blessed.
func TestIntegrationStatusOfAnybody(t *testing.T) {
	b := runningFrom(t, volatile.No, v+"2+1-2", v+"2+1-2")
	b.Version, b.Tries = "2", &tries{1, 2}
	usr := t.TempDir()
	top := strings.TrimSpace(testfs.Run(t, "findmnt", "-n", "-o", "TARGET", b.Pool.Device))
	testfs.Run(t, "mount", "--bind", filepath.Join(top, v+"2+1-2"), usr)
	t.Cleanup(func() { testfs.Run(t, "umount", usr) })
	look := func() bootStatus {
		mountinfo, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		s := bootStatus{bootRecord: b}
		s.judge(strings.ReplaceAll(string(mountinfo), " "+usr+" ", " /usr "))
		return s
	}
	if s := look(); s.Blessed || s.Usr != v+"2+1-2" {
		t.Errorf("before: %q, blessed: %v", s.Usr, s.Blessed)
	}
	if err := b.bless(&strings.Builder{}, 0); err != nil {
		t.Fatal(err)
	}
	if s := look(); !s.Blessed || s.Usr != v+"2" {
		t.Errorf("after: %q, blessed: %v", s.Usr, s.Blessed)
	}
	b.Version = "1" // of what is mounted we know nothing then
	if s := look(); s.Blessed {
		t.Error("another version counts")
	}
}

// TestIntegrationLastTry tells a version on its last try from one that is bad.
func TestIntegrationLastTry(t *testing.T) {
	b := runningFrom(t, volatile.Yes, v+"2+0-3", v+"2+0-3", v+"1+0-3")
	s := bootStatus{bootRecord: b}
	if err := b.readPool(s.look); err != nil {
		t.Fatal(err)
	}
	got := []string{s.Members[0].describe(false), s.Members[1].describe(false)}
	want := []string{"running, on trial: no try is left after this one", "bad: no tries left"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestIntegrationStatusNext tells what the next boot would pick, if that is not what runs.
func TestIntegrationStatusNext(t *testing.T) {
	disk, part, err := poolOn([]string{newPool(t, 512, v+"1.0", v+"1.1", v+"1.2", v+"1.3+0-3",
		"usr:org.example.os:arm64:8", "usr:other:x86-64:9")})
	if err != nil {
		t.Fatal(err)
	}
	const vendor = "freshroot.usr=org.example.os"
	for _, c := range []struct{ usr, cmdline, kernel, want string }{
		{"1.1", "quiet", "6.1.0", "usr:other:x86-64:9"},
		{"1.1", vendor, "6.1.0", v + "1.2"},
		{"1.2", vendor, "6.1.0", ""},
		{"1.3+0-3", vendor, "6.1.0", v + "1.2"},
		{"1.1", "freshroot.usr=1.1", "6.1.0", v + "1.2"},
		{"1.1", vendor + ":1.1 quiet", "6.9.0", v + "1.2"}, // which has a kernel of its own
		{"1.2", vendor + ":1.2", "6.1.0", ""},
		{"1.2", vendor + ":1.3", "6.1.0", ""}, // which could not be booted
		{"1.1", vendor, "6.9.0", "the next boot: the pool holds no usr: that can be booted"},
	} {
		s := bootStatus{bootRecord: bootRecord{Usr: v + c.usr, Cmdline: c.cmdline, Kernel: c.kernel}}
		if err := withPool(disk, part, s.look); err != nil {
			t.Fatal(err)
		}
		if got := s.Next + strings.Join(s.Warnings, "\n"); got != c.want {
			t.Errorf("%+v: next is %q", c, got)
		}
	}
}

func TestIntegrationReadPending(t *testing.T) {
	top := testfs.Open(t, t.TempDir())
	if got := readPending(top); got != nil {
		t.Errorf("no requests: %q", got)
	}
	dir := filepath.Join(top.Name(), ".freshroot/requests")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.Symlink("/etc/passwd", filepath.Join(dir, "link")),
		os.WriteFile(filepath.Join(dir, "root:b:v:a"), []byte("reset  var\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "root:a:v:a"), []byte(strings.Repeat("x", 2*maxRequest)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"root:a:v:a: " + strings.Repeat("x", maxRequest), "root:b:v:a: reset var"}
	if diff := cmp.Diff(want, readPending(top)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const wantList = `MEMBER                             STATE
usr:org.example.os:x86-64:10+2-1   on trial: tries left: 2
usr:org.example.os:x86-64:9        good
root:default:org.example.os:arm64
"\x1b[2J"                          no member, left alone
`

func TestIntegrationList(t *testing.T) {
	disk := newPool(t, 512, v+"9", v+"10+2-1", "root:default:org.example.os:arm64", "\x1b[2J")
	out, err := run(t, "list", disk)
	if diff := cmp.Diff(wantList, out); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	out, err = run(t, "list", "--json", disk)
	var got []poolMember
	if err := errors.Join(err, json.Unmarshal([]byte(out), &got)); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].State != stateTrial || *got[0].Tries != (tries{2, 1}) || got[1].Version != "9" {
		t.Errorf("got %+v", got)
	}
}

func TestStyle(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if styleOf(f) || styleOf(&strings.Builder{}) {
		t.Error("colours in a file")
	}
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if !styleOf(terminal) {
		t.Error("no colours on a terminal")
	}
	for key, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		t.Run(key, func(t *testing.T) {
			t.Setenv(key, value)
			if styleOf(terminal) {
				t.Errorf("colours with %s=%s", key, value)
			}
		})
	}
}
