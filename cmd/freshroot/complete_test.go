package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/subvol"
)

// complete is what the shell is told may come next, without descriptions.
func complete(t *testing.T, args ...string) string {
	t.Helper()
	out, err := run(t, append([]string{"__completeNoDesc"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	words, _, _ := strings.Cut(out, "Completion ended")
	return strings.Join(strings.Fields(words), " ")
}

// TestComplete asks for each flag and argument that has words; ":4" is "and no files".
func TestComplete(t *testing.T) {
	for _, test := range []struct {
		want string
		args []string
	}{
		{"arm arm64 riscv64 x86 x86-64 :4", []string{"plan", "--arch", ""}},
		{"arm arm64 riscv64 x86 x86-64 :4", []string{"etc", "merge", "--arch", ""}},
		{"arm arm64 riscv64 x86 x86-64 :4", []string{"image", "inspect", "--arch", ""}},
		{":4", []string{"plan", "--cmdline", ""}},
		{":4", []string{"etc", "merge", "--cmdline", ""}},
		{":0", []string{"plan", ""}},
		{"zstd zstd-19 none :4", []string{"initramfs", "build", "--compress", ""}},
		{"var all :4", []string{"reset", ""}},
		{":4", []string{"root", "create", ""}},
		{":4", []string{"home", "create", ""}},
		{":4", []string{"root", "delete", "--pool", "/nonexistent", ""}},
	} {
		if diff := cmp.Diff(test.want, complete(t, test.args...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.args, diff)
		}
	}
}

// TestIntegrationComplete has the names of a pool; "x" is of two vendors.
func TestIntegrationComplete(t *testing.T) {
	pool := toolPool(t)
	mustTool(t, pool, "root", "create", "default")
	mustTool(t, pool, "root", "clone", "default", "x")
	mustTool(t, pool, "home", "create", "ada:1000:1000")
	other := "root:x:org.other:" + subvol.HostArch()
	if err := os.Mkdir(filepath.Join(pool, other), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"default " + rootName("x") + " " + other + " :4", []string{"root", "delete", "--pool", pool, ""}},
		{rootName("x") + " " + other + " :4", []string{"root", "delete", "--pool", pool, "default", ""}},
		{"default " + rootName("x") + " " + other + " :4", []string{"root", "clone", "--pool", pool, ""}},
		{":4", []string{"root", "rename", "--pool", pool, "default", ""}},
		{"default " + rootName("x") + " " + other + " :4", []string{"reset", "--pool", pool, "--instance", ""}},
		{"1.0 :4", []string{"root", "create", "--pool", pool, "--usr", ""}},
		{"ada :4", []string{"home", "delete", "--pool", pool, ""}},
	} {
		if diff := cmp.Diff(test.want, complete(t, test.args...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.args, diff)
		}
	}
}
