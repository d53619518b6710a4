package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goTest claims in each way that Go tests can.
const goTest = `package a_test

// TestImage checks images.
//
//origami:proves RegisterImage S1
func TestImage(t *testing.T) {
	t.Run("outer one", func(t *testing.T) {
		//origami:proves S2
		t.Run("inner", func(t *testing.T) {})
	})
}

func TestNothing(t *testing.T) {}
`

const script = "# origami:proves sts:GetCallerIdentity S2\nexec origami env\n"

// passed is what testreport says of goTest and script.
const passed = `pass m/a.TestImage
pass m/a.TestImage/outer_one
pass m/a.TestImage/outer_one/inner
pass m/cmd/o.TestScript
pass m/cmd/o.TestScript/login
`

// repository writes a small repository, with changes, and returns its root.
func repository(t *testing.T, changes map[string]string) string {
	t.Helper()
	files := map[string]string{
		"go.mod":                           "module m\n\ngo 1.26\n",
		"internal/ec2api/operations.txt":   "# comment\nCreateImage\nRegisterImage\n",
		"internal/coverage/operations.txt": "sts:GetCallerIdentity\n",
		"internal/coverage/statements.txt": "S1\tFirst\nS2\tSecond\nS3\t(Third)\n",
		"a/a_test.go":                      goTest,
		"cmd/o/testdata/script/login.txt":  script,
		"build/x_test.go":                  "no Go at all",
		"docs/coverage.md":                 "",
		"results":                          passed,
	}
	maps.Copy(files, changes)
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDocument(t *testing.T) {
	t.Parallel()
	root := repository(t, nil)
	results := filepath.Join(root, "results")
	if err := run(root, results, true); err == nil {
		t.Error("an empty document passed the check")
	}
	if err := run(root, results, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, results, true); err != nil {
		t.Errorf("check of the document just written: %v", err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "coverage.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 of 3 operations and 2 of 3 statements are proven.\n",
		"| `CreateImage` | none |\n",
		"| `RegisterImage` | [TestImage](../a/a_test.go) |\n",
		"| `sts:GetCallerIdentity` | [TestScript/login](../cmd/o/testdata/script/login.txt) |\n",
		"| S1 | First | [TestImage](../a/a_test.go) |\n",
		"| S2 | Second | [TestImage/outer_one/inner](../a/a_test.go), [TestScript/login](../cmd/o/testdata/script/login.txt) |\n",
		"| S3 | (Third) | explained |\n",
	} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("no line %q in\n%s", want, doc)
		}
	}
}

func TestClaimsThatDoNotHold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		changes map[string]string
		want    string
	}{
		{
			"failed test",
			map[string]string{"results": strings.Replace(passed, "pass m/a.TestImage\n", "fail m/a.TestImage\n", 1)},
			"a/a_test.go:5: the outcome of m/a.TestImage is fail",
		},
		{
			"skipped subtest",
			map[string]string{"results": strings.Replace(passed, "pass m/a.TestImage/outer_one/inner", "skip m/a.TestImage/outer_one/inner", 1)},
			"a/a_test.go:8: the outcome of m/a.TestImage/outer_one/inner is skip",
		},
		{
			"test that did not run",
			map[string]string{"results": strings.Replace(passed, "pass m/a.TestImage\n", "", 1)},
			"a/a_test.go:5: the results know no test TestImage of m/a",
		},
		{
			"script that did not run",
			map[string]string{"results": strings.Replace(passed, "/login", "/logout", 1)},
			"login.txt:1: the results know no test login of m/cmd/o",
		},
		{
			"unknown thing",
			map[string]string{"cmd/o/testdata/script/login.txt": "# origami:proves S4\n"},
			"login.txt:1: S4 is neither an operation that is served nor a statement",
		},
		{
			"empty claim",
			map[string]string{"cmd/o/testdata/script/login.txt": "# origami:proves \n"},
			"login.txt:1: the claim is empty",
		},
		{
			"claim above nothing",
			map[string]string{"a/a_test.go": "package a\n\n//origami:proves S1\nvar x int\n"},
			"a/a_test.go:3: the claim is not above a test function",
		},
		{
			"claim of a helper",
			map[string]string{"a/a_test.go": "package a\n\n//origami:proves S1\nfunc check() {}\n"},
			"a/a_test.go:3: the claim is not above a test function",
		},
		{
			"statement twice",
			map[string]string{"internal/coverage/statements.txt": "S1\tOne\nS1\tAgain\n"},
			`"S1" is there twice`,
		},
		{
			"no results",
			map[string]string{"results": "nonsense\n"},
			`line "nonsense"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := repository(t, tt.changes)
			err := run(root, filepath.Join(root, "results"), false)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// The real catalog is read as it stands, so that a bad line shows here.
func TestCatalog(t *testing.T) {
	t.Parallel()
	c, err := readCatalog("../..")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(c.statements), 118; got != want {
		t.Errorf("%d statements, want %d", got, want)
	}
	for _, e := range c.statements {
		if e.title == "" {
			t.Errorf("%s has no title", e.name)
		}
	}
	if len(c.operations) == 0 {
		t.Error("no operations")
	}
}
