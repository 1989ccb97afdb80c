package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The limits of what a person reads at once.
const (
	maxFunction = 70  // lines
	maxFile     = 500 // lines
)

// TestSize also sees that what is exported is documented. Tests are held to the
// length of files only.
func TestSize(t *testing.T) {
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		hidden := strings.HasPrefix(name, ".") && name != ".." || name == "testdata"
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden:
			return fs.SkipDir
		case strings.HasSuffix(name, ".go"):
			checkFile(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFile(t *testing.T, path string) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	line := func(p token.Pos) int { return files.Position(p).Line }
	if n := line(f.End()); n > maxFile {
		t.Errorf("%s has %d lines, more than %d", path, n, maxFile)
	}
	if strings.HasSuffix(path, "_test.go") {
		return
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if n := line(d.End()) - line(d.Pos()) + 1; n > maxFunction {
				t.Errorf("%s: %s has %d lines, more than %d", path, d.Name, n, maxFunction)
			}
			if d.Name.IsExported() && d.Doc == nil && !explained(d) {
				t.Errorf("%s: %s is exported and has no comment", path, d.Name)
			}
		case *ast.GenDecl:
			checkTypes(t, path, d)
		}
	}
}

// explained says that a method needs no comment: its name says all, or its type is not
// exported and it is there to satisfy an interface.
func explained(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	receiver := d.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	name, ok := receiver.(*ast.Ident)
	return slices.Contains([]string{"String", "Error", "Unwrap"}, d.Name.Name) || ok && !name.IsExported()
}

func checkTypes(t *testing.T, path string, d *ast.GenDecl) {
	for _, s := range d.Specs {
		typ, ok := s.(*ast.TypeSpec)
		if ok && typ.Name.IsExported() && d.Doc == nil && typ.Doc == nil {
			t.Errorf("%s: %s is exported and has no comment", path, typ.Name)
		}
	}
}
