package qcow2

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"origami/disk"
)

// File is what a disk is written to: an [os.File] or a durable.File.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// Create empties f and returns a writer that makes it a qcow2 image of a disk
// of size bytes, a multiple of [disk.SectorSize].
//
// WriteAt compresses in the goroutine that calls it, so concurrent calls
// compress concurrently. Zero clusters take no space. Calls for whole clusters
// are fastest; parts are gathered in up to a few MiB of memory until their
// cluster is full. Ranges may be written again, but the space of a compressed
// cluster that is replaced is not used again. The writer remembers 8 bytes for
// each cluster, in units of L2 tables, of the parts of the disk that hold data.
//
// The header is written last, after all else is durable: until then f is not
// an image. Abort empties f. Naming and closing f are the caller's. After a
// WriteAt has failed, Commit fails as well.
func Create(f File, size int64, o Options) (disk.Writer, error) {
	h, err := o.header(size)
	if err != nil {
		return nil, fmt.Errorf("create qcow2 disk: %w", err)
	}
	c, err := newCompressor(o.Compression, h.clusterSize())
	if err != nil {
		return nil, fmt.Errorf("create qcow2 disk: %w", err)
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("create qcow2 disk: %w", err)
	}
	w := &writer{
		f: f, header: h, compressor: c,
		tables:  make([][]uint64, h.l1Entries()),
		alloc:   allocator{clusterSize: h.clusterSize(), end: h.clusterSize()},
		pending: make(map[int64]*pending),
	}
	if c != nil {
		if w.z, err = newDecompressor(h.compression); err != nil {
			return nil, fmt.Errorf("create qcow2 disk: %w", err)
		}
	}
	return w, nil
}

// writer writes a qcow2 disk. Clusters of the disk are named by their number.
type writer struct {
	f          File
	header     *header
	compressor compressor   // nil: none
	z          decompressor // to read back what was compressed; nil: none
	batches    sync.Pool    // of *batch

	mu      sync.Mutex // guards what follows
	tables  [][]uint64 // L2 entries as they will be in the file, nil where all are 0
	alloc   allocator
	pending map[int64]*pending // clusters of which only a part was written
	oldest  []int64            // the keys of pending, and some that no longer are
	failed  error              // of the first WriteAt that failed
	done    bool
}

var _ disk.Writer = (*writer)(nil)

var errDone = errors.New("write qcow2 disk: already committed or aborted")

// WriteAt implements [io.WriterAt].
func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > w.header.size || int64(len(p)) > w.header.size-off {
		return 0, fmt.Errorf("write qcow2 disk: %d bytes at %d are outside the disk of %d bytes", len(p), off, w.header.size)
	}
	w.mu.Lock()
	done := w.done
	w.mu.Unlock()
	if done {
		return 0, errDone
	}
	write := w.writePlain
	if w.compressor != nil {
		write = w.writeCompressed
	}
	if err := write(p, off); err != nil {
		err = fmt.Errorf("write qcow2 disk: %w", err)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.failed == nil {
			w.failed = err
		}
		return 0, err
	}
	return len(p), nil
}

// entry returns the L2 entry of a cluster. The caller holds mu.
func (w *writer) entry(cluster int64) uint64 {
	perTable := w.header.clusterSize() / w.header.entrySize()
	t := w.tables[cluster/perTable]
	if t == nil {
		return 0
	}
	return t[cluster%perTable]
}

// setEntry sets the L2 entry of a cluster. The caller holds mu.
func (w *writer) setEntry(cluster int64, e uint64) {
	perTable := w.header.clusterSize() / w.header.entrySize()
	t := &w.tables[cluster/perTable]
	if *t == nil {
		if e == 0 {
			return
		}
		*t = make([]uint64, perTable)
	}
	(*t)[cluster%perTable] = e
}

// part is the part of a cluster that a WriteAt covers.
type part struct {
	cluster int64
	within  int64 // where in the cluster it begins
	b       []byte
	whole   bool // all of the cluster that is on the disk
	zero    bool
}

// split cuts p, which is at off, at the ends of clusters.
func (w *writer) split(p []byte, off int64) []part {
	size := w.header.clusterSize()
	parts := make([]part, 0, int64(len(p))/size+2)
	for len(p) > 0 {
		c := part{cluster: off / size, within: off % size}
		n := min(size-c.within, int64(len(p)))
		c.b = p[:n]
		c.whole = c.within == 0 && (n == size || off+n == w.header.size)
		c.zero = disk.IsZero(c.b)
		parts = append(parts, c)
		p, off = p[n:], off+n
	}
	return parts
}

// writePlain writes clusters as they are. Zeros are left out of clusters that
// were never anything else.
func (w *writer) writePlain(p []byte, off int64) error {
	var s segment
	w.mu.Lock()
	segments := make([]segment, 0, 4)
	for _, c := range w.split(p, off) {
		e := w.entry(c.cluster)
		if e == 0 && c.zero {
			continue
		}
		if e == 0 {
			e = uint64(w.alloc.cluster()) | entryCopied
			w.setEntry(c.cluster, e)
		}
		next := segment{int64(e&entryOffset) + c.within, c.b}
		if !s.join(next) {
			segments = append(segments, s)
			s = next
		}
	}
	w.mu.Unlock()
	return w.write(append(segments, s))
}

// segment is bytes for one place in the file.
type segment struct {
	host int64
	b    []byte
}

// join makes s longer by next, if that follows both in the file and in the
// buffer of which both are slices.
func (s *segment) join(next segment) bool {
	switch {
	case len(s.b) == 0:
		*s = next
		return true
	case s.host+int64(len(s.b)) != next.host || cap(s.b)-len(s.b) != cap(next.b):
		return false
	}
	s.b = s.b[:len(s.b)+len(next.b)]
	return true
}

func (w *writer) write(segments []segment) error {
	for _, s := range segments {
		if len(s.b) == 0 {
			continue
		}
		if _, err := w.f.WriteAt(s.b, s.host); err != nil {
			return fmt.Errorf("write %d bytes at %d of the file: %w", len(s.b), s.host, err)
		}
	}
	return nil
}
