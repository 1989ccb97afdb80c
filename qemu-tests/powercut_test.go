package qemutests_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/image"
	"github.com/freshroot/freshroot/qemu-tests/writelog"
)

// scripts/power-cuts sets these.
var (
	cuts = flag.Int("cuts", 30, "how many power cuts TestIntegrationPowerCuts makes")
	seed = flag.Uint64("seed", 0, "what its choices depend on, besides the recording; 0 is a new one")
)

// episode is a boot in which power may go.
type episode struct {
	name    string
	prepare func(top string) error // what becomes of the pool before
	cmdline string
	// command is run in the guest; then power goes when it has begun, or later.
	command string
	// apart is a directory whose entries are changed one after the other: each may be as
	// before or as after, whatever the rest is.
	apart string
	// grows is a part of the instance that is added to in place.
	grows string
	// counts says that each boot takes a try, so that two are not like one.
	counts bool
}

// life is what a machine goes through. What an episode leaves is what the next begins
// with.
var life = []episode{
	{name: "first boot"},
	{name: "update", grows: "var",
		prepare: inOrder(rename(usr+"1.1+0", usr+"1.1"), administer(change10))},
	{name: "rollback", prepare: administer(change11), cmdline: "freshroot.usr=1.0", grows: "var"},
	{name: "reset of /var", prepare: inOrder(rename(usr+"1.1", usr+"1.1+0"), fill("var")),
		cmdline: "freshroot.reset=var"},
	{name: "reset of all", prepare: fill("etc", "var"), cmdline: "freshroot.reset=all"},
	{name: "undo", prepare: askUndo},
	{name: "asking for a reset", command: "freshroot reset all --at-boot"},
	{name: "reset asked for"},
	{name: "purge", command: "freshroot trash purge --all", apart: ".freshroot/trash"},
	{name: "counting", prepare: rename(usr+"1.0", usr+"1.0+5"), counts: true},
	{name: "keeping a log", command: "freshroot log save", counts: true},
	{name: "giving back", command: "freshroot bless --give-back", counts: true,
		apart: ".freshroot/given-back"},
	{name: "blessing", command: "freshroot bless", counts: true},
}

// TestIntegrationPowerCuts takes the power from a machine at random instants of its life.
// The disk has a write cache: of what was not flushed, any part may be lost. Each time
// the file system has to be sound, and after the next boot the pool is exactly what it
// is without a cut, or what it is if the episode had not begun, to the last file.
//
// Each episode runs once, and the log of its writes is cut as often as wanted.
func TestIntegrationPowerCuts(t *testing.T) {
	t.Parallel()
	needRoot(t)
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	tally := &tally{}
	t.Cleanup(func() { tally.print(t) })
	waiting := saveWaiting(t)
	for i, r := range record(t) {
		r.waiting = waiting
		n := *cuts / len(life)
		if i < *cuts%len(life) {
			n++
		}
		tally.add(r.name, n)
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.learn(t)
			for k := range n {
				t.Run(fmt.Sprint(k), func(t *testing.T) {
					t.Parallel()
					r.cut(t, rand.New(rand.NewPCG(*seed, uint64(i)<<32+uint64(k))), tally)
				})
			}
		})
	}
}

// learn boots what no cut has touched: what the episode began with, and what it left.
func (r *recording) learn(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	r.disk(t, path, writelog.All(r.first))
	r.before = r.boot(t, path)
	r.disk(t, path, writelog.All(len(r.log.Entries)))
	r.after = r.boot(t, path)
	if cmp.Equal(r.before.cut, r.after.cut) {
		t.Fatalf("%s changes nothing", r.name)
	}
}

// boot looks at the disk of a cut, and at what the next boot makes of it.
func (r *recording) boot(t *testing.T, path string) (o outcome) {
	t.Helper()
	r.check(t, path)
	o.cut = r.lookAtCopy(t, path)
	o.warnings = r.waiting.resume(t, vm.Disk{Path: path}).boot.Warnings
	r.check(t, path)
	o.booted = r.look(t, path)
	if left := o.booted.below(".freshroot/staging"); len(left) > 0 {
		t.Errorf("left in staging: %v", left)
	}
	return o
}

