package ec2server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"origami/internal/ec2api"
)

// TestParametersAreRead checks that for every parameter which the table calls
// supported, its member is named somewhere in this package: what nobody reads
// is ignored, and must not be accepted. Parameters with values need no reader,
// because those values change nothing.
func TestParametersAreRead(t *testing.T) {
	t.Parallel()
	read := selectors(t)
	for operation, patterns := range parameters {
		in := reflect.TypeOf(ec2api.Operations[operation].NewInput()).Elem()
		for pattern := range strings.FieldsSeq(patterns) {
			if strings.Contains(pattern, "=") || strings.HasSuffix(pattern, "*") {
				continue
			}
			for _, member := range members(t, in, pattern) {
				if !read[member] {
					t.Errorf("%s: parameter %s is supported, but nothing reads %s", operation, pattern, member)
				}
			}
		}
	}
}

// members returns the names of the Go fields along a pattern.
func members(t *testing.T, in reflect.Type, pattern string) []string {
	t.Helper()
	var names []string
	for part := range strings.SplitSeq(pattern, ".") {
		if part == "N" {
			continue
		}
		found := false
		for i := range in.NumField() {
			f := in.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("query"), ","); name != part {
				continue
			}
			found = true
			names = append(names, f.Name)
			in = f.Type
			for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice {
				in = in.Elem()
			}
			break
		}
		if !found {
			t.Fatalf("%s has no parameter %s", in, part)
		}
	}
	return names
}

// selectors returns every name that follows a dot in this package's code.
func selectors(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				names[s.Sel.Name] = true
			}
			return true
		})
	}
	return names
}
