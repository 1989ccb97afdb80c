package esp_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
)

const image = "EFI/Linux/org.example.os_1.0.efi"

// imageConfig wants unified kernel images with the real stub.
func imageConfig(t *testing.T) esp.Config {
	c := config()
	c.Style, c.Stub = esp.UKI, realFile(t, "linuxx64.efi.stub")
	c.Loader = realFile(t, "systemd-bootx64.efi")
	return c
}

// TestImage has objdump and objcopy look into a unified kernel image.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	v := version(t, "1.0")
	v.Options, v.Title = "quiet", `An "OS"`
	sync(t, dir, []esp.Version{v}, imageConfig(t))
	file := filepath.Join(dir, image)
	headers := testfs.Run(t, "objdump", "-h", file)
	previous := ""
	section := regexp.MustCompile(`(?m)^ +\d+ (\S+) +\S+ +(\S+)`)
	for _, m := range section.FindAllStringSubmatch(headers, -1) {
		if m[2] <= previous {
			t.Errorf("section %s is not behind the one before:\n%s", m[1], headers)
		}
		previous = m[2]
	}
	for name, want := range map[string]string{
		".osrel": lines(`ID="linux"`, `PRETTY_NAME="An \"OS\""`,
			`IMAGE_ID="org.example.os"`, `IMAGE_VERSION="1.0"`),
		".cmdline": "freshroot.usr=org.example.os:1.0 quiet",
		".uname":   "6.1.0-1.0", ".linux": kernelOf("1.0"), ".initrd": initramfsOf("1.0"),
	} {
		out := filepath.Join(t.TempDir(), "section")
		testfs.Run(t, "objcopy", "--dump-section", name+"="+out, file, out+".efi")
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(bytes.TrimRight(got, "\x00"))); diff != "" {
			t.Errorf("%s (-want +got):\n%.500s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"EFI/BOOT/BOOTX64.EFI", image,
		"EFI/systemd/systemd-bootx64.efi", "loader/loader.conf"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSign has sbverify look at what was signed.
func TestSign(t *testing.T) {
	testfs.Tool(t, "sbsign")
	keys := t.TempDir()
	key, cert := filepath.Join(keys, "key.pem"), filepath.Join(keys, "cert.pem")
	testfs.Run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
		"-keyout", key, "-out", cert, "-days", "3650")
	dir := t.TempDir()
	c := imageConfig(t)
	sync(t, dir, versions(t, "1.0"), c) // unsigned at first
	for _, name := range []string{image, "EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi"} {
		out := testfs.Run(t, "sbverify", "--list", filepath.Join(dir, name))
		if !strings.Contains(out, "No signature table") {
			t.Errorf("%s: %s", name, out)
		}
	}
	c.Sign = &esp.Signer{Key: key, Cert: cert}
	sync(t, dir, versions(t, "1.0+3", "1.1+3"), c)
	for _, name := range []string{
		image, "EFI/Linux/org.example.os_1.1+3.efi",
		"EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi",
	} {
		testfs.Run(t, "sbverify", "--cert", cert, filepath.Join(dir, name))
	}
	// What is signed stays so, also without the key.
	c.Sign = nil
	if plan := decide(t, dir, versions(t, "1.0+3", "1.1+3"), c); len(plan.Ops) > 0 {
		t.Errorf("without the key there is to do:\n%s", plan)
	}
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Sign = &esp.Signer{Key: key, Cert: cert}
	plan := decide(t, dir, versions(t, "1.2"), c)
	err := plan.Apply(t.Context(), testfs.Open(t, dir))
	if err == nil || !strings.Contains(err.Error(), "sbsign") {
		t.Errorf("with a spoilt key: %v", err)
	}
}
