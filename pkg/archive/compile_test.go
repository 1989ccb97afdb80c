package archive

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

// checkout makes a module of the name of ours with an init of a few lines.
func checkout(t *testing.T) string {
	t.Helper()
	return writeFiles(t, t.TempDir(), map[string]string{
		"go.mod":            "module github.com/freshroot/freshroot\n\ngo 1.21\n",
		"initramfs/main.go": "package main\n\nfunc main() { println(\"hello\") }\n",
	})
}

// Neither place, umask, time zone, nor the time that passes change the bytes.
func TestBuildIsReproducible(t *testing.T) {
	kerneltest.Tool(t, "go")
	kernel := smallKernel(t)
	modules := Modules{Required: []string{"btrfs"}}
	first, _ := build(t, Options{Source: checkout(t), Kernel: kernel, Modules: modules})

	t.Setenv("TZ", "Pacific/Auckland")
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	t.Chdir(checkout(t))
	out := filepath.Join(t.TempDir(), "out")
	second, _ := build(t, Options{Output: out, Kernel: kernel, Modules: modules})
	if !bytes.Equal(first, second) {
		t.Errorf("two builds differ: %d and %d bytes", len(first), len(second))
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode(), fs.FileMode(0o644); got != want {
		t.Errorf("mode of the output is %v, want %v", got, want)
	}
}

func TestCompiledInitRuns(t *testing.T) {
	if got, want := runInit(t, checkout(t)), "hello\n"; got != want {
		t.Errorf("the init says %q, want %q", got, want)
	}
}

// The kernel says of each mapping what it was advised of: nh is no huge pages.
func TestInitHasNoHugeHeap(t *testing.T) {
	source := writeFiles(t, checkout(t), map[string]string{"initramfs/main.go": heapFlags})
	flags := runInit(t, source)
	if !slices.Contains(strings.Fields(flags), "nh") {
		t.Errorf("the heap may have huge pages, its flags are %q", flags)
	}
}

// heapFlags prints the flags of the mapping that holds an object of the heap.
const heapFlags = `package main

import (
	"fmt"
	"os"
	"strings"
	"unsafe"
)

func main() {
	object := new([64]byte)
	at := uintptr(unsafe.Pointer(object))
	text, _ := os.ReadFile("/proc/self/smaps")
	inside := false
	for _, line := range strings.Split(string(text), "\n") {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= at && at < to
		} else if inside && strings.HasPrefix(line, "VmFlags:") {
			fmt.Println(line)
		}
	}
	os.Stderr.Write(object[:0]) // keeps it on the heap
}
`

// runInit compiles an init and returns what it says.
func runInit(t *testing.T, source string) string {
	t.Helper()
	kerneltest.Tool(t, "go")
	data, _ := build(t, Options{Source: source, Compression: None})
	init := filepath.Join(t.TempDir(), "init")
	if err := os.WriteFile(init, fileOf(t, data, "init"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(init).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// fileOf returns the content of a file in an archive that is not compressed.
func fileOf(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	for {
		file, content, rest, err := nextFile(data)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name == name {
			return content
		}
		data = rest
	}
}

func TestCompileRefuses(t *testing.T) {
	kerneltest.Tool(t, "go")
	_, err := Build(t.Context(), Options{Source: t.TempDir()})
	if !errors.Is(err, ErrNoSource) {
		t.Errorf("outside of a checkout: got error %v, want ErrNoSource", err)
	}
	broken := checkout(t)
	writeFiles(t, broken, map[string]string{"initramfs/main.go": "package main\nbroken"})
	_, err = Build(t.Context(), Options{Source: broken})
	if err == nil || errors.Is(err, ErrNoSource) {
		t.Errorf("source with a mistake: got error %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = Build(t.Context(), Options{Source: broken})
	if !errors.Is(err, ErrNoToolchain) {
		t.Errorf("without Go: got error %v, want ErrNoToolchain", err)
	}
}

func TestBuildCancelled(t *testing.T) {
	kerneltest.Tool(t, "go")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := t.TempDir()
	_, err := Build(ctx, Options{Source: checkout(t), Output: filepath.Join(out, "out")})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	wantOnly(t, out)
}
