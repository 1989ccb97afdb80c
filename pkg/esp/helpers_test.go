package esp_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// usr is a golden master by its version and counter.
func usr(t *testing.T, version string) subvol.Member {
	t.Helper()
	m, err := subvol.Parse("usr:org.example.os:x86-64:" + version)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// version is a golden master with a kernel and an initramfs that have its name in them.
func version(t *testing.T, name string) esp.Version {
	t.Helper()
	m := usr(t, name)
	return esp.Version{
		Usr: m, Release: "6.1.0-" + m.Version, Title: "Example OS",
		Kernel:    esp.Bytes([]byte(kernelOf(m.Version))),
		Initramfs: esp.Bytes([]byte(initramfsOf(m.Version))),
	}
}

func kernelOf(version string) string    { return strings.Repeat("kernel "+version+"\n", 1000) }
func initramfsOf(version string) string { return strings.Repeat("initramfs "+version+"\n", 2000) }

func versions(t *testing.T, names ...string) (list []esp.Version) {
	t.Helper()
	for _, name := range names {
		list = append(list, version(t, name))
	}
	return list
}

// fakeLoader is a boot loader that says to be systemd-boot.
func fakeLoader(version string) esp.File {
	return esp.Bytes([]byte("MZ\x00#### LoaderInfo: systemd-boot " + version + " ####\x00"))
}

// config is that of a machine with systemd-boot.
func config() esp.Config {
	return esp.Config{Arch: "x86-64", Style: esp.Entries, Timeout: 3, Loader: fakeLoader("257.9")}
}

func look(t *testing.T, dir string) esp.State {
	t.Helper()
	s, err := esp.Look(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decide plans twice, for the first time must change nothing.
func decide(t *testing.T, dir string, want []esp.Version, c esp.Config) esp.Plan {
	t.Helper()
	state := look(t, dir)
	first, err := esp.Decide(state, want, c)
	if err != nil {
		t.Fatal(err)
	}
	second, err := esp.Decide(state, want, c)
	if diff := cmp.Diff(first.String(), second.String()); diff != "" || err != nil {
		t.Fatalf("decided again: %v (-first +second):\n%s", err, diff)
	}
	return first
}

func apply(t *testing.T, dir string, p esp.Plan) {
	t.Helper()
	if err := p.Apply(t.Context(), testfs.Open(t, dir)); err != nil {
		t.Fatal(err)
	}
}

// sync makes a directory match, and checks that nothing is left to do then.
func sync(t *testing.T, dir string, want []esp.Version, c esp.Config) esp.Plan {
	t.Helper()
	p := decide(t, dir, want, c)
	apply(t, dir, p)
	if again := decide(t, dir, want, c); len(again.Ops) > 0 {
		t.Errorf("the second time there is to do:\n%s", again)
	}
	return p
}

// files returns the files in a directory with their content, and empty directories.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if list, _ := os.ReadDir(filepath.Join(dir, name)); len(list) == 0 {
				found[name+"/"] = ""
			}
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// names returns the names of files, without their content.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// realFile is a file of Debian's package systemd-boot-efi.
func realFile(t *testing.T, name string) esp.File {
	t.Helper()
	path := filepath.Join("/usr/lib/systemd/boot/efi", name)
	text, err := os.ReadFile(path)
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return esp.Bytes(text)
}

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func rename(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
		t.Fatal(err)
	}
}

func ls(t *testing.T, dir, name string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
