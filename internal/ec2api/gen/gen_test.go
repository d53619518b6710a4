package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

const pkg = ".."

// TestFresh regenerates into memory and compares with what is committed.
func TestFresh(t *testing.T) {
	t.Parallel()
	files, err := generate(os.DirFS(pkg))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 3 {
		t.Errorf("got %d files, want 3", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(pkg, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./internal/ec2api", name)
		}
	}
	all, err := filepath.Glob(filepath.Join(pkg, "*_gen.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if files[filepath.Base(path)] == nil {
			t.Errorf("nothing generates %s", path)
		}
	}
}

// TestModelCompact checks that the model kept is in the form -refresh writes,
// so that the next refresh makes a readable difference.
func TestModelCompact(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(pkg, modelFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseModel(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.compact()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Error("the model is not in its compact form")
	}
	dst := filepath.Join(t.TempDir(), "model.json")
	if err := refreshModel(dst, filepath.Join(pkg, modelFile)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(dst); err != nil || !bytes.Equal(got, data) {
		t.Errorf("refresh from the model itself changed it (%v)", err)
	}
}

// TestEveryOperation generates types for all operations of the model, so that
// a line in operations.txt is all that one more takes. Where the model leaves
// MaxResults open, or has a pattern that Go cannot match, the generator must
// ask for an exception instead of inventing something.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(pkg, modelFile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := parseModel(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(m.Operations), 765; got != want {
		t.Errorf("the model has %d operations, want %d", got, want)
	}
	for name, op := range m.Operations {
		g := &generator{
			model: m, exceptions: newExceptions(), served: []string{name},
			requests: make(map[string]bool), responses: make(map[string]bool),
		}
		m.reach(op.Input.Shape, g.requests)
		if op.Output != nil {
			m.reach(op.Output.Shape, g.responses)
		}
		if err := g.types(new(bytes.Buffer)); err != nil && !strings.Contains(err.Error(), "pattern:") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := g.flags(name); err != nil && !strings.Contains(err.Error(), "exceptions.go") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGenerateErrors(t *testing.T) {
	t.Parallel()
	const model = `{"metadata":{"apiVersion":"1","protocol":"ec2"},
"operations":{"A":{"input":{"shape":"AIn"}},"B":{"input":{"shape":"AIn"}}},
"shapes":{"AIn":{"type":"structure","members":{"X":{"shape":"S"}}},"S":{"type":"string"}}}`
	tests := []struct{ name, model, operations, want string }{
		{"unused exceptions", model, "A\n", "unused exceptions"},
		{"unknown operation", model, "A\nZ\n", "no operation Z"},
		{"out of order", model, "B\nA\n", "A is out of order"},
		{"twice", model, "A\nA\n", "A is out of order"},
		{"no model", "{", "A\n", "parse model"},
		{"other protocol", strings.Replace(model, `"ec2"`, `"query"`, 1), "A\n", "not ec2"},
		{"no input shape", strings.Replace(model, `"AIn":{`, `"Gone":{`, 1), "A\n", "no shape AIn"},
		{"no member shape", strings.Replace(model, `,"S":{"type":"string"}`, ``, 1), "A\n", "no shape S"},
		{"list without elements", strings.Replace(model, `"S":{"type":"string"}`, `"S":{"type":"list"}`, 1), "A\n", "elements"},
		{"type", strings.Replace(model, `"S":{"type":"string"}`, `"S":{"type":"map"}`, 1), "A\n", "not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := generate(fstest.MapFS{
				modelFile:        {Data: []byte(tt.model)},
				"operations.txt": {Data: []byte(tt.operations)},
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
