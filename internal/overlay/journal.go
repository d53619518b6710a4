package overlay

import (
	"encoding/binary"
	"fmt"
	"io"

	"origami/internal/durable"
)

const (
	mapMagic    = "ovlmapj\n"
	mapHeader   = 64
	recordMagic = 0xffd7ffe7
	recordLen   = 32
)

func encodeMapHeader(v identity, id LayerID, first uint64) []byte {
	b := appendPrefix(make([]byte, 0, mapHeader), mapMagic, v)
	b = binary.LittleEndian.AppendUint64(b, uint64(id))
	b = binary.LittleEndian.AppendUint64(b, first)
	b = append(b, make([]byte, 12)...)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// decodeMapHeader returns the sequence number of the first record.
func decodeMapHeader(b []byte, v identity, id LayerID) (first uint64, err error) {
	if checksum(b[:60]) != binary.LittleEndian.Uint32(b[60:]) {
		return 0, corrupt("checksum of map header")
	}
	of, err := checkPrefix(b, mapMagic)
	if err != nil {
		return 0, err
	}
	if got := LayerID(binary.LittleEndian.Uint64(b[32:])); of != v || got != id {
		return 0, corrupt("map of layer %d of volume %x with cipher %d, want layer %d of %x with %d", got, of.volume, of.cipher, id, v.volume, v.cipher)
	}
	if first = binary.LittleEndian.Uint64(b[40:]); first == 0 {
		return 0, corrupt("map begins with record 0")
	}
	if [12]byte(b[48:60]) != [12]byte{} {
		return 0, fmt.Errorf("%w: map header has more fields", ErrUnsupported)
	}
	return first, nil
}

func encodeRecord(seq uint64, payload []byte) []byte {
	b := make([]byte, 0, recordLen+len(payload))
	b = binary.LittleEndian.AppendUint32(b, recordMagic)
	b = binary.LittleEndian.AppendUint32(b, checksum(payload))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	return append(b, payload...)
}

// recordHeader is the decoded front of a record.
type recordHeader struct {
	sum    uint32
	length uint64
	seq    uint64
}

func decodeRecordHeader(b []byte) (h recordHeader, ok bool) {
	if binary.LittleEndian.Uint32(b) != recordMagic ||
		checksum(b[:28]) != binary.LittleEndian.Uint32(b[28:]) ||
		binary.LittleEndian.Uint32(b[24:]) != 0 {
		return h, false
	}
	return recordHeader{
		sum:    binary.LittleEndian.Uint32(b[4:]),
		length: binary.LittleEndian.Uint64(b[8:]),
		seq:    binary.LittleEndian.Uint64(b[16:]),
	}, true
}

// maxPayload bounds a record for a map of that many lines.
func maxPayload(lines int64) int64 { return lines * (entryHeader + lineSize) }

// replay applies the journal in r of the given size to m. It returns the last
// sequence number and where the valid part ends. At least record atLeast must
// be there.
func replay(r io.ReaderAt, size int64, v identity, id LayerID, atLeast uint64, m *unitMap) (seq uint64, end int64, err error) {
	var hb [mapHeader]byte
	if err := readFullAt(r, hb[:], 0); err != nil {
		return 0, 0, fmt.Errorf("read map header: %w", err)
	}
	first, err := decodeMapHeader(hb[:], v, id)
	if err != nil {
		return 0, 0, err
	}
	if first > 1 {
		atLeast = max(atLeast, first)
	}
	for seq, end = first-1, mapHeader; ; seq++ {
		payload, err := readRecord(r, end, size, seq+1, maxPayload(m.lines()))
		if err != nil {
			return 0, 0, fmt.Errorf("read map record at %d: %w", end, err)
		}
		if payload == nil {
			break
		}
		if err := m.apply(payload); err != nil {
			return 0, 0, fmt.Errorf("map record %d: %w", seq+1, err)
		}
		end += recordLen + int64(len(payload))
	}
	if seq < atLeast {
		return 0, 0, corrupt("map of layer %d ends with record %d, want at least %d", id, seq, atLeast)
	}
	if err := noRecordAfter(r, end, size, seq+1); err != nil {
		return 0, 0, err
	}
	return seq, end, nil
}

// readRecord returns the payload of the record at off, or nil if there is no
// valid one with that sequence number.
func readRecord(r io.ReaderAt, off, size int64, seq uint64, limit int64) ([]byte, error) {
	if size-off < recordLen {
		return nil, nil
	}
	var b [recordLen]byte
	if err := readFullAt(r, b[:], off); err != nil {
		return nil, err
	}
	h, ok := decodeRecordHeader(b[:])
	if !ok || h.seq != seq || h.length > uint64(min(size-off-recordLen, limit)) {
		return nil, nil
	}
	payload := make([]byte, h.length)
	if err := readFullAt(r, payload, off+recordLen); err != nil {
		return nil, err
	}
	if checksum(payload) != h.sum {
		return nil, nil
	}
	return payload, nil
}

// noRecordAfter reports a record above seq in the bytes from off to size: then
// the record at off was once complete.
func noRecordAfter(r io.ReaderAt, off, size int64, seq uint64) error {
	const window = 1 << 20
	buf := make([]byte, min(window+recordLen, size-off))
	for ; size-off >= recordLen; off += window {
		b := buf[:min(int64(len(buf)), size-off)]
		if err := readFullAt(r, b, off); err != nil {
			return fmt.Errorf("read map at %d: %w", off, err)
		}
		for i := 0; i+recordLen <= len(b); i++ {
			if h, ok := decodeRecordHeader(b[i:]); ok && h.seq > seq {
				return corrupt("map record %d at %d is damaged: record %d follows", seq, off, h.seq)
			}
		}
	}
	return nil
}

func readFullAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return corrupt("file ends at %d, want %d", off+int64(n), off+int64(len(p)))
	}
	return err
}

// journal is the map file of a layer, open for appending.
type journal struct {
	file      durable.File
	end       int64
	rewritten int64 // size after the last rewrite
}

// long says that the journal of a map of that many lines is worth rewriting.
func (j *journal) long(lines int64) bool {
	return j.end > 1<<10+min(4*lines*lineSize, max(1<<20, 4*j.rewritten))
}
