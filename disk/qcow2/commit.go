package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
)

// Commit implements [disk.Writer]. The order is: L2 tables, L1 table, reference
// counts, sync, header, sync.
func (w *writer) Commit(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return err
	}
	if err := w.commit(ctx); err != nil {
		return fmt.Errorf("commit qcow2 disk: %w", err)
	}
	return nil
}

// end marks the writer as done.
func (w *writer) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return errDone
	}
	w.done = true
	return w.failed
}

// Abort implements [disk.Writer].
func (w *writer) Abort() error {
	w.mu.Lock()
	w.done = true
	w.tables, w.pending = nil, nil
	w.mu.Unlock()
	w.close()
	if err := w.f.Truncate(0); err != nil {
		return fmt.Errorf("abort qcow2 disk: %w", err)
	}
	return nil
}

func (w *writer) close() {
	if w.z != nil {
		w.z.close()
	}
}

// commit is called once, after the last WriteAt, so that nothing is locked.
func (w *writer) commit(ctx context.Context) error {
	for _, p := range w.pending {
		if err := w.storeIfPending(p); err != nil {
			return err
		}
	}
	w.close()
	w.alloc.trim()
	l1, err := w.writeL2(ctx)
	if err != nil {
		return err
	}
	h := w.header
	h.l1Offset = uint64(w.alloc.clusters(roundUp(int64(len(l1))*8, h.clusterSize()) >> h.clusterBits))
	if err := w.write([]segment{{int64(h.l1Offset), bigEndian(l1)}}); err != nil {
		return err
	}
	if err := w.writeRefcounts(l1); err != nil {
		return err
	}
	// Nobody may find tables missing that the last cluster should hold.
	if err := w.f.Truncate(w.alloc.end); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	if err := w.write([]segment{{0, h.encode()}}); err != nil {
		return err
	}
	return w.f.Sync()
}

// writeL2 writes the L2 tables and returns the L1 table.
func (w *writer) writeL2(ctx context.Context) ([]uint64, error) {
	l1 := make([]uint64, len(w.tables))
	b := make([]byte, w.header.clusterSize())
	for i, t := range w.tables {
		if !used(t) {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		for j, e := range t {
			entry := b[int64(j)*w.header.entrySize():]
			binary.BigEndian.PutUint64(entry, e)
			if !w.header.extendedL2() {
				continue
			}
			var bitmap uint64
			if e&entryCopied != 0 {
				bitmap = math.MaxUint32 // every subcluster is allocated
			}
			binary.BigEndian.PutUint64(entry[8:], bitmap)
		}
		off := w.alloc.cluster()
		if err := w.write([]segment{{off, b}}); err != nil {
			return nil, err
		}
		l1[i] = uint64(off) | entryCopied
	}
	return l1, nil
}

func used(table []uint64) bool {
	for _, e := range table {
		if e != 0 {
			return true
		}
	}
	return false
}

func bigEndian(table []uint64) []byte {
	b := make([]byte, 0, len(table)*8)
	for _, e := range table {
		b = binary.BigEndian.AppendUint64(b, e)
	}
	return b
}

// encode returns the header and the end of its extensions.
func (h *header) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, h.length+8)
	copy(b, magic)
	be.PutUint32(b[4:], h.version)
	be.PutUint32(b[20:], h.clusterBits)
	be.PutUint64(b[24:], uint64(h.size))
	be.PutUint32(b[36:], h.l1Size)
	be.PutUint64(b[40:], h.l1Offset)
	be.PutUint64(b[48:], h.refcountOffset)
	be.PutUint32(b[56:], h.refcountSize)
	if h.version < 3 {
		return b
	}
	be.PutUint64(b[72:], h.incompatible)
	be.PutUint32(b[96:], h.refcountOrder)
	be.PutUint32(b[100:], h.length)
	b[104] = h.compression
	return b
}
