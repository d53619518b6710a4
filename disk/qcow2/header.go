package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"origami/disk"
)

// Limits. Those of QEMU are mentioned in sections "Header" and "Extended L2
// Entries".
const (
	minClusterBits         = 9
	maxClusterBits         = 21 // QEMU's
	minClusterBitsExtended = 14
	maxL1Size              = 32 << 20 // bytes, QEMU's
	maxRefcountTable       = 8 << 20  // bytes, QEMU's
	maxRefcountOrder       = 6
)

const (
	magic         = "QFI\xfb"
	headerSizeV2  = 72
	headerSizeV3  = 104
	headerSizeOur = 112 // with compression_type and padding
)

// Bits of incompatible_features and autoclear_features, section "Header".
const (
	incompatDirty           = 1 << 0
	incompatCorrupt         = 1 << 1
	incompatDataFile        = 1 << 2
	incompatCompressionType = 1 << 3
	incompatExtendedL2      = 1 << 4

	incompatKnown = incompatDirty | incompatCorrupt | incompatDataFile | incompatCompressionType | incompatExtendedL2

	autoclearRawExternal = 1 << 1
)

// Types of header extensions, section "Header extensions".
const (
	extensionEnd        = 0
	extensionDataFile   = 0x44415441
	extensionEncryption = 0x0537be77
)

// Values of compression_type.
const (
	compressionZlib = 0
	compressionZstd = 1
)

// header is the part of the header that reading and writing need.
type header struct {
	version         uint32
	clusterBits     uint32
	size            int64 // of the disk
	l1Size          uint32
	l1Offset        uint64
	refcountOffset  uint64
	refcountSize    uint32 // clusters
	snapshots       uint32
	snapshotsOffset uint64
	incompatible    uint64
	refcountOrder   uint32
	length          uint32
	compression     uint8
}

func (h *header) clusterSize() int64 { return 1 << h.clusterBits }
func (h *header) extendedL2() bool   { return h.incompatible&incompatExtendedL2 != 0 }

// entrySize is the size of an L2 entry in bytes.
func (h *header) entrySize() int64 {
	if h.extendedL2() {
		return 16
	}
	return 8
}

// tableSpan is the number of bytes of the disk that one L2 table maps.
func (h *header) tableSpan() int64 { return h.clusterSize() / h.entrySize() * h.clusterSize() }

// l1Entries is the number of L1 entries that the disk needs.
func (h *header) l1Entries() int64 { return (h.size + h.tableSpan() - 1) / h.tableSpan() }

func malformed(format string, args ...any) error {
	return &disk.FormatError{Format: "qcow2", Reason: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &disk.UnsupportedError{Format: "qcow2", Feature: fmt.Sprintf(format, args...)}
}

// readHeader reads and checks the header of a file of size bytes.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	b := make([]byte, min(headerSizeOur, max(0, size)))
	if _, err := disk.ReadFull(r, b, 0); err != nil {
		return nil, fmt.Errorf("read qcow2 header: %w", err)
	}
	if len(b) < headerSizeV2 || string(b[:4]) != magic {
		return nil, malformed("no header")
	}
	h, err := parseFixed(b)
	if err != nil {
		return nil, err
	}
	if h.version >= 3 {
		if err := h.parseV3(b); err != nil {
			return nil, err
		}
	}
	if err := h.checkSize(); err != nil {
		return nil, err
	}
	if err := h.checkTables(size); err != nil {
		return nil, err
	}
	if err := h.checkExtensions(r, size); err != nil {
		return nil, err
	}
	return h, nil
}

// parseFixed parses the 72 bytes that all versions share.
func parseFixed(b []byte) (*header, error) {
	be := binary.BigEndian
	h := &header{
		version:         be.Uint32(b[4:]),
		clusterBits:     be.Uint32(b[20:]),
		l1Size:          be.Uint32(b[36:]),
		l1Offset:        be.Uint64(b[40:]),
		refcountOffset:  be.Uint64(b[48:]),
		refcountSize:    be.Uint32(b[56:]),
		snapshots:       be.Uint32(b[60:]),
		snapshotsOffset: be.Uint64(b[64:]),
		refcountOrder:   4,
		length:          headerSizeV2,
	}
	if h.version != 2 && h.version != 3 {
		return nil, unsupported("version %d", h.version)
	}
	if be.Uint64(b[8:]) != 0 {
		return nil, unsupported("a backing file")
	}
	switch method := be.Uint32(b[32:]); method {
	case 0:
	case 1:
		return nil, unsupported("AES encryption")
	case 2:
		return nil, unsupported("LUKS encryption")
	default:
		return nil, unsupported("encryption method %d", method)
	}
	if h.clusterBits < minClusterBits {
		return nil, malformed("cluster_bits is %d, less than %d", h.clusterBits, minClusterBits)
	}
	if h.clusterBits > maxClusterBits {
		return nil, unsupported("a cluster_bits of %d", h.clusterBits)
	}
	virtual := be.Uint64(b[24:])
	if virtual > disk.MaxSize {
		return nil, unsupported("a disk of %d bytes", virtual)
	}
	if virtual%disk.SectorSize != 0 {
		return nil, unsupported("a disk of %d bytes, which is not a number of sectors,", virtual)
	}
	h.size = int64(virtual)
	return h, nil
}