// check lets another program judge the file system.
func (r *recording) check(t *testing.T, path string) {
	t.Helper()
	r.lock.Lock()
	defer r.lock.Unlock()
	err := image.Attach(path, 1, true, func(dev string) error {
		out, err := exec.Command("btrfs", "check", "--readonly", dev).CombinedOutput()
		if err != nil {
			t.Errorf("btrfs check: %s", out)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// cut takes the power, and of some machines once more while they boot after it. A failure
// leaves the disk with the test's artifacts.
func (r *recording) cut(t *testing.T, rng *rand.Rand, tally *tally) {
	path := filepath.Join(t.TempDir(), "disk.img")
	c := r.log.Cut(rng, r.first)
	t.Logf("seed %d, power goes %s", *seed, c)
	r.disk(t, path, c)
	whole := []state{r.before.cut, r.after.cut}
	if !r.counts && rng.IntN(4) == 0 {
		r.cutAgain(t, rng, path)
		whole = append(whole, r.before.booted, r.after.booted)
	}
	kept := path + ".kept"
	copySparse(t, kept, path)
	t.Cleanup(func() {
		if t.Failed() {
			copySparse(t, filepath.Join(t.ArtifactDir(), "disk.img"), kept)
			tally.count(r.name, failed)
		}
	})
	o := r.boot(t, path)
	r.judge(t, o, whole)
	if !t.Failed() {
		what := r.classify(o.cut)
		t.Logf("the pool was %s", whats[what])
		tally.count(r.name, what)
	}
}

// cutAgain boots the disk of a cut, and takes the power from that.
func (r *recording) cutAgain(t *testing.T, rng *rand.Rand, path string) {
	t.Helper()
	second := written{base: path + ".first"}
	copySparse(t, second.base, path)
	d := vm.Disk{Path: path, Log: newLog(t, path)}
	r.waiting.resume(t, d)
	second.log = readLog(t, d.Log)
	c := second.log.Cut(rng, 0)
	t.Logf("and once more %s", c)
	second.disk(t, path, c)
}

// judge says what is wrong with a pool. Its /etc and /var have to be those of one of the
// whole ones, already when power goes.
func (r *recording) judge(t *testing.T, o outcome, whole []state) {
	t.Helper()
	for _, part := range []string{"etc", "var"} {
		if part != r.grows {
			checkPart(t, o.cut, whole, instance+"/"+part)
		}
	}
	if !r.isLegal(o.booted) {
		t.Errorf("after the boot the pool is neither the old one (-want +got):\n%s\nnor the new one:\n%s",
			cmp.Diff(r.before.booted, o.booted), cmp.Diff(r.after.booted, o.booted))
	}
	for _, w := range o.warnings {
		if !slices.Contains(r.before.warnings, w) && !slices.Contains(r.after.warnings, w) {
			t.Errorf("warning: %s", w)
		}
	}
}

// checkPart compares a part with those of whole pools.
func checkPart(t *testing.T, got state, whole []state, part string) {
	t.Helper()
	is := got.below(part).content()
	diffs := ""
	for _, w := range whole {
		diff := cmp.Diff(w.below(part).content(), is)
		if diff == "" {
			return
		}
		diffs += diff
	}
	t.Errorf("/%s is none of the whole ones (-want +got):\n%s", part, diffs)
}

// isLegal says whether a pool after a boot is one of the two that it may be: as a whole,
// and of what is changed one by one, each for itself.
func (r *recording) isLegal(got state) bool {
	is := got.split(r.apart)
	old, new := r.before.booted.split(r.apart), r.after.booted.split(r.apart)
	for _, parts := range []map[string]state{is, old, new} {
		for where := range parts {
			if !cmp.Equal(is[where], old[where]) && !cmp.Equal(is[where], new[where]) {
				return false
			}
		}
	}
	return true
}

// classify says how far the episode had come.
func (r *recording) classify(s state) int {
	switch {
	case cmp.Equal(s, r.before.cut):
		return untouched
	case cmp.Equal(s, r.after.cut):
		return complete
	}
	return between
}
