package qcow2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// writeRefcounts writes the reference counts of all clusters of the file,
// section "Host cluster management", and says in the header where they are.
func (w *writer) writeRefcounts(l1 []uint64) error {
	h := w.header
	perBlock := h.clusterSize() / 2 // counts of 16 bits
	used := w.alloc.end >> h.clusterBits
	blocks, tableClusters := refcountLayout(used, h.clusterSize())
	if tableClusters*h.clusterSize() > maxRefcountTable {
		return fmt.Errorf("a file of %d bytes needs clusters of more than %d", w.alloc.end, h.clusterSize())
	}
	h.refcountOffset = uint64(w.alloc.clusters(tableClusters))
	h.refcountSize = uint32(tableClusters)
	first := w.alloc.clusters(blocks)

	counts := make(refcounts, blocks*perBlock)
	if err := w.count(counts, l1); err != nil {
		return err
	}
	table := make([]uint64, blocks)
	for i := range table {
		table[i] = uint64(first + int64(i)<<h.clusterBits)
	}
	if err := w.write([]segment{{int64(h.refcountOffset), bigEndian(table)}}); err != nil {
		return err
	}
	b := make([]byte, h.clusterSize())
	for i := range table {
		for j, n := range counts[int64(i)*perBlock : int64(i+1)*perBlock] {
			binary.BigEndian.PutUint16(b[2*j:], n)
		}
		if err := w.write([]segment{{int64(table[i]), b}}); err != nil {
			return err
		}
	}
	return nil
}

// refcountLayout returns how many refcount blocks, and clusters of the table
// of them, count used clusters and their own.
func refcountLayout(used, clusterSize int64) (blocks, table int64) {
	for {
		total := used + blocks + table
		b := (total + clusterSize/2 - 1) / (clusterSize / 2)
		t := (b*8 + clusterSize - 1) / clusterSize
		if b == blocks && t == table {
			return blocks, table
		}
		blocks, table = b, t
	}
}

// refcounts has the reference count of each cluster of the file.
type refcounts []uint16

// add counts a reference to n bytes at off, in units of whole clusters.
func (r refcounts) add(off, n, clusterSize int64) error {
	for i := off / clusterSize; i <= (off+n-1)/clusterSize; i++ {
		if r[i] == math.MaxUint16 {
			return errors.New("a cluster of the file has more than 65535 references")
		}
		r[i]++
	}
	return nil
}

// count counts all references: from the header, the L1 table and the L2
// tables.
func (w *writer) count(counts refcounts, l1 []uint64) error {
	h := w.header
	size := h.clusterSize()
	refs := []run{
		{host: 0, stored: size},
		{host: int64(h.l1Offset), stored: int64(len(l1)) * 8},
		{host: int64(h.refcountOffset), stored: w.alloc.end - int64(h.refcountOffset)},
	}
	for _, r := range refs {
		if err := counts.add(r.host, r.stored, size); err != nil {
			return err
		}
	}
	m := image{header: h, fileSize: w.alloc.end}
	for i, t := range w.tables {
		if l1[i] == 0 {
			continue
		}
		if err := counts.add(int64(l1[i]&entryOffset), size, size); err != nil {
			return err
		}
		for _, e := range t {
			r := run{host: int64(e & entryOffset), stored: size}
			if e&entryCompressed != 0 {
				var err error
				if r, err = m.compressedEntry(e, run{}); err != nil {
					return err
				}
			} else if e == 0 {
				continue
			}
			if err := counts.add(r.host, r.stored, size); err != nil {
				return err
			}
		}
	}
	return nil
}
