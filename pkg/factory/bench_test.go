package factory

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The benchmarks copy from a warm file system of the disk to tmpfs, in turn
// with cp -a, and report cp-ratio: our time by that of cp.

// BenchmarkCopy706 is the factory of a small system: 3.9 MB.
func BenchmarkCopy706(b *testing.B) {
	compare(b, func(src string) { confFiles(b, src, 706, 11_000) })
}

// BenchmarkCopy50k is far more than any.
func BenchmarkCopy50k(b *testing.B) {
	compare(b, func(src string) { confFiles(b, src, 50_000, 3_000) })
}

// BenchmarkCopyLinks copies 20,000 symbolic links.
func BenchmarkCopyLinks(b *testing.B) {
	compare(b, func(src string) {
		for i := range 20_000 {
			dir := subdir(b, src, fmt.Sprint(i/100))
			must(b, os.Symlink("../target", filepath.Join(dir, fmt.Sprint(i))))
		}
	})
}

// confFiles makes files of random sizes, 12 to a directory.
func confFiles(b *testing.B, src string, files, most int) {
	r := rand.New(rand.NewPCG(1, 1))
	content := make([]byte, most)
	for i := range files {
		dir := subdir(b, src, fmt.Sprintf("etc/%d/%d", i/12%8, i/12))
		name := filepath.Join(dir, fmt.Sprint(i))
		must(b, os.WriteFile(name, content[:r.IntN(most)], 0o644))
	}
}

func compare(b *testing.B, fill func(src string)) {
	need(b, "cp")
	setUmask(b, 0)
	src := b.TempDir()
	fill(src)
	target := shared(b)
	for _, workers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				theirs += timed(b, target, func(dst string) { cpTree(b, dst, src) })
				ours += timed(b, target, func(dst string) {
					mustCopy(b, dst, src, Options{Workers: workers})
				})
			}
			b.ReportMetric(float64(ours)/float64(theirs), "cp-ratio")
			b.ReportMetric(float64(ours.Microseconds())/1000/float64(b.N), "ms/copy")
			b.ReportMetric(0, "ns/op") // it would be the sum of both
		})
	}
}

// timed measures a copy into an empty directory.
func timed(b *testing.B, target string, copy func(dst string)) time.Duration {
	dst := subdir(b, target, "dst")
	start := time.Now()
	copy(dst)
	elapsed := time.Since(start)
	must(b, os.RemoveAll(dst))
	return elapsed
}
