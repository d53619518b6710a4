// Package suitetest tests the suites that contracts ask of their
// implementations: an implementation that breaks the contract must fail.
package suitetest

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// variable names, in a child process, the test that it is to run.
const variable = "ORIGAMI_SUITETEST"

// Fails runs a suite against implementations that are broken, each under the
// name of what is wrong with it, as subtests in processes of their own, and is
// content if every one fails there. A panic is no failure.
func Fails(t *testing.T, broken map[string]func(*testing.T)) {
	t.Helper()
	for name, suite := range broken {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(os.Getenv(variable)+"/", t.Name()+"/") { // this one, or one that it runs
				suite(t)
				return
			}
			t.Parallel()
			fails(t)
		})
	}
}

// fails runs the test that calls it in another process, where it must fail.
func fails(t *testing.T) {
	t.Helper()
	parts := strings.Split(t.Name(), "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+strings.Join(parts, "/"))
	c.Env = append(os.Environ(), variable+"="+t.Name())
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch text := string(out); {
	case err == nil:
		t.Error("the suite passes it")
	case !errors.As(err, &exit):
		t.Fatal(err)
	case strings.Contains(text, "\npanic: ") || !strings.Contains(text, "--- FAIL: "+t.Name()):
		t.Errorf("the suite does not fail it, but ends with %v:\n%s", err, text)
	}
}
