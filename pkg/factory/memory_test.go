package factory

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// helperEnv tells a second process of the test binary what to copy where.
const helperEnv = "FACTORY_TEST_COPY"

// TestMain is also the program that TestIntegrationMemory measures.
func TestMain(m *testing.M) {
	job, ok := os.LookupEnv(helperEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := copyAndReport(job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// copyAndReport copies, and prints what was copied and the peak memory.
func copyAndReport(job string) error {
	var src, dst string
	var opts Options
	if _, err := fmt.Sscan(job, &src, &dst, &opts.Workers); err != nil {
		return err
	}
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	to, err := os.Open(dst)
	if err != nil {
		return err
	}
	stats, err := Copy(to, from, opts)
	if err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	fmt.Println(strings.TrimSpace(peak), stats.Dirs+stats.Files+stats.Links+stats.Others)
	return nil
}

// PID 1 stays small whatever the factory is like. The number is that of the
// whole process, with the test framework in it.
func TestIntegrationMemory(t *testing.T) {
	need(t)
	for _, test := range []struct {
		name    string
		make    func(t *testing.T, dir string)
		entries int
	}{
		{"one file", func(t *testing.T, dir string) { manyFiles(t, dir, 1) }, 2},
		{"50,000 files", func(t *testing.T, dir string) { manyFiles(t, dir, 50_000) }, 50_500},
		{"deepest", deepest, 500 * 21},
		{"open hard links", openLinks, 2 + 2*15_000},
	} {
		src := shared(t)
		test.make(t, src)
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s %d", test.name, workers), func(t *testing.T) {
				peak := peakOf(t, src, shared(t), workers, test.entries)
				t.Logf("peak RSS %d KiB", peak)
				if peak >= 16<<10 && !underRace() {
					t.Errorf("peak RSS is %d KiB", peak)
				}
			})
		}
	}
}

// underRace tells whether the race detector, which needs memory of its own, is
// built in.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// peakOf copies in a new process and returns its peak memory in KiB.
func peakOf(t *testing.T, src, dst string, workers, entries int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	job := fmt.Sprintf("%s=%s %s %d", helperEnv, src, dst, workers)
	cmd.Env = append(os.Environ(), job)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var peak, copied int
	if _, err := fmt.Sscan(string(out), &peak, &copied); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if copied != entries {
		t.Errorf("copied %d entries, want %d", copied, entries)
	}
	return peak
}

// manyFiles makes files of about 1.5 kB, 100 to a directory.
func manyFiles(t testing.TB, top string, files int) {
	t.Helper()
	var dir string
	for i := range files {
		if i%100 == 0 {
			dir = subdir(t, top, fmt.Sprint(i/100))
		}
		name := filepath.Join(dir, fmt.Sprintf("file-%d.conf", i%100))
		must(t, os.WriteFile(name, []byte(strings.Repeat("conf", i%750)), 0o644))
	}
}

// deepest makes the deepest tree there may be, of the longest names, with a few
// entries on each level.
func deepest(t *testing.T, top string) {
	name := strings.Repeat("d", 255)
	fd, err := unix.Open(top, dirFlags, 0)
	must(t, err)
	for range maxDepth {
		must(t, unix.Mkdirat(fd, name, 0o755))
		fd = descend(t, fd, name)
		for i := range 20 {
			must(t, unix.Symlinkat("x", fd, fmt.Sprintf("%0250d", i)))
		}
	}
	closeFD(fd)
}

// openLinks makes inodes whose second names all come last.
func openLinks(t *testing.T, top string) {
	for _, dir := range []string{"a", "b"} {
		subdir(t, top, dir)
	}
	for i := range 15_000 {
		name := fmt.Sprintf("%0200d", i)
		must(t, os.WriteFile(filepath.Join(top, "a", name), nil, 0o644))
		must(t, os.Link(filepath.Join(top, "a", name), filepath.Join(top, "b", name)))
	}
}
