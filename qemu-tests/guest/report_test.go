package guest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// transcript is a console as it is: with others' output in between, and in front.
const transcript = `[    1.0] Run /init as init process
GUEST-UP systemd
GUEST state degraded
GUEST failed a.service
[  OK  ] Started GUEST failed b.service
GUEST time Startup finished in 1s.
GUEST cmdline console=ttyS0 root=x GUEST y
GUEST argv /sbin/init
GUEST argv 
GUEST env A=b c
GUEST mount 22 1 0:20 / / rw,relatime shared:1 master:2 - tmpfs root rw,mode=755
GUEST mount 23 22 0:21 /usr:x /usr ro - btrfs /dev/vda1 ro,subvol=/usr:x
GUEST mount 24 22 0:22 / / rw - overlay o rw
GUEST uptime 12.50 11.00
GUEST boot.json eyJh
GUEST boot.json IjoxfQ==
GUEST volatile-root /dev/block/254:1
GUEST meminfo MemFree:          828660 kB
GUEST meminfo Unevictable:           0 kB
GUEST usr read-only
GUEST marker /etc kept
GUEST marker /var new
GUEST marker / unwritable
GUEST-RUN-BEGIN
GUEST is what the command printed
endGUEST-RUN-END 3
GUEST-DONE
GUEST nonsense after the end
`

func TestParseReport(t *testing.T) {
	want := &Report{
		Init: "systemd", Cmdline: "console=ttyS0 root=x GUEST y",
		Argv: []string{"/sbin/init", ""}, Env: []string{"A=b c"},
		Mounts: []Mount{
			{"/", "/", "rw,relatime", "tmpfs", "root", "rw,mode=755"},
			{"/usr:x", "/usr", "ro", "btrfs", "/dev/vda1", "ro,subvol=/usr:x"},
			{"/", "/", "rw", "overlay", "o", "rw"},
		},
		BootJSON: []byte(`{"a":1}`), VolatileRoot: "/dev/block/254:1",
		Markers: map[string]Marker{
			"/etc": MarkerKept, "/var": MarkerNew, "/": MarkerUnwritable,
		},
		Meminfo: map[string]int{"MemFree": 828660, "Unevictable": 0},
		Uptime:  12.5,
		State:   "degraded", Failed: []string{"a.service", "b.service"},
		Time:      "Startup finished in 1s.",
		RunOutput: "GUEST is what the command printed\nend", RunStatus: 3,
	}
	got, err := ParseReport(transcript)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&want.Mounts[2], got.Mount("/")); diff != "" {
		t.Errorf("topmost mount on / (-want +got):\n%s", diff)
	}
	if m := got.Mount("/nowhere"); m != nil {
		t.Errorf("mount on /nowhere: %+v", m)
	}
}

func TestParseReportRefuses(t *testing.T) {
	for _, test := range []struct{ name, console, want string }{
		{"nothing", "", "did not come up"},
		{"no guest", "Welcome\n", "did not come up"},
		{"cut", "GUEST-UP busybox\nGUEST usr writable\n", "not complete"},
		{"cut in run", "GUEST-UP b\nGUEST-RUN-BEGIN\nGUEST-DONE\n", "not complete"},
		{"unknown key", "GUEST-UP b\nGUEST colour red\nGUEST-DONE\n", "unknown key"},
		{"short mount", "GUEST mount 1 2 3 - x y z\n", "no line of mountinfo"},
		{"no separator", "GUEST mount 1 2 3 4 5 6 7 8 9\n", "no line of mountinfo"},
		{"meminfo", "GUEST meminfo MemFree: much\n", "invalid syntax"},
		{"uptime", "GUEST uptime long\n", "invalid syntax"},
		{"status", "GUEST-RUN-BEGIN\nGUEST-RUN-END x\n", "invalid syntax"},
		{"json", "GUEST-UP b\nGUEST boot.json ?\nGUEST-DONE\n", "boot.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseReport(test.console)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseReport: %v, want %q in it", err, test.want)
			}
		})
	}
}

// FuzzParseReport wants that whatever is read as complete came from a guest that was
// up, and that reading it again says the same.
func FuzzParseReport(f *testing.F) {
	f.Add(transcript)
	for _, line := range strings.SplitAfter(transcript, "\n") {
		f.Add("GUEST-UP x\n" + line + "GUEST-DONE\n")
	}
	f.Fuzz(func(t *testing.T, console string) {
		report, err := ParseReport(console)
		if err != nil {
			return
		}
		if report.Init == "" || !strings.Contains(console, doneLine) {
			t.Errorf("a report without a guest: %+v", report)
		}
		again, err := ParseReport(console + "\nGUEST nonsense\n")
		if diff := cmp.Diff(report, again); diff != "" || err != nil {
			t.Errorf("read again (%v) (-first +second):\n%s", err, diff)
		}
	})
}

func TestRunArg(t *testing.T) {
	if diff := cmp.Diff("guest.run=ZWNobyBhICAiYiI=", RunArg(`echo a  "b"`)); diff != "" {
		t.Errorf("RunArg (-want +got):\n%s", diff)
	}
}
