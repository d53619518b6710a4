package blockstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"origami/disk"
	"origami/internal/durable"
)

// The upload log. See docs/design/upload.md.
const (
	uploadMagic  = "ORIGUPLD"
	uploadHeader = 64 // the part that both versions have
	entryMagic   = "OUpl"
	entryHead    = 80
	entryAlign   = 16

	uploadPlain  = 1 // version of logs that are not encrypted
	uploadSealed = 2 // version of encrypted ones

	// maxUploadHeader is the longest header, that of a sealed log.
	maxUploadHeader = (uploadHeader + maxDomain + 4 + entryAlign - 1) &^ (entryAlign - 1)
)

// uploadID is the random identity of a log.
type uploadID [16]byte

// uploadLog is what the header of a log says.
type uploadLog struct {
	id     uploadID
	size   int64  // of the disk in bytes
	domain Domain // that the log is sealed for, "" if it is not sealed
	tag    tag    // of the domain's key
}

// sealed says whether the entries are encrypted.
func (l *uploadLog) sealed() bool { return l.domain != "" }

// begin is where the entries begin.
func (l *uploadLog) begin() int64 {
	if !l.sealed() {
		return uploadHeader
	}
	return align(uploadHeader + int64(len(l.domain)) + 4)
}

// holds says whether the body of an entry may have that many bytes.
func (l *uploadLog) holds(body int) bool {
	if l.sealed() && body > 0 {
		body -= sealedHead + tagSize
	}
	return body == 0 || body >= minHead && body <= maxRecord
}

// maxBody is the length of the longest body of an entry.
func (l *uploadLog) maxBody() int {
	if l.sealed() {
		return sealedHead + maxRecord + tagSize
	}
	return maxRecord
}

// align is the next place where an entry may begin.
func align(off int64) int64 { return (off + entryAlign - 1) &^ (entryAlign - 1) }

// uploadEntry is the head of an entry.
type uploadEntry struct {
	length int   // of the body; 0 for zeros
	block  int64 // its number
	time   time.Time
	synced int64 // what was durable when it was written
	digest ID    // SHA-256 of the block; in a sealed log its identity in the domain
	crc    uint32
}

// end is where the entry at off ends.
func (e *uploadEntry) end(off int64) int64 { return align(off + entryHead + int64(e.length)) }

func (l *uploadLog) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, l.begin())
	copy(b, uploadMagic)
	le.PutUint16(b[8:], uploadPlain)
	copy(b[16:], l.id[:])
	le.PutUint64(b[32:], uint64(l.size))
	if l.sealed() {
		le.PutUint16(b[8:], uploadSealed)
		le.PutUint16(b[10:], uint16(len(l.domain)))
		copy(b[40:], l.tag[:])
		end := uploadHeader + copy(b[uploadHeader:], l.domain)
		le.PutUint32(b[end:], crc32.Checksum(b[uploadHeader:end], castagnoli))
	}
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// parseUploadHeader decodes the header at the beginning of b, which may go on.
func parseUploadHeader(b []byte) (l uploadLog, err error) {
	le := binary.LittleEndian
	if len(b) < uploadHeader || !bytes.HasPrefix(b, []byte(uploadMagic)) {
		return l, malformed("no upload log")
	}
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return l, malformed("upload log header fails its checksum")
	}
	copy(l.id[:], b[16:])
	l.size = int64(le.Uint64(b[32:]))
	if l.size < 0 || l.size > disk.MaxSize {
		return l, malformed("upload of a disk of %d bytes", l.size)
	}
	switch v := le.Uint16(b[8:]); v {
	case uploadPlain:
		if [6]byte(b[10:16]) != [6]byte{} || [20]byte(b[40:60]) != [20]byte{} {
			return l, fmt.Errorf("upload log header has more fields: %w", ErrUnsupported)
		}
		return l, nil
	case uploadSealed:
		return l, l.parseSealed(b)
	default:
		return l, fmt.Errorf("upload log of version %d: %w", v, ErrUnsupported)
	}
}

// parseSealed decodes what only the header of a sealed log has.
func (l *uploadLog) parseSealed(b []byte) error {
	le := binary.LittleEndian
	if [4]byte(b[12:16]) != [4]byte{} || [4]byte(b[56:60]) != [4]byte{} {
		return fmt.Errorf("upload log header has more fields: %w", ErrUnsupported)
	}
	n := int(le.Uint16(b[10:]))
	if n == 0 || n > maxDomain || len(b) < uploadHeader+n+4 {
		return malformed("upload log for a domain of %d bytes", n)
	}
	name := b[uploadHeader : uploadHeader+n]
	if le.Uint32(b[uploadHeader+n:]) != crc32.Checksum(name, castagnoli) {
		return malformed("domain of the upload log fails its checksum")
	}
	copy(l.tag[:], b[40:])
	l.domain = Domain(name)
	return nil
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

// parseEntry decodes the head of an entry at off. ok is false if there is none.
func (l *uploadLog) parseEntry(b []byte, off int64) (e uploadEntry, ok bool) {
	le := binary.LittleEndian
	if len(b) < entryHead || !bytes.HasPrefix(b, []byte(entryMagic)) || le.Uint32(b[76:]) != entrySum(b, l.id, off) {
		return e, false
	}
	e = uploadEntry{
		length: int(le.Uint32(b[4:])), block: int64(le.Uint64(b[8:])), time: time.UnixMicro(int64(le.Uint64(b[16:]))).UTC(),
		synced: int64(le.Uint64(b[24:])), digest: ID(b[32:64]), crc: le.Uint32(b[64:]),
	}
	return e, l.holds(e.length) && e.block >= 0 && e.block < blocks(l.size) && e.synced >= l.begin() && e.synced <= off
}

// uploadScan is what reading a log finds.
type uploadScan struct {
	blocks map[int64]int64 // offsets of the entries that count
	end    int64
	last   time.Time // of the last entry; zero if there is none
}

// scan reads the log in f, of the given size.
func (l *uploadLog) scan(f durable.File, size int64) (uploadScan, error) {
	s := uploadScan{blocks: make(map[int64]int64), end: l.begin()}
	buf := make([]byte, entryHead+l.maxBody())
	for size-s.end >= entryHead {
		b := buf[:min(int64(len(buf)), size-s.end)]
		if err := readFull(f, b, s.end); err != nil {
			return s, err
		}
		e, ok := l.parseEntry(b, s.end)
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
	return s, l.noneDurable(f, s.end, size)
}

// noneDurable reports an entry behind the end of the log that says that more
// was durable than there is.
func (l *uploadLog) noneDurable(f durable.File, end, size int64) error {
	const window = 1 << 20
	buf := make([]byte, window+entryHead)
	for off := end &^ (entryAlign - 1); size-off >= entryHead; off += window {
		b := buf[:min(int64(len(buf)), size-off)]
		if err := readFull(f, b, off); err != nil {
			return err
		}
		for i := 0; i < window && len(b)-i >= entryHead; i += entryAlign {
			if e, ok := l.parseEntry(b[i:], off+int64(i)); ok && e.synced > end {
				return malformed("upload log ends at %d, and %d bytes of it were durable", end, e.synced)
			}
		}
	}
	return nil
}

// readFull fills p from an upload log.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	if _, err := disk.ReadFull(r, p, off); err != nil {
		return fmt.Errorf("upload log: %w", err)
	}
	return nil
}
