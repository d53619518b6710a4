package qcow2

import (
	"fmt"
	"io"
	"sync"

	"origami/disk"
)

// Bounds of what an open image keeps in memory, in bytes.
const (
	tableCacheSize   = 4 << 20
	clusterCacheSize = 8 << 20
	maxSliceSize     = 64 << 10
	maxWindowSize    = 512 << 10 // read at once, unless one cluster needs more
)

// Open returns the disk in r, a qcow2 file of size bytes. Closing it does not
// close r. ReadAt and Extents read tables as they go, so that damage may first
// be seen by them; every error of theirs about the image is a
// [disk.FormatError].
func Open(r io.ReaderAt, size int64) (disk.Image, error) {
	h, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	l1, err := readL1(r, h, size)
	if err != nil {
		return nil, err
	}
	z, err := newDecompressor(h.compression)
	if err != nil {
		return nil, fmt.Errorf("open qcow2 disk: %w", err)
	}
	m := &image{
		r: r, fileSize: size, header: h, l1: l1, z: z,
		sliceSize: min(h.clusterSize(), maxSliceSize),
		clusters:  newCache(int(max(2, clusterCacheSize>>h.clusterBits))),
	}
	m.tables = newCache(int(tableCacheSize / m.sliceSize))
	// The size field of a descriptor counts up to two clusters.
	window := max(maxWindowSize, 2*h.clusterSize())
	m.windows.New = func() any { b := make([]byte, window); return &b }
	return m, nil
}

// image is an open qcow2 disk.
type image struct {
	r        io.ReaderAt
	fileSize int64
	header   *header
	l1       []int64 // offsets of L2 tables, 0 where there is none
	z        decompressor

	sliceSize int64  // bytes of an L2 table that are cached as one block
	tables    *cache // of such blocks, by their offset in the file
	clusters  *cache // of decompressed clusters, by their offset on the disk
	windows   sync.Pool
}

var _ disk.Image = (*image)(nil)

// Size implements [disk.Image].
func (m *image) Size() int64 { return m.header.size }

// Close implements [disk.Image].
func (m *image) Close() error {
	m.z.close()
	return nil
}

// ReadAt implements [io.ReaderAt].
func (m *image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read qcow2 disk: offset %d is negative", off)
	}
	if off >= m.header.size {
		return 0, io.EOF
	}
	var eof error
	if int64(len(p)) > m.header.size-off {
		p, eof = p[:m.header.size-off], io.EOF
	}
	for done := 0; done < len(p); {
		n, err := m.readRun(p[done:], off+int64(done))
		if err != nil {
			return done, fmt.Errorf("read qcow2 disk: %w", err)
		}
		done += n
	}
	return len(p), eof
}

// readRun reads some bytes at the start of p.
func (m *image) readRun(p []byte, off int64) (int, error) {
	r, err := m.lookup(off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	switch r.kind {
	case kindZero:
		clear(p[:r.n])
		return int(r.n), nil
	case kindData:
		return disk.ReadFull(m.r, p[:r.n], r.host)
	}
	if r.n == m.header.clusterSize() {
		return m.readClusters(p, off, r)
	}
	b, err := m.cluster(off&^(m.header.clusterSize()-1), r)
	if err != nil {
		return 0, err
	}
	return copy(p[:r.n], b[off%m.header.clusterSize():]), nil
}

// cluster returns the decompressed cluster at off of the disk. It is kept,
// because whoever reads a part of it is likely to want the rest.
func (m *image) cluster(off int64, r run) ([]byte, error) {
	return m.clusters.get(off, func() ([]byte, error) {
		dst := make([]byte, m.header.clusterSize())
		if _, err := m.decompressAll([]piece{{dst, r}}, off); err != nil {
			return nil, err
		}
		return dst, nil
	})
}

// piece is a cluster to be decompressed.
type piece struct {
	dst []byte
	run run
}

// readClusters decompresses the cluster that first maps to the start of p, and
// as many after it as can be read from the file with it.
func (m *image) readClusters(p []byte, off int64, first run) (int, error) {
	size := m.header.clusterSize()
	pieces := append(make([]piece, 0, 16), piece{p[:size], first})
	low, high := first.host, first.host+first.stored
	sum := first.stored
	for n := size; int64(len(p))-n >= size; n += size {
		r, err := m.lookup(off+n, size)
		if err != nil {
			return 0, err
		}
		if r.kind != kindCompressed {
			break
		}
		sum += r.stored
		low, high = min(low, r.host), max(high, r.host+r.stored)
		if high-low > maxWindowSize || high-low > 2*sum {
			break
		}
		pieces = append(pieces, piece{p[n : n+size], r})
	}
	return m.decompressAll(pieces, off)
}

// decompressAll reads what pieces, which follow each other from off on, need,
// and decompresses them. It returns the number of bytes of the disk.
func (m *image) decompressAll(pieces []piece, off int64) (int, error) {
	low, high := pieces[0].run.host, int64(0)
	for _, c := range pieces {
		low, high = min(low, c.run.host), max(high, c.run.host+c.run.stored)
	}
	buf := m.windows.Get().(*[]byte)
	defer m.windows.Put(buf)
	window := (*buf)[:high-low]
	if _, err := disk.ReadFull(m.r, window, low); err != nil {
		return 0, err
	}
	n := 0
	for _, c := range pieces {
		at := c.run.host - low
		if err := m.z.decompress(c.dst, window[at:at+c.run.stored]); err != nil {
			return n, malformed("compressed cluster of offset %d of the disk, at %d: %v", off+int64(n), c.run.host, err)
		}
		n += len(c.dst)
	}
	return n, nil
}
