package blockstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"origami/disk"
	"origami/internal/durable"
)

// The upload log. See docs/design/upload.md.
const (
	uploadMagic   = "ORIGUPLD"
	uploadVersion = 1
	uploadHeader  = 64
	entryMagic    = "OUpl"
	entryHead     = 80
	entryAlign    = 16
)

// uploadID is the random identity of a log.
type uploadID [16]byte

// uploadEntry is the head of an entry.
type uploadEntry struct {
	length int   // of the record; 0 for zeros
	block  int64 // its number
	time   time.Time
	synced int64 // what was durable when it was written
	digest ID    // SHA-256 of the block
	crc    uint32
}

// end is where the entry at off ends.
func (e *uploadEntry) end(off int64) int64 {
	return (off + entryHead + int64(e.length) + entryAlign - 1) &^ (entryAlign - 1)
}

func encodeUploadHeader(id uploadID, size int64) []byte {
	le := binary.LittleEndian
	b := make([]byte, uploadHeader)
	copy(b, uploadMagic)
	le.PutUint16(b[8:], uploadVersion)
	copy(b[16:], id[:])
	le.PutUint64(b[32:], uint64(size))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func parseUploadHeader(b []byte) (id uploadID, size int64, err error) {
	le := binary.LittleEndian
	if len(b) != uploadHeader || !bytes.HasPrefix(b, []byte(uploadMagic)) {
		return id, 0, malformed("no upload log")
	}
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return id, 0, malformed("upload log header fails its checksum")
	}
	if v := le.Uint16(b[8:]); v != uploadVersion {
		return id, 0, fmt.Errorf("upload log of version %d: %w", v, ErrUnsupported)
	}
	copy(id[:], b[16:])
	if [6]byte(b[10:16]) != [6]byte{} || [20]byte(b[40:60]) != [20]byte{} {
		return id, 0, fmt.Errorf("upload log header has more fields: %w", ErrUnsupported)
	}
	size = int64(le.Uint64(b[32:]))
	if size < 0 || size > disk.MaxSize {
		return id, 0, malformed("upload of a disk of %d bytes", size)
	}
	return id, size, nil
}

// put encodes the head of an entry at off into the first entryHead bytes of b.
func (e *uploadEntry) put(b []byte, id uploadID, off int64) {
	le := binary.LittleEndian
	b = b[:entryHead]
	clear(b)
	copy(b, entryMagic)
	le.PutUint32(b[4:], uint32(e.length))
	le.PutUint64(b[8:], uint64(e.block))
	le.PutUint64(b[16:], uint64(e.time.UnixMicro()))
	le.PutUint64(b[24:], uint64(e.synced))
	copy(b[32:], e.digest[:])
	le.PutUint32(b[64:], e.crc)
	le.PutUint32(b[76:], entrySum(b, id, off))
}

// entrySum is the checksum of an entry's head in its place.
func entrySum(head []byte, id uploadID, off int64) uint32 {
	var place [24]byte
	copy(place[:], id[:])
	binary.LittleEndian.PutUint64(place[16:], uint64(off))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, head[:76])
}

// parseUploadEntry decodes the head of an entry at off of a log whose disk has
// that many blocks. ok is false if there is none.
func parseUploadEntry(b []byte, id uploadID, off, blocks int64) (e uploadEntry, ok bool) {
	le := binary.LittleEndian
	if len(b) < entryHead || !bytes.HasPrefix(b, []byte(entryMagic)) || le.Uint32(b[76:]) != entrySum(b, id, off) {
		return e, false
	}
	e = uploadEntry{
		length: int(le.Uint32(b[4:])), block: int64(le.Uint64(b[8:])), time: time.UnixMicro(int64(le.Uint64(b[16:]))).UTC(),
		synced: int64(le.Uint64(b[24:])), digest: ID(b[32:64]), crc: le.Uint32(b[64:]),
	}
	fits := e.length == 0 || e.length >= minHead && e.length <= maxRecord
	return e, fits && e.block >= 0 && e.block < blocks && e.synced >= uploadHeader && e.synced <= off
}

// uploadScan is what reading a log finds.
type uploadScan struct {
	blocks map[int64]int64 // offsets of the entries that count
	end    int64
	last   time.Time // of the last entry; zero if there is none
}

// scanUpload reads the log in f, of the given size.
func scanUpload(f durable.File, size int64, id uploadID, blocks int64) (uploadScan, error) {
	s := uploadScan{blocks: make(map[int64]int64), end: uploadHeader}
	buf := make([]byte, entryHead+maxRecord)
	for size-s.end >= entryHead {
		b := buf[:min(int64(len(buf)), size-s.end)]
		if err := readFull(f, b, s.end); err != nil {
			return s, err
		}
		e, ok := parseUploadEntry(b, id, s.end, blocks)
		if !ok || len(b) < entryHead+e.length || crc32.Checksum(b[entryHead:entryHead+e.length], castagnoli) != e.crc {
			break
		}
		s.blocks[e.block] = s.end
		s.last = e.time
		s.end = e.end(s.end)
	}
	if s.end > size { // the padding was not written
		s.end = size
	}
	return s, noneDurable(f, s.end, size, id, blocks)
}

// noneDurable reports an entry behind the end of the log that says that more
// was durable than there is.
func noneDurable(f durable.File, end, size int64, id uploadID, blocks int64) error {
	const window = 1 << 20
	buf := make([]byte, window+entryHead)
	for off := end &^ (entryAlign - 1); size-off >= entryHead; off += window {
		b := buf[:min(int64(len(buf)), size-off)]
		if err := readFull(f, b, off); err != nil {
			return err
		}
		for i := 0; i < window && len(b)-i >= entryHead; i += entryAlign {
			if e, ok := parseUploadEntry(b[i:], id, off+int64(i), blocks); ok && e.synced > end {
				return malformed("upload log ends at %d, and %d bytes of it were durable", end, e.synced)
			}
		}
	}
	return nil
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read upload log at %d: %w", off, err)
}
