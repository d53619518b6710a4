// Package sockettest has directories for the UNIX sockets of tests.
package sockettest

import (
	"os"
	"testing"
)

// Dir makes a directory and removes it when the test ends; that something
// cannot be removed is an error of the test. The name of a UNIX socket has at
// most 107 bytes (sun_path of unix(7)), and those below [testing.T.TempDir] are
// longer where TMPDIR or the test's name is; this one leaves room for 80.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
