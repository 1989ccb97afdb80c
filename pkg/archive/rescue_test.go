package archive

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/kmod/kerneltest"
)

// rescueCheckout is a checkout whose rescue commands are two of a few lines. What makes one
// program of them is a tool of our module.
func rescueCheckout(t *testing.T) string {
	t.Helper()
	const module = "example.org/rescue"
	ours := map[string]string{}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		ours[name] = string(data)
	}
	return writeFiles(t, writeFiles(t, checkout(t), ours), map[string]string{
		"cmd/freshroot/main.go": "package main\n\nfunc main() { println(\"the tool\") }\n",
		"initramfs/rescue/go.mod": "module " + module + "\n\ngo 1.24\n\n" +
			"tool (\n\t" + module + "/gosh\n\t" + module + "/ls\n)\n",
		"initramfs/rescue/gosh/main.go": "package main\n\nfunc main() { println(\"the shell\") }\n",
		"initramfs/rescue/ls/main.go":   "package main\n\nfunc main() { println(\"the list\") }\n",
	})
}

// unpackTo puts the files and links below bin where they can be executed.
func unpackTo(t *testing.T, dir string, data []byte) (names []string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for {
		file, content, rest, err := nextFile(data)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, file.Name)
		switch {
		case file.Name == trailer:
			return names
		case filepath.Dir(file.Name) != "bin":
		case file.Mode&0o170000 == 0o120000:
			err = os.Symlink(string(content), name)
			names = append(names, file.Name)
		default:
			err = os.WriteFile(name, content, 0o755)
			names = append(names, file.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		data = rest
	}
}

// TestRescue executes what is in there, by its names.
func TestRescue(t *testing.T) {
	kerneltest.Tool(t, "go")
	data, result := build(t, Options{
		Init: script(t), Source: rescueCheckout(t), Shell: ShellRescue, Compression: None,
	})
	dir := t.TempDir()
	want := []string{"bin/bb", "bin/btrfs", "bin/freshroot", "bin/gosh", "bin/ls", "bin/sh"}
	if !result.Btrfs {
		want = append(want[:1], want[2:]...)
	}
	if diff := cmp.Diff(want, unpackTo(t, dir, data)); diff != "" {
		t.Errorf("programs (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{
		"sh": "the shell\n", "ls": "the list\n", "freshroot": "the tool\n",
	} {
		out, err := exec.Command(filepath.Join(dir, "bin", name)).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s says %q, %v; want %q", name, out, err, want)
		}
	}
	if result.RescueSize < 1e6 || result.RescueSize > result.Unpacked {
		t.Errorf("%+v", result)
	}
}

// TestRescueBtrfs has the libraries of a program that is linked dynamically.
func TestRescueBtrfs(t *testing.T) {
	btrfs := kerneltest.Tool(t, "btrfs")
	files, r := tree{}, Result{}
	if err := addBtrfs(files, &r); err != nil {
		t.Fatal(err)
	}
	if _, ok := files["bin/btrfs"]; !ok || !r.Btrfs || len(files) < 3 {
		t.Errorf("%s brings %d files; %+v", btrfs, len(files), r)
	}
	t.Setenv("PATH", t.TempDir())
	files, r = tree{}, Result{}
	if err := addBtrfs(files, &r); err != nil || len(files) > 0 || r.Btrfs {
		t.Errorf("without btrfs: %v, %d files; %+v", err, len(files), r)
	}
}

func TestNoShell(t *testing.T) {
	data, _ := build(t, Options{Init: script(t), Shell: ShellNever})
	contents, err := Inspect(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range contents.Files {
		if file.Name == NoShellFile {
			return
		}
	}
	t.Errorf("/%s is not in %v", NoShellFile, contents.Files)
}
