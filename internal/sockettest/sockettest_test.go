package sockettest_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"origami/internal/sockettest"
)

// TestDir listens on a socket with a long name, which is gone after the test,
// whatever TMPDIR is.
func TestDir(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), strings.Repeat("x", 150)))
	var dir string
	t.Run("in", func(t *testing.T) {
		dir = sockettest.Dir(t)
		l, err := net.Listen("unix", filepath.Join(dir, strings.Repeat("s", 80)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	})
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v after the test, want %v", err, fs.ErrNotExist)
	}
}
