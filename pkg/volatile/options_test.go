package volatile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/volatile"
)

func defaults(change func(*volatile.Options)) volatile.Options {
	o := volatile.Options{
		Mode: volatile.No, Instance: "default", Tmpfs: "size=25%,nr_inodes=1m", Populate: "auto",
		Timeout: 30 * time.Second, Deadline: 300, Log: "info", Home: "auto",
	}
	change(&o)
	return o
}

func TestParseOptions(t *testing.T) {
	for line, change := range map[string]func(*volatile.Options){
		"":             func(o *volatile.Options) {},
		"quiet splash": func(o *volatile.Options) {},
		"rootwait rootfstype=btrfs rootdelay=5 systemd.hostname=x systemd.mask=y": func(o *volatile.Options) {},
		"volatile":                           func(o *volatile.Options) { o.Mode = volatile.Yes },
		"volatile=YES":                       func(o *volatile.Options) { o.Mode = volatile.Yes },
		"volatile=1":                         func(o *volatile.Options) { o.Mode = volatile.Yes },
		"volatile=yes volatile=off":          func(o *volatile.Options) {},
		"volatile=no systemd.volatile=state": func(o *volatile.Options) { o.Mode = volatile.State },
		"systemd.volatile=state volatile=overlay": func(o *volatile.Options) {
			o.Mode = volatile.Overlay
		},
		"ro":    func(o *volatile.Options) { o.ReadOnly = true },
		"ro rw": func(o *volatile.Options) {},
		`root="PARTLABEL=a b" rootflags=noatime,compress=zstd init=/bin/x`: func(o *volatile.Options) {
			o.Root, o.RootFlags, o.Init = "PARTLABEL=a b", "noatime,compress=zstd", "/bin/x"
		},
		"freshroot.usr=1.2 freshroot.root=kiosk freshroot.log=debug freshroot.on_failure=poweroff": func(o *volatile.Options) {
			o.Usr, o.Instance, o.Log, o.OnFailure = "1.2", "kiosk", "debug", "poweroff"
		},
		"freshroot.timeout=0":           func(o *volatile.Options) { o.Timeout = 0 },
		"freshroot.timeout=2000000000":  func(o *volatile.Options) { o.Timeout = time.Hour },
		"freshroot.tmpfs=size=50%":      func(o *volatile.Options) { o.Tmpfs = "nr_inodes=1m,size=50%" },
		"freshroot.tmpfs=nr_inodes=10k": func(o *volatile.Options) { o.Tmpfs = "size=25%,nr_inodes=10k" },
		"freshroot.tmpfs=nr_blocks=1m,nr_inodes=0": func(o *volatile.Options) {
			o.Tmpfs = "nr_blocks=1m,nr_inodes=0"
		},
		"a -- volatile=yes": func(o *volatile.Options) {},
		"freshroot.reset=var systemd.factory-reset=off freshroot.home=none": func(o *volatile.Options) {
			o.Reset, o.FactoryReset, o.Home = reset.Var, "no", "none"
		},
		"freshroot.deadline=60 freshroot.break=populate": func(o *volatile.Options) {
			o.Deadline, o.Break = 60, "populate"
		},
		"freshroot.deadline=off": func(o *volatile.Options) { o.Deadline = 0 },
		"freshroot.reset=var freshroot.reset=all systemd.factory_reset": func(o *volatile.Options) {
			o.Reset, o.FactoryReset = reset.All, "yes"
		},
	} {
		got, warnings := volatile.ParseOptions(cmdline.Parse(line))
		if diff := cmp.Diff(defaults(change), got); diff != "" || len(warnings) > 0 {
			t.Errorf("%q: warnings %q, options (-want +got):\n%s", line, warnings, diff)
		}
	}
}

// TestParseOptionsWarns sees that what is not understood changes nothing, and is
// answered with what would have been.
func TestParseOptionsWarns(t *testing.T) {
	for line, want := range map[string]string{
		"volatile=sate":                          "did you mean state?",
		"volatle=yes":                            "volatle= is not known and was left out; did you mean volatile?",
		"systemd.volatil=yes":                    "did you mean systemd.volatile?",
		"systemd.factoryreset=1":                 "did you mean systemd.factory-reset?",
		"volatile=":                              "known: no, overlay, state, yes",
		"freshroot.user=1":                       "did you mean freshroot.usr?",
		"freshroot.onfailure=halt":               "did you mean freshroot.on-failure?",
		"freshroot.timeout=10s":                  "known: seconds",
		"freshroot.timeout=-1":                   "known: seconds",
		"freshroot.on-failure=shel":              "did you mean shell?",
		"freshroot.break=pupulate":               "did you mean populate?",
		"freshroot.break=":                       "known: bind, count, devices, ",
		"freshroot.deadline=never":               "known: off, seconds",
		"freshroot.log=warn":                     "known: debug, error, info",
		"freshroot.root=../../etc":               "known: a name",
		"freshroot.tmpfs=size=1,noexec":          "limits as in",
		"freshroot.tmpfs=size=%":                 "limits as in",
		"freshroot.tmpfs=":                       "limits as in",
		"freshroot.tmpfs=size=1,mode=0777,uid=1": "limits as in",
	} {
		got, warnings := volatile.ParseOptions(cmdline.Parse(line))
		if diff := cmp.Diff(defaults(func(*volatile.Options) {}), got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], want) {
			t.Errorf("%q warns %q, want %q", line, warnings, want)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add(`volatile=state freshroot.tmpfs=size=1g root="a b" freshroot.root=x`)
	f.Add("freshroot. freshroot.= volatile freshroot.timeout=99999999999999999999")
	f.Fuzz(func(t *testing.T, line string) {
		o, _ := volatile.ParseOptions(cmdline.Parse(line))
		if strings.ContainsAny(o.Instance, "/:") || o.Instance == "" {
			t.Errorf("%q: instance %q", line, o.Instance)
		}
		if strings.ContainsAny(o.Tmpfs, " /") || o.Timeout < 0 || o.Timeout > time.Hour {
			t.Errorf("%q: tmpfs %q, timeout %v", line, o.Tmpfs, o.Timeout)
		}
	})
}
