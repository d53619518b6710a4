package qcow2_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/qcow2"
)

// specimens returns the files that testdata/make.sh made with QEMU, and the
// SHA-256 of the disks that they hold.
func specimens(t testing.TB) (files map[string][]byte, sums map[string]string) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	files, sums = make(map[string][]byte), make(map[string]string)
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		sum, name, ok := strings.Cut(s.Text(), "  ")
		if !ok {
			t.Fatalf("SHA256SUMS has the line %q", s.Text())
		}
		f, err := os.Open(filepath.Join("testdata", name+".gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if files[name], err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
		sums[name] = sum
	}
	if len(files) == 0 {
		t.Fatal("there are no specimens")
	}
	return files, sums
}

func TestSpecimens(t *testing.T) {
	t.Parallel()
	files, sums := specimens(t)
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := qcow2.Open(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			w := disktest.NewMemory(m.Size())
			if err := disk.Copy(t.Context(), w, m, nil); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(w.Bytes())
			if got, want := hex.EncodeToString(sum[:]), sums[name]; got != want {
				t.Fatalf("SHA-256 is %s, want %s", got, want)
			}
			disktest.TestImage(t, m, w.Bytes())
		})
	}
}
