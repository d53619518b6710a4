package origami_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// link is a Markdown link that is neither to the web nor inside the page.
var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// pages returns the Markdown pages of the repository and their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || name == "build" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !d.IsDir() && path.Ext(name) == ".md" {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			all[name] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(path.Join(path.Dir(name), m[1])); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
			}
		}
	}
}

// Every page of docs/design is in its index, and every room in the plan.
func TestIndexes(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for name := range all {
		dir, page := path.Split(name)
		if dir == "docs/design/" && page != "README.md" && !strings.Contains(all["docs/design/README.md"], "("+page+")") {
			t.Errorf("docs/design/README.md does not list %s", page)
		}
	}
	for room := range floors() {
		name := strings.TrimPrefix(room, "internal/")
		if room == "." {
			name = module
		}
		switch {
		case strings.HasSuffix(room, "test"), strings.HasSuffix(room, "/gen"), room == "internal/coverage", room == "internal/testreport":
			continue // suites and tools
		}
		if !strings.Contains(all["docs/architecture.md"], name) {
			t.Errorf("docs/architecture.md does not mention %s", room)
		}
	}
}
