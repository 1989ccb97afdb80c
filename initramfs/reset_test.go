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
	"github.com/freshroot/freshroot/pkg/mount"
	"github.com/freshroot/freshroot/pkg/volatile"
)

// TestDescribeReset sees that the record tells a reset that failed from none at all.
func TestDescribeReset(t *testing.T) {
	for want, fields := range map[string][]field{
		`null`: nil,
		`{"scope":"var","why":["a","b"],"done":false,"error":"x"}`: {
			{"scope", "var"}, {"why", []string{"a", "b"}}, {"trashed", ""}, {"done", false}, {"error", "x"},
		},
	} {
		r := record{reset: fields}
		text := appendJSON(nil, r.describeReset(), "")
		var got, wanted any
		if err := errors.Join(json.Unmarshal(text, &got), json.Unmarshal([]byte(want), &wanted)); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestIntegrationMountHome has things in the way.
func TestIntegrationMountHome(t *testing.T) {
	const member = "home:ada:1000:1000"
	for title, tc := range map[string]struct {
		spoil func(pool, root string) error
		want  string // of the error; "" is none
	}{
		"none there": {func(_, root string) error { return nil }, ""},
		"one there":  {func(_, root string) error { return os.Mkdir(root+"/home/ada", 0o700) }, ""},
		"a file":     {func(_, root string) error { return os.WriteFile(root+"/home/ada", nil, 0o600) }, "not a directory"},
		"a link":     {func(_, root string) error { return os.Symlink("/tmp", root+"/home/ada") }, "symbolic links"},
		"home is a link": {func(_, root string) error {
			return errors.Join(os.Remove(root+"/home"), os.Symlink("/tmp", root+"/home"))
		}, "symbolic links"},
		"no home": {func(_, root string) error { return os.Remove(root + "/home") }, "no such file"},
		"no subvolume": {func(pool, _ string) error {
			return errors.Join(os.RemoveAll(pool+"/"+member), os.Mkdir(pool+"/"+member, 0o755))
		}, "it is no subvolume"},
	} {
		pool, root := testfs.Btrfs(t, 128), testfs.Tmpfs(t, "mode=0755")
		testfs.Run(t, "btrfs", "-q", "subvolume", "create", filepath.Join(pool, member))
		err := errors.Join(os.WriteFile(filepath.Join(pool, member, "file"), nil, 0o600),
			os.Mkdir(root+"/home", 0o755), tc.spoil(pool, root))
		if err != nil {
			t.Fatal(err)
		}
		err = mountHome(testfs.Open(t, pool), testfs.Open(t, root), volatile.Home{Member: member, User: "ada"})
		if err == nil {
			t.Cleanup(func() { mount.Unmount(root + "/home/ada") })
			_, err = os.Stat(root + "/home/ada/file")
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: error %v, want %q", title, err, tc.want)
		}
	}
}
