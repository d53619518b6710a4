package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"

	"origami/disk"
)

// Bits of L1 and L2 entries, section "Cluster mapping".
const (
	entryCopied     = 1 << 63
	entryCompressed = 1 << 62
	entryZero       = 1 << 0
	entryOffset     = 0x00ff_ffff_ffff_fe00

	l1Reserved = 0x7f00_0000_0000_01ff
	l2Reserved = 0x3f00_0000_0000_01fe // and bit 0 where it does not mean zero

	subclusters = 32 // of a cluster, with extended L2 entries
)

// kind says where the bytes of a run are.
type kind uint8

const (
	kindZero       kind = iota // nowhere
	kindData                   // in the file, as they are
	kindCompressed             // in the file, compressed as one cluster
)

// run is a range of the disk that is mapped alike. A compressed run lies
// within one cluster.
type run struct {
	kind   kind
	n      int64 // bytes of the disk
	host   int64 // where the first byte is in the file, or the compressed data
	stored int64 // compressed: how many bytes in the file to look at
}

// extend joins next to r if one follows the other on the disk and in the file.
func (r *run) extend(next run) bool {
	if r.n > 0 && (r.kind != next.kind || r.kind == kindCompressed || r.kind == kindData && r.host+r.n != next.host) {
		return false
	}
	if r.n == 0 {
		*r = next
	} else {
		r.n += next.n
	}
	return true
}

// lookup returns the run that begins at off and is at most limit long. The
// disk has at least limit bytes there.
func (m *image) lookup(off, limit int64) (run, error) {
	var r run
	for r.n < limit {
		next, err := m.span(off+r.n, limit-r.n)
		if err != nil {
			return run{}, err
		}
		if !r.extend(next) {
			break
		}
	}
	return r, nil
}

// span is lookup within the part of an L2 table that is cached as one block.
func (m *image) span(off, limit int64) (run, error) {
	h := m.header
	table := m.l1[off/h.tableSpan()]
	if table == 0 {
		return run{n: min(limit, h.tableSpan()-off%h.tableSpan())}, nil
	}
	cluster := off % h.tableSpan() >> h.clusterBits
	at := cluster * h.entrySize() // in the table
	entries, err := m.tableSlice(table + at&^(m.sliceSize-1))
	if err != nil {
		return run{}, fmt.Errorf("map offset %d of the disk: %w", off, err)
	}
	entries = entries[at%m.sliceSize:]
	var r run
	for r.n < limit && len(entries) > 0 {
		next, err := m.entry(entries, off+r.n)
		if err != nil {
			return run{}, fmt.Errorf("map offset %d of the disk: %w", off+r.n, err)
		}
		next.n = min(next.n, limit-r.n)
		if !r.extend(next) {
			break
		}
		if (off+r.n)%h.clusterSize() == 0 {
			entries = entries[h.entrySize():]
		}
	}
	return r, nil
}

// entry decodes the L2 entry at the start of b for the offset off of the disk.
// The run it returns does not leave the cluster.
func (m *image) entry(b []byte, off int64) (run, error) {
	h := m.header
	e := binary.BigEndian.Uint64(b)
	within := off % h.clusterSize()
	// The last cluster may be larger than what remains of the disk.
	r := run{n: min(h.clusterSize()-within, h.size-off)}
	var bitmap uint64
	if h.extendedL2() {
		bitmap = binary.BigEndian.Uint64(b[8:])
	}
	if e&entryCompressed != 0 {
		if bitmap != 0 {
			return run{}, malformed("compressed cluster has a subcluster bitmap")
		}
		return m.compressedEntry(e, r)
	}
	host := int64(e & entryOffset)
	reserved := uint64(l2Reserved)
	if h.version < 3 || h.extendedL2() {
		reserved |= entryZero
	}
	switch {
	case e&reserved != 0:
		return run{}, malformed("L2 entry %#x has reserved bits set", e)
	case host%h.clusterSize() != 0:
		return run{}, malformed("cluster at %d is not aligned to clusters", host)
	case host == 0 && e&entryCopied != 0:
		return run{}, malformed("cluster lies over the header")
	}
	if h.extendedL2() {
		return m.subclusterEntry(host, bitmap, within, r)
	}
	if host == 0 || e&entryZero != 0 {
		return r, nil
	}
	return m.dataRun(host+within, r)
}

// subclusterEntry completes r from the bitmap of section "Extended L2
// Entries".
func (m *image) subclusterEntry(host int64, bitmap uint64, within int64, r run) (run, error) {
	allocated, zero := uint32(bitmap), uint32(bitmap>>subclusters)
	if allocated&zero != 0 {
		return run{}, malformed("subcluster bitmap %#x has subclusters both allocated and zero", bitmap)
	}
	if host == 0 && allocated != 0 {
		return run{}, malformed("subclusters of a cluster without an offset are allocated")
	}
	size := m.header.clusterSize() / subclusters
	first := within / size
	end := first + 1
	for end < subclusters && allocated>>end&1 == allocated>>first&1 {
		end++
	}
	r.n = min(r.n, end*size-within)
	if allocated>>first&1 == 0 {
		return r, nil // there is no backing file: unallocated is zero
	}
	return m.dataRun(host+within, r)
}

// dataRun completes r, which is stored at host. Bytes of the last cluster that
// are beyond the disk need not be in the file.
func (m *image) dataRun(host int64, r run) (run, error) {
	if host > m.fileSize || r.n > m.fileSize-host {
		return run{}, malformed("cluster data of %d bytes at %d ends beyond the file of %d", r.n, host, m.fileSize)
	}
	r.kind, r.host = kindData, host
	return r, nil
}

