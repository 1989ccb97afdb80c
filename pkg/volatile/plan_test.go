package volatile_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// update rewrites the golden text. Read the difference before you commit it.
var update = flag.Bool("update", false, "rewrite testdata")

// TestPlan compares decisions with golden text. A file in testdata holds sections:
//
//	cmdline  the kernel command line
//	disks    a line per disk ("vda", or "vda corrupt", "vda notable", or "vda error"),
//	         and per partition ("vda1 TYPE LABEL UUID", UUID "-" if it is no btrfs; behind
//	         them "room", and "growfs" if it asks for it)
//	boot     the PARTUUID that the boot loader came from
//	members  the names in the pool, each may be followed by ": " and why it is unusable
//	golden   "other init", "keeps" and "stale", of the golden master that is picked
//	request  what the running system has asked for
//	firmware the EFI variable FactoryReset
//	counting "loader" or "impossible"
//	plan     what comes out
func TestPlan(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string]string{}
			for _, f := range archive.Files {
				in[f.Name] = string(f.Data)
			}
			got := decide(t, in)
			if *update {
				rewrite(t, file, archive, got)
				return
			}
			if diff := cmp.Diff(in["plan"], got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func rewrite(t *testing.T, file string, archive *txtar.Archive, plan string) {
	t.Helper()
	last := &archive.Files[len(archive.Files)-1]
	if last.Name != "plan" {
		t.Fatalf("%s: the last section is %q, not the plan", file, last.Name)
	}
	last.Data = []byte(plan)
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// decide makes the decisions of a boot and describes them.
func decide(t *testing.T, in map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	opts, warnings := volatile.ParseOptions(cmdline.Parse(in["cmdline"]))
	for _, w := range warnings {
		fmt.Fprintf(&out, "warning    %s\n", w)
	}
	disks := parseDisks(t, in["disks"])
	pool, err := volatile.FindPool(disks, opts, "x86-64", strings.TrimSpace(in["boot"]))
	if err != nil {
		return out.String() + screen(t, err)
	}
	entries, reasons := parseMembers(in["members"])
	plan, err := volatile.New(volatile.Facts{
		Options: opts, Arch: "x86-64", Kernel: "6.1.0-56-amd64", Pool: pool,
		Entries: entries, Check: func(entry string) error { return reasons[entry] },
		Firmware:     firmware(in["firmware"]),
		LoaderCounts: func() bool { return strings.Contains(in["counting"], "loader") },
		Unwritable:   strings.Contains(in["counting"], "impossible"),
		Golden: func(volatile.Usr, string) volatile.Golden {
			return volatile.Golden{
				Systemd: !strings.Contains(in["golden"], "other init"),
				Keeps:   strings.Contains(in["golden"], "keeps"),
				Stale:   strings.Contains(in["golden"], "stale"),
				Request: request(t, in["request"]),
			}
		},
	})
	if err != nil {
		return out.String() + screen(t, err)
	}
	plan.WriteText(&out)
	for _, step := range plan.Steps {
		if !slices.Contains(volatile.Breaks, volatile.Kind(step)) {
			t.Errorf("freshroot.break= does not know %T", step)
		}
	}
	if plan.CountedBy != "" {
		fmt.Fprintf(&out, "counted by %s\n", plan.CountedBy)
	}
	return out.String()
}

func request(t *testing.T, text string) (r reset.Request) {
	t.Helper()
	if text == "" {
		return r
	}
	r, err := reset.ParseRequest(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// firmware is a variable with its attributes, in UTF-16 of ASCII.
func firmware(text string) (f reset.Firmware) {
	if text == "" {
		return f
	}
	f.FactoryReset = []byte{7, 0, 0, 0}
	for _, c := range []byte(strings.TrimSpace(text)) {
		f.FactoryReset = append(f.FactoryReset, c, 0)
	}
	return f
}

func screen(t *testing.T, err error) string {
	t.Helper()
	var f *volatile.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no Failure", err)
	}
	lines := f.Screen("6.1.0-56-amd64", "quiet", "The machine halts.")
	return fmt.Sprintf("[%s]%s\n", f.Problem, strings.Join(lines, "\n"))
}

func parseDisks(t *testing.T, text string) (disks []volatile.Disk) {
	t.Helper()
	types := map[string]string{
		"root": gpt.RootType("x86-64"), "arm": gpt.RootType("arm64"), "usr": gpt.UsrType("x86-64"),
		"linux": gpt.LinuxGeneric, "esp": gpt.ESP, "whole": "",
	}
	errs := map[string]error{
		"notable": gpt.ErrNoTable, "error": os.ErrPermission,
		"corrupt": &gpt.CorruptError{Primary: errors.New("wrong header checksum"), Backup: gpt.ErrNoTable},
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 4 {
			d := volatile.Disk{Name: words[0], Size: 32 << 30}
			if len(words) == 2 {
				d.Err = errs[words[1]]
			}
			disks = append(disks, d)
			continue
		}
		d := &disks[len(disks)-1]
		p := volatile.Partition{
			Device: "/dev/" + words[0], Type: types[words[1]], Label: words[2], Disk: d.Name,
			PartUUID: "id-of-" + words[0], UUID: words[3], FSLabel: "label-of-" + words[3],
		}
		if words[1] != "whole" {
			p.Number = int(words[0][len(words[0])-1] - '0')
		}
		if slices.Contains(words, "room") {
			p.Room = 20 << 30
		}
		p.GrowFS = slices.Contains(words, "growfs")
		if p.UUID == "-" {
			p.UUID, p.FSLabel, p.Problem = "", "", "no btrfs"
		}
		d.Partitions = append(d.Partitions, p)
	}
	return disks
}

func parseMembers(text string) (entries []string, reasons map[string]error) {
	reasons = map[string]error{}
	for line := range strings.Lines(text) {
		entry, reason, bad := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		entries = append(entries, entry)
		if bad {
			reasons[entry] = errors.New(reason)
		}
	}
	return entries, reasons
}

// TestPlanCannotBeOutnumbered makes sure that of thousands of members only those are
// looked at that could be booted.
func TestPlanCannotBeOutnumbered(t *testing.T) {
	var entries []string
	for i := range 10000 {
		entries = append(entries, fmt.Sprintf("usr:org.example.os:x86-64:%d.%d", i%100, i))
	}
	looked := 0
	usr, _, err := volatile.PickUsr(entries, volatile.Options{}, "x86-64", func(string) error {
		if looked++; looked < 3 {
			return errors.New("not this one")
		}
		return nil
	})
	if err != nil || usr.Member.Version != "99.9799" || looked != 3 || usr.Older != 9997 {
		t.Errorf("picked %q after %d looks, %d older, %v", usr.Entry, looked, usr.Older, err)
	}
}

func BenchmarkPickUsr(b *testing.B) {
	var entries []string
	for i := range 10000 {
		entries = append(entries, fmt.Sprintf("usr:org.example.os:x86-64:%d.%d", i%100, i))
	}
	for b.Loop() {
		_, _, err := volatile.PickUsr(entries, volatile.Options{}, "x86-64", func(string) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzPickUsr(f *testing.F) {
	f.Add("usr:a:x86-64:1\nusr:a:x86-64:2+0\nroot:default:a:x86-64", "a:1")
	f.Add("usr:a:x86-64:1+1-1\nusr:b:x86_64:1\nusr::", "1")
	f.Fuzz(func(t *testing.T, members, pin string) {
		entries := strings.Split(members, "\n")
		usr, _, err := volatile.PickUsr(entries, volatile.Options{Usr: pin}, "x86-64", func(string) error { return nil })
		if err == nil && (usr.Member.Arch != "x86-64" || !strings.Contains(members, usr.Entry)) {
			t.Errorf("picked %q of %q", usr.Entry, entries)
		}
	})
}
