package blockstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/objstore/dir"
)

const (
	block = blockstore.BlockSize
	leaf  = 256 * block
)

// world is a store on a file system that can crash. Its index is a file of the
// same file system, written anew by each Add.
type world struct {
	*blockstore.Store
	fs     *durabletest.CrashFS
	bucket *dir.Bucket
	index  *fileIndex
}

// tb is what *testing.T and *rapid.T have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// small is a configuration in which little data fills packs and the cache.
func small() blockstore.Config {
	return blockstore.Config{PackSize: 2 << 10, CacheBytes: 4 << 20, Keys: newKeyring()}
}

func openWorld(t tb, fsys *durabletest.CrashFS, cfg blockstore.Config) *world {
	t.Helper()
	w, err := tryOpen(fsys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func tryOpen(fsys *durabletest.CrashFS, cfg blockstore.Config) (*world, error) {
	bucket, err := dir.Open(fsys)
	if err != nil {
		return nil, err
	}
	index, err := openIndex(fsys)
	if err != nil {
		return nil, err
	}
	cfg.Bucket, cfg.Index = bucket, index
	s, err := blockstore.Open(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	return &world{s, fsys, bucket, index}, nil
}

func (w *world) close(t tb) {
	t.Helper()
	if err := errors.Join(w.Store.Close(), w.bucket.Close()); err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := openWorld(t, durabletest.New(), small())
	t.Cleanup(func() { w.close(t) })
	return w
}

// fileIndex is an index that is durable when Add returns, and whose Add fails
// when the file system does.
type fileIndex struct {
	mu   sync.Mutex
	fs   durable.FS
	adds []added
	mem  *blockstoretest.MemIndex
}

type added struct {
	Pack    blockstore.Pack
	Entries []blockstore.Entry
}

const indexFile = ".index"

func openIndex(fsys durable.FS) (*fileIndex, error) {
	x := &fileIndex{fs: fsys, mem: blockstoretest.NewMemIndex()}
	data, err := durable.ReadFile(fsys, indexFile, 1<<30)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &x.adds); err != nil {
		return nil, err
	}
	for _, a := range x.adds {
		if err := x.mem.Add(context.Background(), a.Pack, a.Entries); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *fileIndex) Lookup(ctx context.Context, domain blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	return x.mem.Lookup(ctx, domain, ids)
}

func (x *fileIndex) Packs(ctx context.Context) iter.Seq2[blockstore.Pack, error] {
	return x.mem.Packs(ctx)
}

func (x *fileIndex) Add(ctx context.Context, pack blockstore.Pack, entries []blockstore.Entry) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.save(append(x.adds, added{pack, append([]blockstore.Entry(nil), entries...)})); err != nil {
		return err
	}
	return x.mem.Add(ctx, pack, entries)
}

func (x *fileIndex) Reset(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.save(nil); err != nil {
		return err
	}
	return x.mem.Reset(ctx)
}

func (x *fileIndex) save(adds []added) error {
	data, err := json.Marshal(adds)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(x.fs, indexFile, data); err != nil {
		return err
	}
	x.adds = adds
	return nil
}

// pattern returns n bytes that are the same for the same seed and compress
// very well, to keep tests quick; every eighth seed does not compress at all.
func pattern(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 42))
	unit := 1024
	if seed%8 == 7 {
		unit = n
	}
	p := make([]byte, 0, n+unit)
	for range min(unit, n) {
		p = append(p, byte(1+rng.IntN(255)))
	}
	for len(p) < n {
		p = append(p, p[:min(len(p), n-len(p))]...)
	}
	return p[:n]
}

// model is a disk as it should be: blocks that are not zero.
type model struct {
	size   int64
	blocks map[int64][]byte
}

func newModel(size int64) *model { return &model{size, make(map[int64][]byte)} }

func (m *model) clone(size int64) *model {
	c := newModel(size)
	for n, b := range m.blocks {
		c.blocks[n] = b // never changed in place
	}
	return c
}

func (m *model) write(p []byte, off int64) {
	for len(p) > 0 {
		n, in := off/block, off%block
		fresh := make([]byte, block)
		copy(fresh, m.blocks[n])
		k := copy(fresh[in:], p)
		m.blocks[n] = fresh
		p, off = p[k:], off+int64(k)
	}
}

func (m *model) zero(off, n int64) {
	for b, data := range m.blocks {
		from, to := max(off, b*block), min(off+n, (b+1)*block)
		switch {
		case from >= to:
		case to-from == block:
			delete(m.blocks, b)
		default:
			fresh := append([]byte(nil), data...)
			clear(fresh[from-b*block : to-b*block])
			m.blocks[b] = fresh
		}
	}
}

// check compares a disk with the model: all that should not be zero, that the
// rest is a hole, and some bytes of it.
func (m *model) check(t tb, s *blockstore.Store, root blockstore.Root) {
	t.Helper()
	img, err := s.Image(context.Background(), root)
	if err != nil {
		t.Fatalf("open %v: %v", root, err)
	}
	if got, want := img.Size(), m.size; got != want {
		t.Fatalf("size = %d, want %d", got, want)
	}
	holds := make(map[int64]bool)
	for e, err := range img.Extents(context.Background(), 0) {
		if err != nil {
			t.Fatalf("extents of %v: %v", root, err)
		}
		for n := e.Off / block; !e.Zero && n*block < e.Off+e.Len; n++ {
			holds[n] = true
		}
	}
	buf := make([]byte, block)
	for n, want := range m.blocks {
		if n*block >= m.size {
			continue
		}
		got := buf[:min(block, m.size-n*block)]
		if _, err := img.ReadAt(got, n*block); err != nil && err != io.EOF {
			t.Fatalf("read block %d of %v: %v", n, root, err)
		}
		if string(got) != string(want[:len(got)]) {
			t.Fatalf("block %d of %v differs from the model", n, root)
		}
		if allZero(want) == holds[n] {
			t.Fatalf("block %d of %v: data %v in Extents", n, root, holds[n])
		}
		delete(holds, n)
	}
	for n := range holds {
		t.Fatalf("block %d of %v should be zero", n, root)
	}
	for _, off := range []int64{0, m.size / 3, m.size / 2, m.size - 1} {
		if off < 0 || off >= m.size {
			continue
		}
		got := []byte{1}
		if _, err := img.ReadAt(got, off); err != nil {
			t.Fatalf("read 1 byte at %d: %v", off, err)
		}
		var want byte
		if b := m.blocks[off/block]; b != nil {
			want = b[off%block]
		}
		if got[0] != want {
			t.Fatalf("byte at %d = %#x, want %#x", off, got[0], want)
		}
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// write is one call of WriteAt.
type write struct {
	off  int64
	data []byte
}

// create makes a disk over base and returns its root.
func create(s *blockstore.Store, size int64, base blockstore.Root, writes ...write) (blockstore.Root, error) {
	w, err := s.NewWriter(size, base)
	if err != nil {
		return blockstore.Root{}, err
	}
	for _, wr := range writes {
		if _, err := w.WriteAt(wr.data, wr.off); err != nil {
			return blockstore.Root{}, errors.Join(err, w.Abort())
		}
	}
	if err := w.Commit(context.Background()); err != nil {
		return blockstore.Root{}, errors.Join(err, w.Abort())
	}
	return w.Root(), nil
}

func mustCreate(t tb, s *blockstore.Store, size int64, base blockstore.Root, writes ...write) blockstore.Root {
	t.Helper()
	root, err := create(s, size, base, writes...)
	if err != nil {
		t.Fatal(err)
	}
	return root
}
