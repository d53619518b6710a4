package qcow2

import "origami/disk"

// packSize is how much of the file compressed clusters take at a time. They
// are packed without regard to clusters of the file, so that the end of such a
// region is all that may be lost.
const packSize = 1 << 20

// allocator hands out space in the file, in ascending order.
type allocator struct {
	clusterSize int64
	end         int64 // everything from here on is free; a multiple of clusterSize
	pack        int64 // where the next compressed cluster goes
	packEnd     int64
}

// cluster returns a new cluster.
func (a *allocator) cluster() int64 { return a.clusters(1) }

// clusters returns n new clusters in a row.
func (a *allocator) clusters(n int64) int64 {
	off := a.end
	a.end += n * a.clusterSize
	return off
}

// packed returns a place for n bytes of compressed data.
func (a *allocator) packed(n int64) int64 {
	if n > a.packEnd-a.pack {
		if a.packEnd != a.end {
			a.pack = a.end
		}
		a.packEnd = roundUp(a.pack+max(n, packSize), a.clusterSize)
		a.end = a.packEnd
	}
	off := a.pack
	a.pack += n
	return off
}

// trim gives back what the last region has not used, if nothing follows it.
func (a *allocator) trim() {
	if a.packEnd == a.end && a.pack > 0 {
		a.end = roundUp(a.pack, a.clusterSize)
		a.packEnd = a.end
	}
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// compressedDescriptor is the L2 entry of a compressed cluster of n bytes at
// host, section "Compressed Clusters Descriptor".
func compressedDescriptor(host, n int64, clusterBits uint32) uint64 {
	x := 62 - (clusterBits - 8)
	additional := (host+n-1)/disk.SectorSize - host/disk.SectorSize
	return entryCompressed | uint64(additional)<<x | uint64(host)
}
