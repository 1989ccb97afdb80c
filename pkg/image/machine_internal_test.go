package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// TestReplies gets the lines in pieces.
func TestReplies(t *testing.T) {
	done := poolMade{Filled: Filled{Usr: "usr:a:x86-64:1", Warnings: []string{"one\ntwo"}}, Size: 7}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	for _, r := range []reply{{Step: "unpack"}, {Step: "unpack", Read: 1, Total: 2}, {Done: &done}} {
		if err := encoder.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	for size := 1; size <= text.Len(); size += 13 {
		var steps []string
		r := replies{progress: func(step string, done, total int64) {
			steps = append(steps, fmt.Sprintf("%s %d/%d", step, done, total))
		}}
		for rest := text.String(); rest != ""; {
			n := min(size, len(rest))
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff([]string{"unpack 0/0", "unpack 1/2"}, steps); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(&done, r.done); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
	}
}

func TestBadReplies(t *testing.T) {
	for text, want := range map[string]string{
		"no reply\n":                    "read reply: invalid character",
		strings.Repeat("x", maxReply+1): "too long",
	} {
		var r replies
		if _, err := r.Write([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

// TestRequest wants that a plan means the same in the machine.
func TestRequest(t *testing.T) {
	p, err := NewPlan(Options{
		Output: "disk.img", Seed: "seed", Fill: FillOptions{
			Usr:      subvol.Member{Kind: subvol.Usr, Vendor: "a.b", Arch: "x86-64", Version: "1~rc1"},
			Progress: func(string, int64, int64) {},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := request{Plan: p, SourceSize: 1 << 40}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got request
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want.Plan.Fill.Progress = nil // stays here
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCheckReadable runs itself again as nobody: root may read everything.
func TestCheckReadable(t *testing.T) {
	const variable = "CHECK_READABLE"
	if dir := os.Getenv(variable); dir != "" {
		fmt.Println(checkReadable(dir))
		return
	}
	testfs.Root(t)
	dir, err := os.MkdirTemp("", "readable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	err = errors.Join(os.Chmod(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "good"), nil, 0o644), os.Symlink("bad", filepath.Join(dir, "link")),
		os.WriteFile(filepath.Join(dir, "bad"), nil, 0o600), os.MkdirAll(filepath.Join(dir, "bad.d/in it"), 0o700))
	for i := range maxListed {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, fmt.Sprintf("c%02d", i)), nil, 0o600))
	}
	program := filepath.Join(dir, "test")
	err = errors.Join(err, exec.Command("cp", os.Args[0], program).Run())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestCheckReadable$")
	cmd.Env, cmd.Dir = append(os.Environ(), variable+"="+dir), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	for _, want := range []string{
		"22 files are not yours to read", "\n  " + dir + "/bad\n  " + dir + "/bad.d\n  " + dir + "/c00\n",
		"\n  and 2 more\n",
	} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, lacks %q:\n%s", err, want, out)
		}
	}
	if err := checkReadable(dir); err != nil {
		t.Errorf("as root: %v", err)
	}
}
