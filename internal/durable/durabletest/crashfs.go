// Package durabletest holds a file system in memory that knows what is durable
// and what is not, can be crashed at any moment, and can be made to fail.
//
// It promises no more than [durable.FS] does. File data is durable by page of
// [PageSize] bytes at Sync, names are durable at SyncDir. In a crash each page
// written since the last Sync of its file independently keeps its old contents
// or one of those written since; the size of a file is the old one or one it
// has had since; and each change of a name that SyncDir has not reached
// happened or did not, in any combination. A rename inside one directory is
// one change; a rename between two keeps at least one of the names.
package durabletest

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"origami/internal/durable"
)

// CrashFS is a crashable file system in memory. Its methods may be called
// concurrently.
type CrashFS struct {
	mu      sync.Mutex
	root    *node
	pending []change // changes of names in the order made, not yet durable
	faults  []*fault
	counts  map[Op]int
	stopped bool
}

var _ durable.FS = (*CrashFS)(nil)

// New returns an empty file system.
func New() *CrashFS {
	return &CrashFS{root: newDir(), counts: make(map[Op]int)}
}

// node is a file or a directory. All is guarded by CrashFS.mu.
type node struct {
	names        map[string]*node // of a directory: now
	durableNames map[string]*node // of a directory: surely after a crash
	data         *contents        // of a file
}

func newDir() *node {
	return &node{names: make(map[string]*node), durableNames: make(map[string]*node)}
}

func (n *node) isDir() bool { return n.names != nil }

// edit sets or removes one name of one directory.
type edit struct {
	dir  *node
	name string
	to   *node // nil removes
}

// change is a set of edits that happen together.
type change []edit

// do makes a change now and notes it as not durable.
func (c *CrashFS) do(edits ...edit) {
	for _, e := range edits {
		apply(e.dir.names, e)
	}
	c.pending = append(c.pending, edits)
}

func apply(names map[string]*node, e edit) {
	if e.to == nil {
		delete(names, e.name)
	} else {
		names[e.name] = e.to
	}
}

// walk returns the node of a name.
func (c *CrashFS) walk(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, pathError(op, name, fs.ErrInvalid)
	}
	n := c.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.isDir() {
			return nil, pathError(op, name, syscall.ENOTDIR)
		}
		next, ok := n.names[part]
		if !ok {
			return nil, pathError(op, name, fs.ErrNotExist)
		}
		n = next
	}
	return n, nil
}

// parent returns the directory that holds name, and the last part of it.
func (c *CrashFS) parent(op, name string) (*node, string, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, "", pathError(op, name, fs.ErrInvalid)
	}
	dir, err := c.walk(op, path.Dir(name))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", pathError(op, name, syscall.ENOTDIR)
	}
	return dir, path.Base(name), nil
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Create implements [durable.FS].
func (c *CrashFS) Create(name string) (durable.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpCreate, name); err != nil {
		return nil, err
	}
	dir, base, err := c.parent("create", name)
	if err != nil {
		return nil, err
	}
	if dir.names[base] != nil {
		return nil, pathError("create", name, fs.ErrExist)
	}
	n := &node{data: newContents()}
	c.do(edit{dir, base, n})
	return &file{fs: c, data: n.data, name: name}, nil
}

// Open implements [durable.FS].
func (c *CrashFS) Open(name string) (durable.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpOpen, name); err != nil {
		return nil, err
	}
	n, err := c.walk("open", name)
	if err != nil {
		return nil, err
	}
	if n.isDir() {
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return &file{fs: c, data: n.data, name: name}, nil
}

// Rename implements [durable.FS].
func (c *CrashFS) Rename(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpRename, from); err != nil {
		return err
	}
	fromDir, fromBase, err := c.parent("rename", from)
	if err != nil {
		return err
	}
	toDir, toBase, err := c.parent("rename", to)
	if err != nil {
		return err
	}
	n, old := fromDir.names[fromBase], toDir.names[toBase]
	switch {
	case n == nil:
		return pathError("rename", from, fs.ErrNotExist)
	case n == old:
		return nil // two names of one file: POSIX does nothing
	case n.isDir() && strings.HasPrefix(to+"/", from+"/"):
		return pathError("rename", to, fs.ErrInvalid)
	case old != nil && old.isDir():
		return pathError("rename", to, fs.ErrExist)
	case old != nil && n.isDir():
		return pathError("rename", to, syscall.ENOTDIR)
	}
	c.do(edit{fromDir, fromBase, nil}, edit{toDir, toBase, n})
	return nil
}

// Link implements [durable.FS].
func (c *CrashFS) Link(from, to string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpRename, from); err != nil {
		return err
	}
	n, err := c.walk("link", from)
	if err != nil {
		return err
	}
	if n.isDir() {
		return pathError("link", from, syscall.EPERM)
	}
	dir, base, err := c.parent("link", to)
	if err != nil {
		return err
	}
	if dir.names[base] != nil {
		return pathError("link", to, fs.ErrExist)
	}
	c.do(edit{dir, base, n})
	return nil
}

// Remove implements [durable.FS].
func (c *CrashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpRemove, name); err != nil {
		return err
	}
	dir, base, err := c.parent("remove", name)
	if err != nil {
		return err
	}
	n := dir.names[base]
	if n == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if n.isDir() && len(n.names) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	c.do(edit{dir, base, nil})
	return nil
}

// Mkdir implements [durable.FS].
func (c *CrashFS) Mkdir(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpCreate, name); err != nil {
		return err
	}
	dir, base, err := c.parent("mkdir", name)
	if err != nil {
		return err
	}
	if dir.names[base] != nil {
		return pathError("mkdir", name, fs.ErrExist)
	}
	c.do(edit{dir, base, newDir()})
	return nil
}

// List implements [durable.FS].
func (c *CrashFS) List(dir string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpOpen, dir); err != nil {
		return nil, err
	}
	n, err := c.walk("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, pathError("list", dir, syscall.ENOTDIR)
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

// SyncDir implements [durable.FS].
func (c *CrashFS) SyncDir(dir string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.begin(OpSyncDir, dir); err != nil {
		return err
	}
	n, err := c.walk("sync", dir)
	if err != nil {
		return err
	}
	if !n.isDir() {
		return pathError("sync", dir, syscall.ENOTDIR)
	}
	c.syncDir(n)
	return nil
}

// syncDir makes durable what pending changes did to dir. Of a rename between
// two directories, a sync of the old one makes all durable: a removal that
// survived an addition that did not would lose the file.
func (c *CrashFS) syncDir(dir *node) {
	rest := c.pending[:0:0]
	for _, ch := range c.pending {
		var left change
		for _, e := range ch {
			whole := len(ch) == 2 && ch[0].dir == dir
			if e.dir == dir || whole {
				apply(e.dir.durableNames, e)
				rest = forget(rest, e)
			} else {
				left = append(left, e)
			}
		}
		if len(left) > 0 {
			rest = append(rest, left)
		}
	}
	c.pending = rest
}

// forget drops older edits of a name that has become durable.
func forget(pending []change, done edit) []change {
	kept := pending[:0]
	for _, ch := range pending {
		ch = slices.DeleteFunc(slices.Clone(ch), func(e edit) bool {
			return e.dir == done.dir && e.name == done.name
		})
		if len(ch) > 0 {
			kept = append(kept, ch)
		}
	}
	return kept
}
