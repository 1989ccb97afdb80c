package apply_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/internal/trixie"
	"github.com/freshroot/freshroot/pkg/rootfs"
	"github.com/freshroot/freshroot/pkg/sysusers"
	"github.com/freshroot/freshroot/pkg/sysusers/apply"
	"github.com/freshroot/freshroot/pkg/sysusers/sha512crypt"
)

// today is the date of the tests, in seconds and in days.
const (
	epoch = "1700000000"
	today = 1700000000 / 86400
)

// node is a file of /etc as it is compared.
type node struct {
	Mode     uint32
	UID, GID uint32
	Old      bool // it has the time of what was there before
	Text     string
}

func snapshot(t *testing.T, root string) map[string]node {
	t.Helper()
	got := map[string]node{}
	err := filepath.WalkDir(filepath.Join(root, "etc"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		n := node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Old: info.ModTime().Equal(past)}
		text, err := os.ReadFile(path)
		n.Text = string(text)
		rel, _ := filepath.Rel(root, path)
		got[rel] = n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// theirs runs systemd-sysusers on a root.
func theirs(t *testing.T, program, root, credentials string, args ...string) (failed bool, said string) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"--root=" + root}, args...)...)
	cmd.Env = []string{"SOURCE_DATE_EPOCH=" + epoch, "PATH=/usr/bin:/bin"}
	if credentials != "" {
		cmd.Env = append(cmd.Env, "CREDENTIALS_DIRECTORY="+credentials)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return err != nil, string(out)
}

// ours does the same with the library. With arguments, these files are the configuration.
func ours(t *testing.T, dir, credentials string, args ...string) (failed bool, said string) {
	t.Helper()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var notes bytes.Buffer
	facts := apply.Root(root, today, func(n sysusers.Note) { fmt.Fprintln(&notes, n.Text) })
	facts.Hash = sha512crypt.Hash
	facts.Credential = func(name string) (string, bool) {
		if credentials == "" {
			return "", false
		}
		text, err := os.ReadFile(filepath.Join(credentials, name))
		return string(text), err == nil
	}
	c := sysusers.New(facts)
	if len(args) == 0 {
		err = apply.ReadConfig(c, root)
	}
	for _, arg := range args {
		if err == nil {
			rel, _ := filepath.Rel(dir, arg)
			err = apply.ReadFile(c, rootfs.FS(root), rel)
		}
	}
	if err == nil {
		err = apply.Commit(root, c)
	}
	return err != nil, fmt.Sprintf("%v\n%s", err, notes.String())
}

// compare runs both on roots with the same content, twice: what is there then stays.
func compare(t *testing.T, program string, s state) {
	t.Helper()
	dir := t.TempDir()
	them, us := filepath.Join(dir, "them"), filepath.Join(dir, "us")
	s.build(t, them)
	s.build(t, us)
	credentials := s.buildCredentials(t, dir)
	arguments := func(root string) (args []string) {
		for _, name := range s.arguments {
			args = append(args, filepath.Join(root, name))
		}
		return args
	}
	for _, run := range []string{"first", "second"} {
		wantFailed, want := theirs(t, program, them, credentials, arguments(them)...)
		gotFailed, got := ours(t, us, credentials, arguments(us)...)
		diff := cmp.Diff(snapshot(t, them), snapshot(t, us))
		if wantFailed != gotFailed || diff != "" {
			t.Fatalf("%s run: systemd failed: %v, we: %v; (-want +got):\n%s\n%s\ntheirs:\n%s\nours:\n%s",
				run, wantFailed, gotFailed, diff, s, want, got)
		}
	}
}

// TestIntegrationGenerated compares with systemd-sysusers on generated roots. SYSUSERS_CASES
// and SYSUSERS_SEED say how many, and which is the first.
func TestIntegrationGenerated(t *testing.T) {
	testfs.Root(t)
	program := trixie.Sysusers(t)
	cases, first := number(t, "SYSUSERS_CASES", 2000), number(t, "SYSUSERS_SEED", 1)
	if testing.Short() {
		cases = min(cases, 100)
	}
	seeds := make(chan int)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for seed := range seeds {
				t.Run(strconv.Itoa(seed), func(t *testing.T) { compare(t, program, generate(uint64(seed))) })
			}
		})
	}
	for seed := first; seed < first+cases && !t.Failed(); seed++ {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
}

func number(t *testing.T, name string, or int) int {
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
