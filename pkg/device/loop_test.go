package device_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/device"
)

// TestIntegrationDetachLoop has another one look at the device for a moment, as udev does.
func TestIntegrationDetachLoop(t *testing.T) {
	testfs.Root(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	loop, err := device.AttachLoop(f, device.Range{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	other := testfs.Open(t, loop.Name())
	time.AfterFunc(50*time.Millisecond, func() { other.Close() })
	if err := device.DetachLoop(loop); err != nil {
		t.Error(err)
	}
	backing := filepath.Join("/sys/block", filepath.Base(loop.Name()), "loop/backing_file")
	if text, err := os.ReadFile(backing); !errors.Is(err, fs.ErrNotExist) && string(text) == f.Name()+"\n" {
		t.Errorf("the device is still there: %q, %v", text, err)
	}
}
