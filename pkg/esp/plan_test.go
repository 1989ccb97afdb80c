package esp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
)

// TestPlanBytes has at least as much space free as FATs with clusters of either size then take.
func TestPlanBytes(t *testing.T) {
	for _, cluster := range []int64{4 << 10, 32 << 10} {
		t.Run(fmt.Sprint(cluster), func(t *testing.T) {
			dir, conf := t.TempDir(), config()
			conf.Cluster = cluster
			var before int64
			for _, list := range [][]esp.Version{
				versions(t, "1.0"), versions(t, "1.0", "1.1"), versions(t, "1.1", "1.2", "1.3"),
			} {
				plan := sync(t, dir, list, conf)
				takes := onFAT(t, dir, cluster)
				if needs := takes - before; needs > plan.Bytes || plan.Bytes > needs+24*cluster {
					t.Errorf("%d bytes are taken, and %d were to be free:\n%s", needs, plan.Bytes, plan)
				}
				before = takes
			}
		})
	}
}

// onFAT returns how much of a FAT the files in a directory take.
func onFAT(t *testing.T, dir string, cluster int64) int64 {
	t.Helper()
	testfs.Tool(t, "mkfs.fat")
	testfs.Tool(t, "mcopy")
	image := filepath.Join(t.TempDir(), "fat.img")
	testfs.Run(t, "mkfs.fat", "-F", "12", "-s", fmt.Sprint(cluster/512), "-C", image, "8192")
	empty := freeOf(t, image)
	args := []string{"-s", "-Q", "-i", image}
	for _, name := range ls(t, dir, ".") {
		args = append(args, filepath.Join(dir, name))
	}
	testfs.Run(t, "mcopy", append(args, "::/")...)
	return empty - freeOf(t, image)
}

// lastLine is what mdir ends with.
var lastLine = regexp.MustCompile(`([0-9 ]+) bytes free\s*$`)

// freeOf returns the free space of a FAT, in bytes.
func freeOf(t *testing.T, image string) int64 {
	t.Helper()
	c := testfs.Run(t, "mdir", "-i", image, "::/")
	found := lastLine.FindStringSubmatch(c)
	if found == nil {
		t.Fatalf("mdir: %s", c)
	}
	free, err := strconv.ParseInt(strings.ReplaceAll(found[1], " ", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return free
}

// TestCluster asks the kernel.
func TestCluster(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	want := strings.TrimSpace(testfs.Run(t, "stat", "-f", "-c", "%s", dir.Name()))
	if got, err := esp.Cluster(dir); err != nil || fmt.Sprint(got) != want {
		t.Errorf("%d, %v, want %s", got, err, want)
	}
}
