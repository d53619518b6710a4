package keyfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"origami/internal/durable/durabletest"
	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/keywrap/keywraptest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	keywraptest.Run(t, func() keywrap.Root {
		r, err := keyfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v, want mode 0600", info.Mode(), err)
	}
}

// A key in a new file has the file's name in its own.
func TestCreate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, path, err := keyfile.Create(dir, "key.")
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := r.Wrap(t.Context(), []byte("secret"), "p")
	if err != nil {
		t.Fatal(err)
	}
	again, err := keyfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Unwrap(t.Context(), wrapped, "p"); err != nil || string(got) != "secret" {
		t.Errorf("unwrap: got %q, %v", got, err)
	}
	name, err := again.Name(t.Context())
	if digits, ok := strings.CutPrefix(name, keyfile.NamePrefix); err != nil || !ok || path != filepath.Join(dir, "key."+digits) {
		t.Errorf("root %s, %v is in %s", name, err, path)
	}
	if _, other, err := keyfile.Create(dir, "key."); err != nil || other == path {
		t.Errorf("another: %s, %v", other, err)
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "root.key")
	r, err := keyfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Name(t.Context()); !errors.Is(err, keywrap.ErrNoRoot) {
		t.Errorf("name: got error %v, want ErrNoRoot", err)
	}
	if _, err := r.Unwrap(t.Context(), make([]byte, 64), "p"); !errors.Is(err, keywrap.ErrNoRoot) {
		t.Errorf("unwrap: got error %v, want ErrNoRoot", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := keyfile.Format(keywrap.NewKey())
	tests := []struct {
		name, want string
		make       func(path string) error
	}{
		{"group may read", "mode is 0640", func(p string) error { return writeMode(p, good, 0o640) }},
		{"world may write", "mode is 0602", func(p string) error { return writeMode(p, good, 0o602) }},
		{"symbolic link", "no regular file", func(p string) error {
			if err := writeMode(p+".real", good, 0o600); err != nil {
				return err
			}
			return os.Symlink(p+".real", p)
		}},
		{"directory", "no regular file", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"empty", "three lines", func(p string) error { return writeMode(p, nil, 0o600) }},
		{"large", "limit", func(p string) error { return writeMode(p, bytes.Repeat(good, 9), 0o600) }},
		{"bent", "checksum", func(p string) error {
			return writeMode(p, bytes.Replace(good, []byte("="), []byte("A"), 1), 0o600)
		}},
		{"other version", "unknown format", func(p string) error {
			return writeMode(p, bytes.Replace(good, []byte("key 1"), []byte("key 2"), 1), 0o600)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "root.key")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := keyfile.Open(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if secret := strings.Split(string(good), "\n")[1]; strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
}

// writeMode writes a file whatever the umask.
func writeMode(path string, data []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// What was wrapped can be unwrapped after a crash at any time, and before that
// nothing else than a whole file is ever found.
func TestCrash(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	wrapped, err := keyfile.New(fsys, "root.key").Wrap(t.Context(), []byte("secret"), "p")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		got, err := keyfile.New(fsys.Crash(seed), "root.key").Unwrap(t.Context(), wrapped, "p")
		if err != nil || string(got) != "secret" {
			t.Fatalf("seed %d: got %q, %v", seed, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(keyfile.Format(keywrap.NewKey()))
	f.Add([]byte("origami root key 1\n\n\n"))
	f.Add([]byte("\n\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := keyfile.Parse(text)
		if err == nil && !bytes.Equal(keyfile.Format(k), text) {
			t.Errorf("%q was taken for %q", text, keyfile.Format(k))
		}
	})
}
