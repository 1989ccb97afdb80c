package qemutests_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
)

// signedUKI is where the version of signedImage is on the first partition.
const signedUKI = "EFI/Linux/" + vendor + "_1.0.efi"

// TestIntegrationSecureBoot has systemd-boot enroll the keys that an image is signed with
// in a firmware that has none. From then on that runs nothing else: no unified kernel
// image of which a bit is wrong, and no systemd-boot that is not signed.
func TestIntegrationSecureBoot(t *testing.T) {
	t.Parallel()
	m := secureMachine(t)
	keys := makeKeys(t)
	disk := signedImage(t, keys)
	enrollKeys(t, keys, disk)
	m.Disks = []vm.Disk{{Path: disk}}

	s := m.start("")
	s.expect("Enrolling secure boot keys")
	s.wait() // it reboots
	if diff := cmp.Diff(" 06 00 00 00 01\n", m.boot("").RunOutput); diff != "" {
		t.Errorf("the variable SecureBoot (-want +got):\n%s", diff)
	}

	toESP(t, disk, tampered(t, disk, signedUKI), signedUKI)
	m.refuses("Error loading .*" + vendor + "_1.0.efi: Access Denied")
	toESP(t, disk, bootLoader, "EFI/BOOT/BOOTX64.EFI")
	m.refuses("failed to load Boot.*: Access Denied")
}

// secureMachine has firmware that can do Secure Boot, and nobody's keys.
func secureMachine(t *testing.T) *machine {
	t.Helper()
	m := firmwareOnly(t)
	m.Firmware.Code = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	needFile(t, m.Firmware.Code)
	// The variables can be written by the firmware alone.
	m.ExtraArgs = []string{"-global", "driver=cfi.pflash01,property=secure,value=on"}
	return m
}

// refuses boots and waits until the firmware has said that it does not.
func (m *machine) refuses(pattern string) {
	m.t.Helper()
	s := m.start("")
	s.expect(pattern)
	s.vm.Kill()
}

// makeKeys makes a key and its certificate, and the variables of the firmware that
// contain it, each signed by itself, in a directory.
func makeKeys(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	testfs.Tool(t, "sign-efi-sig-list")
	testfs.Run(t, "sh", "-e", "-c", `cd "$0"
		openssl req -new -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout key.pem -out cert.pem
		cert-to-efi-sig-list -g 5a4ab3ee-8d49-4a65-9a4f-6ad9d0ffb7a7 cert.pem list
		for v in PK KEK db; do sign-efi-sig-list -k key.pem -c cert.pem $v list $v.auth; done`, dir)
	return dir
}

// signedImage is an image of the busybox guest, made by the tool.
func signedImage(t *testing.T, keys string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	look := guest.RunArg("mount -t efivarfs efivarfs /mnt; od -An -tx1 /mnt/SecureBoot-*")
	imageTool(t, "build", "-o", path, "--usr", busyboxTree(t), "--kernel-from", slimKernel(t),
		"--initramfs", everywhere.get(t).Output, "--vendor", vendor, "--version", "1.0",
		"--esp-size", "128M", "--cmdline", "console=ttyS0 panic=1 volatile=yes "+look, "--uki",
		"--sign-key", filepath.Join(keys, "key.pem"), "--sign-cert", filepath.Join(keys, "cert.pem"))
	return path
}

// enrollKeys has systemd-boot write the keys to the firmware, if that has none.
func enrollKeys(t *testing.T, keys, disk string) {
	t.Helper()
	conf := filepath.Join(keys, "loader.conf")
	if err := os.WriteFile(conf, []byte("timeout 0\nsecure-boot-enroll force\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	toESP(t, disk, conf, "loader/loader.conf")
	testfs.Run(t, "mmd", "-i", disk+"@@1M", "::loader/keys", "::loader/keys/auto")
	for _, name := range []string{"PK.auth", "KEK.auth", "db.auth"} {
		toESP(t, disk, filepath.Join(keys, name), "loader/keys/auto/"+name)
	}
}

// toESP copies a file to the first partition of an image.
func toESP(t *testing.T, disk, from, to string) {
	t.Helper()
	testfs.Run(t, "mcopy", "-o", "-i", disk+"@@1M", from, "::"+to)
}

// tampered is a file of the first partition with another command line in it.
func tampered(t *testing.T, disk, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	testfs.Run(t, "mcopy", "-i", disk+"@@1M", "::"+name, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("volatile=yes"))
	if at < 0 {
		t.Fatalf("%s has no command line", name)
	}
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
