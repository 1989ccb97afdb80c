package image_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/freshroot/freshroot/qemu-tests/image"
)

// helperEnv tells the test binary to be the program that is interrupted: it mounts
// this image, says where, and waits.
const helperEnv = "IMAGE_TEST_MOUNT"

func TestMain(m *testing.M) {
	if path := os.Getenv(helperEnv); path != "" {
		err := image.Mount(path, 3, false, func(root string) error {
			fmt.Println(root)
			select {}
		})
		fmt.Println(err) // not reached, unless the mount failed
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestIntegrationInterrupted(t *testing.T) {
	path := create(t, 512)
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		root, err := bufio.NewReader(out).ReadString('\n')
		if err := errors.Join(err, cmd.Process.Signal(signal)); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != signal {
			t.Errorf("the program ended with %v, want %v", err, signal)
		}
		checkGone(t, path, strings.TrimSpace(root))
	}
}

// checkGone wants neither the mount nor the loop device of an image.
func checkGone(t *testing.T, path, root string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), root) {
		t.Errorf("%s is still mounted (%v)", root, err)
	}
	out, err := tool("losetup", "--list", "--associated", path)
	if err != nil || out != "" {
		t.Errorf("losetup shows (%v):\n%s", err, out)
	}
}
