// Package dir is a bucket in a directory.
//
// Each object is one file. The slashes of its name are written as plus signs,
// so that all objects lie side by side: one directory to sync, and no name
// can be both a file and a directory. Objects being written are in the
// subdirectory .tmp under numbers, and get their name by a hard link, which
// never replaces, after their data are durable.
//
// A directory belongs to one Bucket at a time: Open removes the temporary
// files that a crash has left, and would remove those of another process too.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"origami/internal/durable"
	"origami/internal/objstore"
)

const tmpDir = ".tmp"

// maxName bounds the length of names: the file systems' limit.
const maxName = 255

// Bucket is an [objstore.Bucket] in a directory.
type Bucket struct {
	fs    durable.FS
	files fileCache

	mu      sync.Mutex
	nextTmp int64
	hidden  map[string]int // names linked but not yet durable
}

var _ objstore.Bucket = (*Bucket)(nil)

// Open returns the bucket in the root of fsys and removes what writers that
// did not finish have left there.
func Open(fsys durable.FS) (*Bucket, error) {
	if err := fsys.Mkdir(tmpDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	if err := fsys.SyncDir("."); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	left, err := fsys.List(tmpDir)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	for _, name := range left {
		if err := fsys.Remove(tmpDir + "/" + name); err != nil {
			return nil, fmt.Errorf("open bucket: remove leftover: %w", err)
		}
	}
	b := &Bucket{fs: fsys, hidden: make(map[string]int)}
	b.files.init(fsys)
	return b, nil
}

// Close closes the files that were kept open for reading. The bucket cannot
// be read afterwards.
func (b *Bucket) Close() error { return b.files.close() }

// fileName checks a name and returns the file it is in.
func fileName(name string) (string, error) {
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("object name %q: invalid length %d", name, len(name))
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' {
			return "", fmt.Errorf("object name %q: invalid segment %q", name, segment)
		}
		for _, c := range []byte(segment) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
				return "", fmt.Errorf("object name %q: invalid character %q", name, c)
			}
		}
	}
	return strings.ReplaceAll(name, "/", "+"), nil
}

// isHidden says whether the file is being committed right now.
func (b *Bucket) isHidden(file string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hidden[file] > 0
}

// Create implements [objstore.Bucket].
func (b *Bucket) Create(ctx context.Context, name string) (objstore.ObjectWriter, error) {
	file, err := fileName(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.nextTmp++
	tmp := tmpDir + "/" + strconv.FormatInt(b.nextTmp, 10)
	b.mu.Unlock()
	f, err := b.fs.Create(tmp)
	if err != nil {
		return nil, fmt.Errorf("create object %s: %w", name, err)
	}
	return &writer{b: b, name: name, file: file, tmp: tmp, f: f}, nil
}

// ReadAt implements [objstore.Bucket].
func (b *Bucket) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	h, err := b.open(ctx, name)
	if err != nil {
		return err
	}
	defer b.files.release(h)
	if off < 0 {
		return fmt.Errorf("read object %s at %d: %w", name, off, fs.ErrInvalid)
	}
	if off > h.size || int64(len(p)) > h.size-off {
		return fmt.Errorf("read object %s: %d bytes at %d of %d: %w", name, len(p), off, h.size, io.ErrUnexpectedEOF)
	}
	n, err := h.f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read object %s: %w", name, err)
}

// Size implements [objstore.Bucket].
func (b *Bucket) Size(ctx context.Context, name string) (int64, error) {
	h, err := b.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer b.files.release(h)
	return h.size, nil
}

func (b *Bucket) open(ctx context.Context, name string) (*handle, error) {
	file, err := fileName(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.isHidden(file) {
		return nil, fmt.Errorf("object %s: %w", name, objstore.ErrNotExist)
	}
	h, err := b.files.acquire(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("object %s: %w", name, objstore.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("object %s: %w", name, err)
	}
	return h, nil
}

// Delete implements [objstore.Bucket].
func (b *Bucket) Delete(ctx context.Context, name string) error {
	file, err := fileName(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.fs.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete object %s: %w", name, err)
	}
	b.files.forget(file)
	if err := b.fs.SyncDir("."); err != nil {
		return fmt.Errorf("delete object %s: %w", name, err)
	}
	return nil
}

// List implements [objstore.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		files, err := b.fs.List(".")
		if err != nil {
			yield("", fmt.Errorf("list objects: %w", err))
			return
		}
		names := make([]string, 0, len(files))
		for _, file := range files {
			name := strings.ReplaceAll(file, "+", "/")
			back, err := fileName(name)
			if err == nil && back == file && strings.HasPrefix(name, prefix) && !b.isHidden(file) {
				names = append(names, name)
			}
		}
		slices.Sort(names) // plus sorts before minus and dot, slash after
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}