// parseV3 parses what follows in version 3, section "Additional fields".
func (h *header) parseV3(b []byte) error {
	if len(b) < headerSizeV3 {
		return malformed("header of version 3 ends at %d", len(b))
	}
	be := binary.BigEndian
	h.incompatible = be.Uint64(b[72:])
	autoclear := be.Uint64(b[88:])
	h.refcountOrder = be.Uint32(b[96:])
	h.length = be.Uint32(b[100:])

	switch unknown := h.incompatible &^ incompatKnown; {
	case unknown != 0:
		return unsupported("incompatible feature bit %d", bits.TrailingZeros64(unknown))
	case h.incompatible&incompatCorrupt != 0:
		return unsupported("an image marked corrupt")
	case h.incompatible&incompatDataFile != 0 || autoclear&autoclearRawExternal != 0:
		return unsupported("an external data file")
	case h.refcountOrder > maxRefcountOrder:
		return malformed("refcount_order is %d, more than %d", h.refcountOrder, maxRefcountOrder)
	case h.length < headerSizeV3 || h.length%8 != 0 || int64(h.length) > h.clusterSize():
		return malformed("header_length is %d", h.length)
	case h.extendedL2() && h.clusterBits < minClusterBitsExtended:
		return malformed("extended L2 entries with a cluster_bits of %d", h.clusterBits)
	}
	return h.parseCompression(b)
}

func (h *header) parseCompression(b []byte) error {
	if h.length > headerSizeV3 {
		if len(b) <= headerSizeV3 {
			return malformed("header of %d bytes ends at %d", h.length, len(b))
		}
		h.compression = b[headerSizeV3]
	}
	if declared := h.incompatible&incompatCompressionType != 0; declared != (h.compression != compressionZlib) {
		return malformed("compression_type is %d, and the incompatible feature bit does not agree", h.compression)
	}
	if h.compression > compressionZstd {
		return unsupported("compression_type %d", h.compression)
	}
	return nil
}

// checkSize checks that the L1 table is as large as the disk needs.
func (h *header) checkSize() error {
	if need := h.l1Entries(); need > maxL1Size/8 {
		return unsupported("a disk of %d bytes in clusters of %d", h.size, h.clusterSize())
	} else if int64(h.l1Size) < need {
		return malformed("L1 table of %d entries is too small for a disk of %d bytes", h.l1Size, h.size)
	}
	return nil
}

// checkTables checks that the tables the header names lie inside the file.
func (h *header) checkTables(size int64) error {
	if err := h.checkRange("L1 table", h.l1Offset, int64(h.l1Size)*8, size); err != nil {
		return err
	}
	if err := h.checkRange("refcount table", h.refcountOffset, int64(h.refcountSize)<<h.clusterBits, size); err != nil {
		return err
	}
	// Entries of the snapshot table have at least 40 bytes.
	return h.checkRange("snapshot table", h.snapshotsOffset, int64(h.snapshots)*40, size)
}

// checkRange checks a table of n bytes at off, if it is not empty.
func (h *header) checkRange(what string, off uint64, n, size int64) error {
	switch {
	case n == 0:
		return nil
	case off%uint64(h.clusterSize()) != 0:
		return malformed("%s at %d is not aligned to clusters", what, off)
	case off == 0:
		return malformed("%s lies over the header", what)
	case off > uint64(size) || n > size-int64(off):
		return malformed("%s of %d bytes at %d ends beyond the file of %d", what, n, off, size)
	}
	return nil
}

// checkExtensions walks the header extensions, which end with the first
// cluster at the latest, and refuses those that point out of the file.
func (h *header) checkExtensions(r io.ReaderAt, size int64) error {
	b := make([]byte, min(h.clusterSize(), size))
	if _, err := disk.ReadFull(r, b, 0); err != nil {
		return fmt.Errorf("read qcow2 header extensions: %w", err)
	}
	if int64(h.length) > int64(len(b)) {
		return malformed("header of %d bytes ends at %d", h.length, len(b))
	}
	for b = b[h.length:]; len(b) >= 8; {
		kind, n := binary.BigEndian.Uint32(b), int64(binary.BigEndian.Uint32(b[4:]))
		switch kind {
		case extensionEnd:
			return nil
		case extensionDataFile:
			return unsupported("an external data file")
		case extensionEncryption:
			return unsupported("encryption")
		}
		b = b[8:]
		if n > int64(len(b)) {
			return malformed("header extension %#x of %d bytes does not end in the first cluster", kind, n)
		}
		b = b[min(int64(len(b)), (n+7)&^7):]
	}
	return nil
}
