package tree_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/zoo"
	"github.com/freshroot/freshroot/pkg/source/tree"
)

// TestIntegrationRandom builds trees from entries that know no rules: whatever they do, and
// whether they can be done, nothing beside the tree changes.
func TestIntegrationRandom(t *testing.T) {
	m := &zoo.Maker{T: t, Dir: testfs.Tmpfs(t, "size=16m")}
	m.File("outside/a/b", "secret", 0o600)
	m.File("outside/b", "secret", 0o600)
	m.Symlink("b", "outside/c")
	m.Mkdir("trees", 0o755)
	zoo.Snapshot(t, m.Path("outside")) // which reads, and so changes access times, once
	before, open := zoo.Snapshot(t, m.Path("outside")), descriptors(t)
	done := 0
	for seed := range uint64(200) {
		dir := filepath.Join(m.Path("trees"), "tree")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		done += build(t, dir, rand.New(rand.NewPCG(seed, 1)))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	zoo.Equal(t, before, zoo.Snapshot(t, m.Path("outside")))
	if now := descriptors(t); now != open {
		t.Errorf("%d descriptors are open, %d were before", now, open)
	}
	if done < 1000 {
		t.Errorf("only %d entries were made", done)
	}
}

// build makes what can be made, and returns how much that was.
func build(t *testing.T, path string, r *rand.Rand) (done int) {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	b, err := tree.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 30 {
		if random(b, r) == nil {
			done++
		}
	}
	if err := b.Finish(); err != nil {
		t.Error(err)
	}
	return done
}

// random adds an entry.
func random(b *tree.Builder, r *rand.Rand) error {
	name, other := randomName(r), randomName(r)
	a := tree.Attributes{UID: r.Uint32N(3), Mode: r.Uint32N(0o10000)}
	switch r.IntN(12) {
	case 0, 1:
		return b.Dir(name, a)
	case 2, 3:
		return b.File(name, a, 4, strings.NewReader("data"))
	case 4, 5:
		return b.Symlink(name, other, a)
	case 6:
		return b.Symlink(name, "../../outside", a)
	case 7:
		return b.Link(name, other)
	case 8:
		return b.Fifo(name, a)
	case 9:
		return b.Hide(name)
	case 10:
		return b.Clear(name)
	default:
		b.NextLayer()
		return nil
	}
}

// randomName is a name of up to four parts; some lead up, or begin at the root.
func randomName(r *rand.Rand) string {
	parts := []string{"a", "b", "c", "a", "b", "c", "a", "b", "c", "..", ".", ""}
	var name []string
	for range 1 + r.IntN(4) {
		name = append(name, parts[r.IntN(len(parts))])
	}
	return strings.Join(name, "/")
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
