package device_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
)

// TestIntegrationVariable has files in the place of variables, protected as efivarfs
// protects them.
func TestIntegrationVariable(t *testing.T) {
	dir := testfs.Btrfs(t, 128)
	const name = "FactoryReset-8cf2644b-4b0b-428f-9387-6d876050dc67"
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("\x07\x00\x00\x001\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "chattr", "+i", path)
	for longest, want := range map[int64]string{4: "\x07\x00\x00\x001", 100: "\x07\x00\x00\x001\x00"} {
		got, err := device.ReadVariable(dir, name, longest)
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("%d bytes: %v (-want +got):\n%s", longest, err, diff)
		}
	}
	for range 2 { // the second one finds none
		if err := device.DeleteVariable(dir, name); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
	if got, err := device.ReadVariable(dir, name, 100); got != nil || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// TestIntegrationWriteVariable writes one that is not there, and then one that is
// protected.
func TestIntegrationWriteVariable(t *testing.T) {
	dir := testfs.Btrfs(t, 128)
	const name = "BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	for _, value := range []string{"\x01\x00", "\x02\x00"} {
		if err := device.WriteVariable(dir, name, 7, []byte(value)); err != nil {
			t.Fatal(err)
		}
		got, err := device.ReadVariable(dir, name, 100)
		if diff := cmp.Diff("\x07\x00\x00\x00"+value, string(got)); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		testfs.Run(t, "chattr", "+i", filepath.Join(dir, name))
	}
	testfs.Run(t, "chattr", "-i", filepath.Join(dir, name))
	if err := device.WriteVariable(filepath.Join(dir, "absent"), name, 7, nil); err == nil {
		t.Error("written where there is no directory")
	}
}
