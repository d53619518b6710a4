package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// claim says that a test proves things.
type claim struct {
	where  string   // "cmd/origami/copy_test.go:12"
	file   string   // "cmd/origami/copy_test.go"
	pkg    string   // "origami/cmd/origami"
	test   string   // "TestCopy/across regions"; empty for a script
	script string   // of a script: its name without suffix
	things []string // names in the catalog
}

const directive = "origami:proves"

// findClaims reads every test and every script below root.
func findClaims(root string) ([]claim, error) {
	files := os.DirFS(root)
	module, err := modulePath(files)
	if err != nil {
		return nil, err
	}
	var claims []claim
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || name == "build" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		dir, _, inTestdata := strings.Cut(name, "/testdata/")
		var found []claim
		switch {
		case inTestdata && (path.Ext(name) == ".txtar" || path.Ext(name) == ".txt"):
			found, err = scriptClaims(files, name)
		case !inTestdata && strings.HasSuffix(name, "_test.go"):
			dir = path.Dir(name)
			found, err = goClaims(files, name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for i := range found {
			found[i].file = name
			found[i].pkg = path.Join(module, dir)
		}
		claims = append(claims, found...)
		return nil
	})
	return claims, err
}

// modulePath returns the path that go.mod declares.
func modulePath(files fs.FS) (string, error) {
	data, err := fs.ReadFile(files, "go.mod")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "module" {
			return f[1], nil
		}
	}
	return "", fmt.Errorf("go.mod declares no module")
}

// scriptClaims returns the claims in the lines of a script that begin with
// "# origami:proves".
func scriptClaims(files fs.FS, name string) ([]claim, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	script := strings.TrimSuffix(path.Base(name), path.Ext(name))
	var claims []claim
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		if things, ok := strings.CutPrefix(line, "# "+directive+" "); ok {
			where := fmt.Sprintf("%s:%d", name, number)
			claims = append(claims, claim{where: where, script: script, things: strings.Fields(things)})
		}
	}
	return claims, nil
}

// goClaims returns the claims in the comments of a test file. One that belongs
// neither to a test function nor to a subtest is an error.
func goClaims(files fs.FS, name string) ([]claim, error) {
	src, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	tests := testsByLine(fset, file)
	var claims []claim
	for _, group := range file.Comments {
		// what the comment stands above begins on the line after its last
		test, ok := tests[fset.Position(group.End()).Line+1]
		for _, c := range group.List {
			things, found := strings.CutPrefix(c.Text, "//"+directive+" ")
			if !found {
				continue
			}
			where := fmt.Sprintf("%s:%d", name, fset.Position(c.Pos()).Line)
			if !ok {
				return nil, fmt.Errorf("%s: the claim is not above a test function or a t.Run with a literal name", where)
			}
			claims = append(claims, claim{where: where, test: test, things: strings.Fields(things)})
		}
	}
	return claims, nil
}

// testsByLine returns the names of test functions and of subtests with literal
// names by the line on which they begin.
func testsByLine(fset *token.FileSet, file *ast.File) map[int]string {
	tests := make(map[int]string)
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !isTest(fn.Name.Name) {
			continue
		}
		tests[fset.Position(fn.Pos()).Line] = fn.Name.Name
		if fn.Body != nil {
			subtests(fset, fn.Body, fn.Name.Name, tests)
		}
	}
	return tests
}

// isTest says whether the testing package runs functions of this name and
// reports them as tests.
func isTest(name string) bool {
	for _, prefix := range []string{"Test", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// subtests adds the calls x.Run("name", …) below n, which is part of parent.
func subtests(fset *token.FileSet, n ast.Node, parent string, tests map[int]string) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Run" {
			return true
		}
		lit, ok := call.Args[0].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		name, err := strconv.Unquote(lit.Value)
		if err != nil {
			return true
		}
		name = parent + "/" + strings.ReplaceAll(name, " ", "_")
		tests[fset.Position(call.Pos()).Line] = name
		subtests(fset, call.Args[1], name, tests)
		return false
	})
}
