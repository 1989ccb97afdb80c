package machineid_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/machineid"
)

// TestStoredAsSystemd asks systemd which contents of /etc/machine-id it keeps. It keeps
// all zeros, too, which its own library then refuses.
func TestStoredAsSystemd(t *testing.T) {
	setup := testfs.Tool(t, "systemd-machine-id-setup")
	for _, text := range []string{
		plain, plain + "\n", strings.ToUpper(plain) + "\n", uuid + "\n", "", "\n", "uninitialized\n",
		plain + "\n\n", plain + "\r\n", plain + " \n", " " + plain, plain + "0\n", plain[1:] + "\n",
		plain + "\n" + other + "\n", plain + "\x00", "g" + plain[1:] + "\n",
	} {
		root := t.TempDir()
		file := filepath.Join(root, "etc/machine-id")
		if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(setup, "--root="+root, "--print").Output()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		want := strings.HasPrefix(strings.ToLower(text), strings.TrimSpace(string(out)))
		got := machineid.Decide(machineid.Facts{Stored: text}).Source == machineid.FromFile
		if got != want {
			t.Errorf("%q is an id: %v, systemd says %v", text, got, want)
		}
	}
}

// TestHostnameAsSystemd asks systemd which of some names, made of what matters, it takes.
func TestHostnameAsSystemd(t *testing.T) {
	firstboot := testfs.Tool(t, "systemd-firstboot")
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a.", 32), strings.Repeat("a.", 33)}
	for range 200 {
		name := make([]byte, 1+random.IntN(6))
		for i := range name {
			name[i] = "aZ9-.._ "[random.IntN(8)]
		}
		names = append(names, string(name))
	}
	valid := 0
	for _, name := range names {
		err := exec.Command(firstboot, "--root="+t.TempDir(), "--hostname="+name).Run()
		if got, want := machineid.ValidHostname(name), err == nil; got != want {
			t.Errorf("ValidHostname(%q) = %v, systemd says %v", name, got, want)
		}
		if err == nil {
			valid++
		}
	}
	if valid < 20 {
		t.Errorf("only %d of the names are valid", valid)
	}
}
