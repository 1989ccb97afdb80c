package btrfs_test

import (
	"errors"
	"testing"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/btrfs"
)

// TestIntegrationGrow grows what cannot grow; package device has the test of what can.
func TestIntegrationGrow(t *testing.T) {
	if err := btrfs.Grow(testfs.Open(t, testfs.Btrfs(t, btrfs.LeastSize>>20))); err != nil {
		t.Errorf("one as large as its device: %v", err)
	}
	for name, dir := range map[string]string{
		"a tmpfs": testfs.Tmpfs(t, ""), "a small one": testfs.Btrfs(t, btrfs.LeastSize>>20-1),
	} {
		var typed *btrfs.IoctlError
		if err := btrfs.Grow(testfs.Open(t, dir)); !errors.As(err, &typed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
