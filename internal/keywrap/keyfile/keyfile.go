// Package keyfile is a root key in a file of this host.
//
// docs/design/kms.md has the format of the file.
package keyfile

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"origami/internal/durable"
	"origami/internal/keywrap"
)

// Root is a root key in a file, which the first Wrap makes. Use Open or New.
type Root struct {
	fsys  durable.FS
	name  string
	check func() error // of the file's kind, owner and mode; nil for none

	mu  sync.Mutex
	key *keywrap.Key // once read; by mu
}

var _ keywrap.Root = (*Root)(nil)

// Open is the root key in the file at path. If the file exists it is read and
// checked now. A file that others may read or write, of another user, or that
// is no regular file, is refused.
func Open(path string) (*Root, error) {
	fsys, err := durable.OS(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open root key: %w", err)
	}
	r := New(fsys, filepath.Base(path))
	r.check = func() error { return private(path) }
	if _, err := r.load(); err != nil && !errors.Is(err, keywrap.ErrNoRoot) {
		return nil, err
	}
	return r, nil
}

// New is the root key in a file of fsys, whose owner and mode are not looked
// at.
func New(fsys durable.FS, name string) *Root { return &Root{fsys: fsys, name: name} }

// Create makes a root key in a new file of a directory, named prefix and the
// digits of the root's name, which no other has. The file is durable.
func Create(dir, prefix string) (r *Root, path string, err error) {
	fsys, err := durable.OS(dir)
	if err != nil {
		return nil, "", fmt.Errorf("make root key file: %w", err)
	}
	k := keywrap.NewKey()
	name := prefix + digits(k)
	if err := durable.WriteFile(fsys, name, Format(k)); err != nil {
		return nil, "", fmt.Errorf("make root key file: %w", err)
	}
	path = filepath.Join(dir, name)
	r, err = Open(path)
	return r, path, err
}

// NamePrefix begins the name of every root in a file; 16 hexadecimal digits
// follow.
const NamePrefix = "file:"

// digits tell a key from others without giving it away.
func digits(k *keywrap.Key) string {
	name := k.Derive("origami root name 1")
	return hex.EncodeToString(name[:8])
}

// private checks that a file is regular, this user's, and nobody else's.
func private(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s may be used by others: its mode is %04o, and must be 0600; run: chmod 600 %s", path, mode, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user, number %d, and must belong to the one who runs this, number %d", path, stat.Uid, os.Geteuid())
	}
	return nil
}

// Name implements [keywrap.Root].
func (r *Root) Name(context.Context) (string, error) {
	k, err := r.load()
	if err != nil {
		return "", err
	}
	return NamePrefix + digits(k), nil
}

// Wrap implements [keywrap.Root].
func (r *Root) Wrap(_ context.Context, key []byte, purpose string) ([]byte, error) {
	if len(key) < 1 || len(key) > keywrap.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes, want 1 to %d", len(key), keywrap.MaxKey)
	}
	k, err := r.load()
	if errors.Is(err, keywrap.ErrNoRoot) {
		k, err = r.create()
	}
	if err != nil {
		return nil, err
	}
	return k.Seal(key, purpose), nil
}

// Unwrap implements [keywrap.Root].
func (r *Root) Unwrap(_ context.Context, wrapped []byte, purpose string) ([]byte, error) {
	k, err := r.load()
	if err != nil {
		return nil, err
	}
	return k.Open(wrapped, purpose)
}

// load reads the file, once.
func (r *Root) load() (*keywrap.Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key != nil {
		return r.key, nil
	}
	k, err := r.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("root key file %s: %w", r.name, keywrap.ErrNoRoot)
	}
	if err != nil {
		return nil, fmt.Errorf("read root key file: %w", err)
	}
	r.key = k
	return k, nil
}

func (r *Root) read() (*keywrap.Key, error) {
	if r.check != nil {
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	text, err := durable.ReadFile(r.fsys, r.name, maxFile)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// create makes the file with a new key.
func (r *Root) create() (*keywrap.Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key != nil {
		return r.key, nil // somebody was quicker
	}
	k := keywrap.NewKey()
	if err := durable.WriteFile(r.fsys, r.name, Format(k)); err != nil {
		return nil, fmt.Errorf("make root key file: %w", err)
	}
	// What others will read is what counts.
	k, err := r.read()
	if err != nil {
		return nil, fmt.Errorf("read new root key file: %w", err)
	}
	r.key = k
	return k, nil
}

const (
	firstLine = "origami root key 1"
	maxFile   = 256
)

// Format is the content of the file of a key.
func Format(k *keywrap.Key) []byte {
	head := firstLine + "\n" + base64.StdEncoding.EncodeToString(k.Bytes()) + "\n"
	return []byte(head + sum(head) + "\n")
}

// Parse reads the content of a file. An error says what is wrong with it and
// not what it holds.
func Parse(text []byte) (*keywrap.Key, error) {
	lines := strings.SplitAfter(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return nil, errors.New("root key file has not three lines")
	}
	if lines[0] != firstLine+"\n" {
		return nil, errors.New("root key file is of an unknown format")
	}
	if strings.TrimSuffix(lines[2], "\n") != sum(lines[0]+lines[1]) {
		return nil, errors.New("root key file is damaged: its checksum does not match")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(lines[1], "\n"))
	if err != nil {
		return nil, errors.New("root key file has no base64 in its second line")
	}
	return keywrap.KeyOf(secret)
}

// sum is the checksum of the first two lines.
func sum(head string) string {
	s := sha256.Sum256([]byte(head))
	return hex.EncodeToString(s[:8])
}
