package merge_test

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/merge"
)

// tree has paths with their content; that of a directory, which ends in a slash,
// stands for its owner and mode.
type tree map[string]string

// newTree reads "path=content" and "dir/=content"; parents are made.
func newTree(text string) tree {
	t := tree{}
	for field := range strings.FieldsSeq(text) {
		name, content, _ := strings.Cut(field, "=")
		for dir := path.Dir(strings.TrimSuffix(name, "/")); dir != "."; dir = path.Dir(dir) {
			if _, has := t[dir+"/"]; !has {
				t[dir+"/"] = ""
			}
		}
		t[name] = content
	}
	return t
}

func (t tree) list(dir string) (entries []merge.Entry) {
	for name := range t {
		clean := strings.TrimSuffix(name, "/")
		if path.Dir(clean) != dir {
			continue
		}
		e := merge.Entry{Name: path.Base(clean), Type: merge.Leaf}
		if clean != name {
			e.Type = merge.Directory
		}
		entries = append(entries, e)
	}
	return entries
}

// at returns what counts of a path itself.
func (t tree) at(path string) string {
	if content, is := t[path]; is {
		return content
	}
	return "directory " + t[path+"/"]
}

func (t tree) remove(name string) {
	maps.DeleteFunc(t, func(p, _ string) bool {
		return p == name || strings.HasPrefix(p, name+"/")
	})
}

// take copies from another tree with all below.
func (t tree) take(name, to string, from tree) {
	t.remove(to)
	for p, content := range from {
		if rest, is := strings.CutPrefix(p, name); is && (rest == "" || rest[0] == '/') {
			t[to+rest] = content
		}
	}
}

func (t tree) apply(a merge.Action, theirs tree) {
	switch a.Op {
	case merge.Create, merge.Replace, merge.Beside:
		t.take(a.Path, a.Target(), theirs)
	case merge.Remove, merge.Drop:
		t.remove(a.Target())
	case merge.Attributes:
		t[a.Path+"/"] = theirs[a.Path+"/"]
	}
}

