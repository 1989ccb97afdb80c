package testfs

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Fill fills a btrfs with a new file: first the data, so that no space is left that could
// be set apart for metadata, then the metadata, in smaller and smaller pieces. It writes
// little, and so takes no longer on a large file system.
func Fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	end := int64(0)
	for size := int64(1 << 30); size >= 4096; {
		if err := unix.Fallocate(fd, 0, end, size); err == nil {
			end += size
		} else {
			size /= 2
		}
	}
	for size, i := 15000, 0; size > 0; i++ {
		err := unix.Fsetxattr(fd, "user."+strconv.Itoa(i), make([]byte, size), 0)
		if errors.Is(err, unix.ENOSPC) {
			size /= 8
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path+".dir", 0o755); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("there is still room: %v", err)
	}
}
