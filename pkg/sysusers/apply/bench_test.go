package apply_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
)

// synthetic is a configuration of 20,000 lines.
func synthetic() string {
	var b strings.Builder
	b.WriteString("r - 1000-60000\n")
	for i := range 10000 {
		fmt.Fprintf(&b, "u svc%d - \"Service number %d\" /var/lib/svc%d\n", i, i, i)
	}
	for i := range 5000 {
		fmt.Fprintf(&b, "g grp%d -\nm svc%d grp%d\n", i, i, i)
	}
	return b.String()
}

// BenchmarkSynthetic prints how long systemd-sysusers takes, as a multiple of our time.
func BenchmarkSynthetic(b *testing.B) {
	testfs.Root(b)
	program := trixie.Sysusers(b)
	dir := b.TempDir()
	path := filepath.Join(dir, "usr/lib/sysusers.d/big.conf")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(synthetic()), 0o644); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	b.ReportAllocs()
	for b.Loop() {
		ours += clock(b, dir, func() error {
			return apply.Populate(testfs.Open(b, dir), today, func(sysusers.Note) {})
		})
		b.StopTimer()
		cmd := exec.Command(program, "--root="+dir)
		theirs += clock(b, dir, cmd.Run)
		b.StartTimer()
	}
	b.ReportMetric(float64(theirs)/float64(ours), "theirs/ours")
}

// clock measures a run that begins without accounts.
func clock(b *testing.B, dir string, run func() error) time.Duration {
	b.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "etc")); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}