// run merges, and returns the result with what was done.
func run(t *testing.T, base, mine, theirs tree, kept ...string) (result tree, actions []string) {
	t.Helper()
	trees := [...]tree{merge.Base: base, merge.Mine: mine, merge.Theirs: theirs}
	result = maps.Clone(mine)
	err := merge.Walk(merge.Trees{
		NoBase: base == nil,
		List: func(side merge.Side, dir string) ([]merge.Entry, error) {
			return trees[side].list(dir), nil
		},
		Same: func(a, b merge.Side, path string) (bool, error) {
			return trees[a].at(path) == trees[b].at(path), nil
		},
		Kept: func(path string) bool { return slices.Contains(kept, path) },
	}, func(a merge.Action) error {
		actions = append(actions, a.Op.String()+" "+a.Target())
		result.apply(a, theirs)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return result, actions
}

// case names: what I did, what the vendor did.
var cases = map[string]struct{ base, mine, theirs, want, actions string }{
	"nothing, nothing":         {"a=1", "a=1", "a=1", "a=1", ""},
	"nothing, changed":         {"a=1", "a=1", "a=2", "a=2", "replace a"},
	"nothing, removed":         {"a=1", "a=1", "", "", "remove a"},
	"nothing, added":           {"", "", "a=1", "a=1", "create a"},
	"nothing, added tree":      {"", "", "d/e/a=1", "d/e/a=1", "create d"},
	"nothing, removed tree":    {"d/e/a=1", "d/e/a=1", "", "", "remove d/e/a;remove d/e;remove d"},
	"nothing, file to dir":     {"a=1", "a=1", "a/b=1", "a/b=1", "replace a"},
	"nothing, dir to file":     {"a/b=1", "a/b=1", "a=1", "a=1", "remove a/b;replace a"},
	"nothing, dir mode":        {"d/a=1", "d/a=1", "d/=x d/a=1", "d/=x d/a=1", "attributes d"},
	"changed, nothing":         {"a=1", "a=m", "a=1", "a=m", "modified a"},
	"changed, changed":         {"a=1", "a=m", "a=2", "a=m a.freshroot-new=2", "beside a.freshroot-new"},
	"changed, the same":        {"a=1", "a=2", "a=2", "a=2", ""},
	"changed, removed":         {"a=1", "a=m", "", "a=m", "modified a"},
	"changed, to dir":          {"a=1", "a=m", "a/b=1", "a=m a.freshroot-new/b=1", "beside a.freshroot-new"},
	"added, nothing":           {"", "a=m", "", "a=m", "added a"},
	"added, added":             {"", "a=m", "a=2", "a=m a.freshroot-new=2", "beside a.freshroot-new"},
	"added the same":           {"", "a=2", "a=2", "a=2", ""},
	"added in dir, removed":    {"d/a=1", "d/a=1 d/m=1", "", "d/m=1", "remove d/a;added d/m"},
	"added in dir, to file":    {"d/a=1", "d/a=1 d/m=1", "d=2", "d/m=1 d.freshroot-new=2", "remove d/a;added d/m;beside d.freshroot-new"},
	"deleted, nothing":         {"a=1", "", "a=1", "", "deleted a"},
	"deleted, changed":         {"a=1", "", "a=2", "a.freshroot-new=2", "beside a.freshroot-new"},
	"deleted, removed":         {"a=1", "", "", "", ""},
	"deleted tree, nothing":    {"d/a=1", "", "d/a=1", "", "deleted d"},
	"deleted tree, changed":    {"d/a=1", "", "d/a=2", "d.freshroot-new/a=2", "beside d.freshroot-new"},
	"file to dir, changed":     {"a=1", "a/m=1", "a=2", "a/m=1 a.freshroot-new=2", "beside a.freshroot-new"},
	"file to dir, also":        {"a=1", "a/m=1", "a/v=1", "a/m=1 a/v=1", "added a/m;create a/v"},
	"dir to file, nothing":     {"d/a=1", "d=m", "d/a=1", "d=m", "modified d"},
	"dir to file, changed":     {"d/a=1", "d=m", "d/a=2", "d=m d.freshroot-new/a=2", "beside d.freshroot-new"},
	"dir mode, nothing":        {"d/a=1", "d/=m d/a=1", "d/a=1", "d/=m d/a=1", "modified d"},
	"dir mode, dir mode":       {"d/a=1", "d/=m d/a=1", "d/=x d/a=1", "d/=m d/a=1", "modified d"},
	"dir mode, removed":        {"d/a=1", "d/=m d/a=1", "", "d/=m", "remove d/a;modified d"},
	"beside, again":            {"a=1", "a=m a.freshroot-new=1", "a=2", "a=m a.freshroot-new=2", "beside a.freshroot-new"},
	"beside, nothing":          {"a=1", "a=m a.freshroot-new=1", "a=1", "a=m a.freshroot-new=1", "modified a"},
	"beside, solved":           {"a=1", "a=2 a.freshroot-new=1", "a=2", "a=2", "drop a.freshroot-new"},
	"beside, follows":          {"a=1", "a=1 a.freshroot-new=1", "a=2", "a=2", "replace a;drop a.freshroot-new"},
	"beside, removed":          {"a=1", "a=m a.freshroot-new=1", "", "a=m", "modified a;drop a.freshroot-new"},
	"beside, deleted":          {"a=1", "a.freshroot-new=1", "a=1", "a.freshroot-new=1", "deleted a"},
	"beside in dir, removed":   {"d/a=1", "d/a=1 d/a.freshroot-new=0", "", "", "remove d/a;drop d/a.freshroot-new;remove d"},
	"beside nobody's":          {"", "m=1 m.freshroot-new=2", "", "m=1 m.freshroot-new=2", "added m;added m.freshroot-new"},
	"vendor has the suffix":    {"", "", "a.freshroot-new=1", "", ""},
	"kept, changed":            {"k=1", "k=1", "k=2", "k=1", ""},
	"kept, removed":            {"d/k=1", "d/k=1", "", "d/k=1", "kept d/k"},
	"order of names that sort": {"a=1 a.b=1 a/=", "a.b=1", "a.b=2", "a.b=2", "replace a.b"},
}

func TestWalk(t *testing.T) {
	for name, tc := range cases {
		var kept []string
		if strings.HasPrefix(name, "kept") {
			kept = []string{"k", "d/k"}
			tc.actions = strings.TrimPrefix(tc.actions, "kept d/k")
		}
		got, actions := run(t, newTree(tc.base), newTree(tc.mine), newTree(tc.theirs), kept...)
		if diff := cmp.Diff(newTree(tc.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(tc.actions, strings.Join(actions, ";")); diff != "" {
			t.Errorf("%s: actions (-want +got):\n%s", name, diff)
		}
	}
}

func TestWalkNoBase(t *testing.T) {
	mine := newTree("a=1 b=m d/=m d/a=1 m=1")
	got, actions := run(t, nil, mine, newTree("a=1 b=2 c=2 d/=2 d/a=1 d/b=2"))
	want := newTree("a=1 b=m b.freshroot-new=2 c=2 d/=m d/a=1 d/b=2 m=1")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantActions := []string{"beside b.freshroot-new", "create c", "create d/b", "modified d", "added m"}
	if diff := cmp.Diff(wantActions, actions); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

// TestWalkLongName sees that a name which leaves no room for the suffix stays without.
func TestWalkLongName(t *testing.T) {
	for length, op := range map[int]string{241: "beside", 242: "modified"} {
		name := strings.Repeat("n", length)
		_, actions := run(t, tree{name: "1"}, tree{name: "m"}, tree{name: "2"})
		if len(actions) != 1 || !strings.HasPrefix(actions[0], op+" ") {
			t.Errorf("%d bytes: %q, want %s", length, actions, op)
		}
	}
}

func TestWalkStopsAtErrors(t *testing.T) {
	broken := errors.New("broken")
	entries := func(merge.Side, string) ([]merge.Entry, error) {
		return []merge.Entry{{Name: "a", Type: merge.Leaf}}, nil
	}
	differ := func(merge.Side, merge.Side, string) (bool, error) { return false, nil }
	for name, trees := range map[string]merge.Trees{
		"list": {Same: differ, List: func(merge.Side, string) ([]merge.Entry, error) { return nil, broken }},
		"same": {List: entries, Same: func(merge.Side, merge.Side, string) (bool, error) { return false, broken }},
		"do":   {List: entries, Same: differ},
	} {
		calls := 0
		err := merge.Walk(trees, func(merge.Action) error { calls++; return broken })
		if !errors.Is(err, broken) || calls > 1 {
			t.Errorf("%s: error %v after %d calls", name, err, calls)
		}
	}
}
