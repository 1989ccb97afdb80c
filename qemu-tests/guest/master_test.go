package guest

import (
	"os"
	"testing"
)

// TestIntegrationFactoryLint lets the program judge what the program made.
func TestIntegrationFactoryLint(t *testing.T) {
	if testing.Short() {
		t.Skip("builds guests")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("must be root under CI")
		}
		t.Skip("must be root")
	}
	for _, f := range []flavour{systemd, openrc} {
		t.Run(f.name, func(t *testing.T) {
			tree, err := f.tree(t.Context(), "bookworm")
			if err != nil {
				t.Fatal(err)
			}
			if err := factoryTool(t.Context(), "lint", tree.Dir); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := writeFiles(dir, file{"twice", 0o600, "a b a\n"}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []edit{{"twice", "a", "c"}, {"twice", "d", "c"}, {"none", "a", "c"}} {
		if err := e.apply(dir); err == nil {
			t.Errorf("%+v was applied", e)
		}
	}
	if err := (edit{"twice", "b", "c"}).apply(dir); err != nil {
		t.Error(err)
	}
}
