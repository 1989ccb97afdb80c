package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/testfs"
)

const wantSizes = `MEMBER                              OWN      SHARED   STATE
usr:org.example.os:x86-64:2         0 bytes  2.0 MiB  good
usr:org.example.os:x86-64:1         1.0 MiB  2.0 MiB  good
root:default:org.example.os:x86-64  unknown  unknown
by hand                             -        -        no member, left alone
`

// TestIntegrationListSizes lists a version and what is left of it in another one, a
// member that is a file, and what is no member.
func TestIntegrationListSizes(t *testing.T) {
	top := testfs.Btrfs(t, 128)
	one, two := filepath.Join(top, v+"1"), filepath.Join(top, v+"2")
	testfs.Run(t, "btrfs", "-q", "subvolume", "create", one)
	err := errors.Join(
		os.WriteFile(filepath.Join(one, "shared"), make([]byte, 2<<20), 0o644),
		os.WriteFile(filepath.Join(one, "own"), make([]byte, 1<<20), 0o644),
		os.WriteFile(filepath.Join(top, "root:default:org.example.os:x86-64"), nil, 0o644),
		os.Mkdir(filepath.Join(top, "by hand"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "-q", "subvolume", "snapshot", one, two)
	if err := os.Remove(filepath.Join(two, "own")); err != nil {
		t.Fatal(err)
	}
	testfs.Run(t, "btrfs", "-q", "property", "set", one, "ro", "true")
	testfs.Run(t, "btrfs", "-q", "property", "set", two, "ro", "true")
	testfs.Run(t, "btrfs", "filesystem", "sync", top)
	device := strings.TrimSpace(testfs.Run(t, "findmnt", "-n", "-o", "SOURCE", top))
	out, err := run(t, "list", "--sizes", device)
	if diff := cmp.Diff(wantSizes, out); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	out, err = run(t, "list", "--sizes", "--json", device)
	var list []poolMember
	if err := errors.Join(err, json.Unmarshal([]byte(out), &list)); err != nil {
		t.Fatal(err)
	}
	want := []*memberSize{
		{Total: 2 << 20, Shared: 2 << 20}, {Total: 3 << 20, Exclusive: 1 << 20, Shared: 2 << 20},
		{Error: `open directory "` + device + `/root:default:org.example.os:x86-64": not a directory`}, nil,
	}
	for i, m := range list {
		if diff := cmp.Diff(want[i], m.Size); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.Name, diff)
		}
	}
}
