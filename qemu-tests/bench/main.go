// Command bench measures freshroot against its peers and prints tables in Markdown,
// for docs/performance.md.
//
//	go run ./qemu-tests/bench [--quick] [boot|peers|copy|size|members|populate|state|image|firmware]...
//
// boot compares the init with a static C program that does the same and has all
// decisions compiled in (floor/floor.c); peers with initramfs-tools and dracut; copy
// the copy of the factory with cp -a; size measures archives and memory; members what
// a pool of ten thousand costs; populate compares sysusers.d and tmpfiles.d with systemd;
// state measures what a reset and a counted try add; image compares building an image
// with mkfs.btrfs and cp -a; firmware a boot by firmware with a direct one. Without a name it is all of them.
//
// Two clocks: V counts instructions of the guest (QEMU's icount), one as a
// nanosecond: it can be repeated on a busy machine, but knows neither caches nor
// several CPUs. R is real time in an emulated machine, and noisy. What is compared is
// measured in turns, and a table has the medians.
//
// It needs root, a Debian with the packages that scripts/bench installs, and a mirror
// of Debian. It leaves nothing behind but the cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// section is a part of the benchmark.
type section struct {
	name string
	run  func(ctx context.Context, l *lab, w io.Writer) error
}

var sections = []section{
	{"boot", bootSection},
	{"peers", peersSection},
	{"copy", copySection},
	{"size", sizeSection},
	{"members", membersSection},
	{"populate", populateSection},
	{"state", stateSection},
	{"image", imageSection},
	{"firmware", firmwareSection},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == copyCommand {
		return copyTree(args[1:])
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	fast := flags.Bool("quick", false, "few repetitions")
	// With ExitOnError it does not return.
	_ = flags.Parse(args)
	chosen, err := choose(flags.Args())
	if err != nil {
		return err
	}
	r := thorough
	if *fast {
		r = quick
	}
	return measure(chosen, r)
}

// choose returns the sections with these names, or all.
func choose(names []string) ([]section, error) {
	if len(names) == 0 {
		return sections, nil
	}
	var chosen []section
	for _, name := range names {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown section %q", name)
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

// measure runs the sections in a scratch directory.
func measure(chosen []section, r repeats) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "freshroot-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := newLab(ctx, dir, r)
	if err != nil {
		return err
	}
	if err := describe(ctx, l, os.Stdout); err != nil {
		return err
	}
	for _, s := range chosen {
		if err := s.run(ctx, l, os.Stdout); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

var began = time.Now()

// progress tells the person who waits what goes on.
func progress(format string, args ...any) {
	since := time.Since(began).Seconds()
	fmt.Fprintf(os.Stderr, "%5.0f s  %s\n", since, fmt.Sprintf(format, args...))
}

func shortName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".cpio.zst")
}
