package qcow2

import (
	"fmt"
	"math/bits"

	"origami/disk"
)

// Compression is what the writer does with clusters of data.
type Compression int

// The compressions. Clusters that do not become smaller are stored as they
// are.
const (
	None Compression = iota
	Zlib             // what every qcow2 reader understands
	Zstd             // QEMU 5.1 or newer, version 3: ten times faster, and smaller
)

// String returns the name that QEMU uses, or "none".
func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case Zlib:
		return "zlib"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("Compression(%d)", int(c))
}

// Options say how to write a disk. The zero value is what qemu-img writes by
// default: version 3, clusters of 64 KiB, no compression.
type Options struct {
	Version     int // 2 or 3; 0 means 3
	ClusterSize int // a power of two from 512 to 2 MiB; 0 means 64 KiB
	Compression Compression

	// ExtendedL2 makes room for the state of subclusters, for the benefit of
	// those who later write to an image based on this one. It needs version 3
	// and clusters of at least 16 KiB.
	ExtendedL2 bool
}

// header returns the header of a disk of size bytes, without its tables.
func (o Options) header(size int64) (*header, error) {
	if o.Version == 0 {
		o.Version = 3
	}
	if o.ClusterSize == 0 {
		o.ClusterSize = 64 << 10
	}
	switch {
	case o.Version != 2 && o.Version != 3:
		return nil, fmt.Errorf("version %d is neither 2 nor 3", o.Version)
	case o.ClusterSize < 1<<minClusterBits || o.ClusterSize > 1<<maxClusterBits || o.ClusterSize&(o.ClusterSize-1) != 0:
		return nil, fmt.Errorf("cluster size %d is not a power of two from 512 to 2 MiB", o.ClusterSize)
	case o.Compression < None || o.Compression > Zstd:
		return nil, fmt.Errorf("compression %d is unknown", o.Compression)
	case o.Compression == Zstd && o.Version < 3:
		return nil, fmt.Errorf("compression %v needs version 3", o.Compression)
	case o.ExtendedL2 && (o.Version < 3 || o.ClusterSize < 1<<minClusterBitsExtended):
		return nil, fmt.Errorf("extended L2 entries need version 3 and clusters of 16 KiB")
	case size < 0 || size > disk.MaxSize || size%disk.SectorSize != 0:
		return nil, fmt.Errorf("size %d is not a number of sectors of at most %d bytes", size, int64(disk.MaxSize))
	}
	h := &header{
		version:       uint32(o.Version),
		clusterBits:   uint32(bits.TrailingZeros(uint(o.ClusterSize))),
		size:          size,
		refcountOrder: 4,
		length:        headerSizeV2,
	}
	if o.Version >= 3 {
		h.length = headerSizeOur
	}
	if o.Compression == Zstd {
		h.compression = compressionZstd
		h.incompatible |= incompatCompressionType
	}
	if o.ExtendedL2 {
		h.incompatible |= incompatExtendedL2
	}
	if h.l1Entries() > maxL1Size/8 {
		return nil, fmt.Errorf("a disk of %d bytes needs clusters of more than %d", size, o.ClusterSize)
	}
	h.l1Size = uint32(h.l1Entries())
	return h, nil
}
