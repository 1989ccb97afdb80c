package archive

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindKernel(t *testing.T) {
	one := writeFiles(t, t.TempDir(), map[string]string{
		"lib/modules/6.1.0-9/modules.dep": "",
		"lib/modules/6.1.0-99/leftover":   "",
	})
	many := writeFiles(t, t.TempDir(), map[string]string{
		"lib/modules/6.1.0-9/modules.dep":      "",
		"usr/lib/modules/6.1.0-9/modules.dep":  "",
		"usr/lib/modules/6.1.0-10/modules.dep": "",
		"lib/modules/5.10/modules.dep":         "",
	})
	tests := []struct{ name, root, release, running, want string }{
		{"only", one, "", "7.0", one + "/lib/modules/6.1.0-9"},
		{"newest", many, "", "7.0", many + "/usr/lib/modules/6.1.0-10"},
		{"running", many, "", "5.10", many + "/lib/modules/5.10"},
		{"asked for", many, "6.1.0-9", "5.10", many + "/usr/lib/modules/6.1.0-9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FindKernel(tt.root, tt.release, tt.running)
			if err != nil {
				t.Fatal(err)
			}
			want := Kernel{filepath.Base(tt.want), tt.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kernel (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindKernelMissing(t *testing.T) {
	root := writeFiles(t, t.TempDir(), map[string]string{
		"lib/modules/6.1.0-9/modules.dep":  "",
		"lib/modules/6.1.0-10/modules.dep": "",
	})
	empty := t.TempDir()
	tests := []struct{ root, release, want string }{
		{root, "5.10", "no modules for 5.10 below " + root +
			"; there are: 6.1.0-10, 6.1.0-9"},
		{empty, "5.10", "no modules for 5.10 below " + empty},
		{empty, "", "no modules below " + empty},
	}
	for _, tt := range tests {
		_, err := FindKernel(tt.root, tt.release, "6.1")
		var missing *NoModulesError
		if !errors.As(err, &missing) || err.Error() != tt.want {
			t.Errorf("got error %v, want %q", err, tt.want)
		}
	}
}