// compressedEntry completes r from the descriptor of section "Compressed
// Clusters Descriptor". The last sector may be cut off by the end of the file,
// because compressed data rarely fills it.
func (m *image) compressedEntry(e uint64, r run) (run, error) {
	x := 62 - (m.header.clusterBits - 8)
	host := int64(e & (1<<x - 1))
	sectors := int64(e &^ (entryCopied | entryCompressed) >> x)
	if host < m.header.clusterSize() || host >= m.fileSize {
		return run{}, malformed("compressed cluster at %d is outside the file of %d", host, m.fileSize)
	}
	r.kind, r.host = kindCompressed, host
	r.stored = min((sectors+1)*disk.SectorSize-host%disk.SectorSize, m.fileSize-host)
	return r, nil
}

// tableSlice returns the block of an L2 table at the given offset of the file.
func (m *image) tableSlice(off int64) ([]byte, error) {
	return m.tables.get(off, func() ([]byte, error) {
		b := make([]byte, m.sliceSize)
		if _, err := disk.ReadFull(m.r, b, off); err != nil {
			return nil, fmt.Errorf("L2 table: %w", err)
		}
		return b, nil
	})
}

// readL1 reads the L1 table and checks that the L2 tables are whole clusters
// inside the file, each used once: a table used twice would map a small file
// to an unbounded amount of data.
func readL1(r io.ReaderAt, h *header, fileSize int64) ([]int64, error) {
	l1 := make([]int64, 0, h.l1Entries())
	buf := make([]byte, min(h.l1Entries()*8, maxSliceSize))
	for len(l1) < cap(l1) {
		b := buf[:min(len(buf), 8*(cap(l1)-len(l1)))]
		if _, err := disk.ReadFull(r, b, int64(h.l1Offset)+int64(len(l1))*8); err != nil {
			return nil, fmt.Errorf("qcow2 L1 table: %w", err)
		}
		for ; len(b) > 0; b = b[8:] {
			off, err := l1Entry(binary.BigEndian.Uint64(b), h, fileSize)
			if err != nil {
				return nil, err
			}
			l1 = append(l1, off)
		}
	}
	sorted := slices.Sorted(slices.Values(l1))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] != 0 && sorted[i] == sorted[i-1] {
			return nil, malformed("L2 table at %d is used twice", sorted[i])
		}
	}
	return l1, nil
}

// l1Entry returns the offset of the L2 table, or 0 if there is none.
func l1Entry(e uint64, h *header, fileSize int64) (int64, error) {
	off := int64(e & entryOffset)
	switch {
	case e&l1Reserved != 0:
		return 0, malformed("L1 entry %#x has reserved bits set", e)
	case off == 0 && e&entryCopied != 0:
		return 0, malformed("L2 table lies over the header")
	case off%h.clusterSize() != 0:
		return 0, malformed("L2 table at %d is not aligned to clusters", off)
	case off > fileSize-h.clusterSize():
		return 0, malformed("L2 table at %d ends beyond the file of %d", off, fileSize)
	}
	return off, nil
}

// Extents implements [disk.Image]. A compressed cluster is data.
func (m *image) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 {
			yield(disk.Extent{}, fmt.Errorf("extents of qcow2 disk: offset %d is negative", off))
			return
		}
		w := walk{m: m, next: off}
		for {
			e, err := w.extent(ctx)
			if err != nil {
				yield(disk.Extent{}, fmt.Errorf("extents of qcow2 disk: %w", err))
				return
			}
			if e.Len == 0 || !yield(e, nil) {
				return
			}
		}
	}
}

// walk is one pass of Extents over the disk.
type walk struct {
	m      *image
	next   int64 // offset of pending, or of the run after it
	ahead  run   // was looked up, and belongs to the next extent
	stored int64 // bytes of the file that the runs so far must occupy
}

// extent returns the next extent, or an empty one at the end.
func (w *walk) extent(ctx context.Context) (disk.Extent, error) {
	e := disk.Extent{Off: w.next}
	for w.next < w.m.header.size {
		if ctx.Err() != nil {
			return e, context.Cause(ctx)
		}
		if w.ahead.n == 0 {
			r, err := w.m.span(w.next, w.m.header.size-w.next)
			if err != nil {
				return e, err
			}
			if err := w.account(r); err != nil {
				return e, err
			}
			w.ahead = r
		}
		zero := w.ahead.kind == kindZero
		if e.Len > 0 && e.Zero != zero {
			break
		}
		e.Zero = zero
		e.Len += w.ahead.n
		w.next += w.ahead.n
		w.ahead.n = 0
	}
	return e, nil
}

// account refuses images in which clusters share data. In the active state of
// an image none do, and a small file whose clusters all share one would be
// copied as up to disk.MaxSize bytes of data. Compressed clusters that share
// their data are bounded in the same way, by the sectors that are wholly their
// own.
func (w *walk) account(r run) error {
	switch r.kind {
	case kindData:
		w.stored += r.n
	case kindCompressed:
		w.stored += max(1, r.stored-2*disk.SectorSize)
	}
	if w.stored > w.m.fileSize {
		return malformed("clusters before offset %d of the disk hold more than the file of %d bytes", w.next+r.n, w.m.fileSize)
	}
	return nil
}
