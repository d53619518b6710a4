package dir

import (
	"container/list"
	"errors"
	"io/fs"
	"sync"

	"origami/internal/durable"
)

// maxOpen bounds the files kept open for reading.
const maxOpen = 128

// fileCache keeps files open between reads, least recently used closed first.
// Objects are immutable, so an open file is never stale; a deleted one is
// forgotten.
type fileCache struct {
	fs durable.FS

	mu      sync.Mutex
	handles map[string]*list.Element // of *handle, by file
	recent  *list.List               // front is the latest
	deleted int64                    // files forgotten so far
	closed  bool
}

// handle is an open file. It is closed when it is out of the cache and nobody
// uses it.
type handle struct {
	file  string
	f     durable.File
	size  int64
	users int  // guarded by fileCache.mu
	out   bool // no longer in the cache
}

func (c *fileCache) init(fsys durable.FS) {
	c.fs, c.handles, c.recent = fsys, make(map[string]*list.Element), list.New()
}

// acquire returns the handle of a file, to be released.
func (c *fileCache) acquire(file string) (*handle, error) {
	h, deleted, err := c.lookup(file)
	if h != nil || err != nil {
		return h, err
	}
	// Opened outside the lock; two may do it at once, and one is closed again.
	f, err := c.fs.Open(file)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c.insert(&handle{file: file, f: f, size: size}, deleted)
}

// lookup returns the handle in the cache, or nil and what to tell insert.
func (c *fileCache) lookup(file string) (h *handle, deleted int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, 0, fs.ErrClosed
	}
	e := c.handles[file]
	if e == nil {
		return nil, c.deleted, nil
	}
	c.recent.MoveToFront(e)
	h = e.Value.(*handle)
	h.users++
	return h, 0, nil
}

func (c *fileCache) insert(h *handle, deleted int64) (*handle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errors.Join(fs.ErrClosed, h.f.Close())
	}
	h.users++
	if c.handles[h.file] != nil || c.deleted != deleted {
		// Somebody was faster, or this may be the file just deleted: used
		// once, closed on release.
		h.out = true
		return h, nil
	}
	c.handles[h.file] = c.recent.PushFront(h)
	for c.recent.Len() > maxOpen {
		c.drop(c.recent.Back())
	}
	return h, nil
}

// drop takes a handle out of the cache. The caller holds mu. Close of a file
// that was only read has nothing to report.
func (c *fileCache) drop(e *list.Element) {
	h := c.recent.Remove(e).(*handle)
	delete(c.handles, h.file)
	h.out = true
	if h.users == 0 {
		_ = h.f.Close()
	}
}

func (c *fileCache) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	if h.out && h.users == 0 {
		_ = h.f.Close()
	}
}

func (c *fileCache) forget(file string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted++
	if e := c.handles[file]; e != nil {
		c.drop(e)
	}
}

func (c *fileCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.recent.Len() > 0 {
		c.drop(c.recent.Back())
	}
	return nil
}
