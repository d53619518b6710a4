package blockstore

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The record of a pack: a head, then frames. See docs/design/pack.md.
const (
	recordMagic  = "ORec"
	recordFixed  = 48 // head before the frame table
	frameEntry   = 8
	maxFrames    = 4
	minHead      = recordFixed + frameEntry + 4
	seqSize      = 4 // of the sequence number, in encrypted records
	maxHead      = recordFixed + maxFrames*frameEntry + seqSize + 4
	maxRecord    = maxHead + BlockSize + maxFrames*tagSize
	flagEncrypt  = 1
	minGainParts = 16 // compression must gain 1/16, about 6 %
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind is the type of a record.
type kind uint8

const (
	kindBlock kind = 1
	kindNode  kind = 2
)

// plainSize is the length of what a record of this kind holds.
func (k kind) plainSize() int {
	if k == kindNode {
		return nodeSize
	}
	return BlockSize
}

func (k kind) class() Class {
	if k == kindNode {
		return ClassMeta
	}
	return ClassData
}

// head is the decoded head of a record.
type head struct {
	kind   kind
	codec  packed
	frames int
	stored int // sum of the frames
	id     ID
	frame  [maxFrames]frame

	encrypted bool
	seq       uint32 // in the pack, if encrypted
}

type frame struct {
	length int
	crc    uint32
}

func (h *head) size() int {
	if h.encrypted {
		return recordFixed + h.frames*frameEntry + seqSize + 4
	}
	return recordFixed + h.frames*frameEntry + 4
}

// most is the greatest length of what is stored.
func (h *head) most() int {
	if h.encrypted {
		return h.kind.plainSize() + h.frames*tagSize
	}
	return h.kind.plainSize()
}

// offset is where frame i begins in the record.
func (h *head) offset(i int) int {
	off := h.size()
	for _, f := range h.frame[:i] {
		off += f.length
	}
	return off
}

// put encodes the head into the first size() bytes of b.
func (h *head) put(b []byte) {
	le := binary.LittleEndian
	copy(b, recordMagic)
	b[4], b[5], b[6], b[7] = byte(h.kind), byte(h.codec), 0, byte(h.frames)
	le.PutUint32(b[8:], uint32(h.kind.plainSize()))
	le.PutUint32(b[12:], uint32(h.stored))
	copy(b[16:], h.id[:])
	for i, f := range h.frame[:h.frames] {
		le.PutUint32(b[recordFixed+i*frameEntry:], uint32(f.length))
		le.PutUint32(b[recordFixed+i*frameEntry+4:], f.crc)
	}
	end := h.size() - 4
	if h.encrypted {
		b[6] = flagEncrypt
		le.PutUint32(b[end-seqSize:], h.seq)
	}
	le.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
}

// parseHead decodes the head at the beginning of b, which may go on.
func parseHead(b []byte) (head, error) {
	var h head
	if len(b) < minHead || !bytes.HasPrefix(b, []byte(recordMagic)) {
		return h, malformed("no record")
	}
	le := binary.LittleEndian
	h.kind, h.codec, h.frames = kind(b[4]), packed(b[5]), int(b[7])
	if h.frames != 1 && (h.frames != maxFrames || h.kind != kindBlock) {
		return h, malformed("record of %d frames", h.frames)
	}
	h.encrypted = b[6] == flagEncrypt
	end := h.size() - 4
	if len(b) < end+4 || le.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return h, malformed("record head fails its checksum")
	}
	if b[6] > flagEncrypt || h.kind != kindBlock && h.kind != kindNode || h.codec > packedS2 {
		return h, malformed("record of type %d, codec %d, flags %#x", h.kind, h.codec, b[6])
	}
	h.stored = int(le.Uint32(b[12:]))
	if plain := h.kind.plainSize(); int(le.Uint32(b[8:])) != plain || h.stored > h.most() {
		return h, malformed("record of %d bytes, %d plain", h.stored, le.Uint32(b[8:]))
	}
	copy(h.id[:], b[16:])
	if h.encrypted {
		h.seq = le.Uint32(b[end-seqSize:])
	}
	return h, h.parseFrames(b[recordFixed:])
}

func (h *head) parseFrames(table []byte) error {
	le, sum := binary.LittleEndian, 0
	for i := range h.frames {
		f := frame{int(le.Uint32(table[i*frameEntry:])), le.Uint32(table[i*frameEntry+4:])}
		if f.length > h.stored-sum {
			return malformed("frames longer than their record")
		}
		if h.encrypted && f.length < tagSize {
			return malformed("encrypted frame of %d bytes", f.length)
		}
		h.frame[i] = f
		sum += f.length
	}
	if sum != h.stored {
		return malformed("frames shorter than their record")
	}
	return nil
}

// blank is where a head will be.
var blank [maxHead]byte

// appendRecord appends the record of plain to dst, which is empty but should
// have room for maxRecord.
func (c *compressor) appendRecord(dst []byte, k kind, id ID, plain []byte, codec packed, frames int) []byte {
	h := head{kind: k, codec: codec, frames: frames, id: id}
	start := h.size()
	dst = c.appendFrames(append(dst[:0], blank[:start]...), &h, plain)
	if codec != packedRaw && h.stored > len(plain)-len(plain)/minGainParts {
		h.codec = packedRaw
		dst = c.appendFrames(dst[:start], &h, plain)
	}
	h.put(dst)
	return dst
}

// adoptable returns the head of a record that is divided as new ones are; ok is
// false for one that is not, or is missing.
func adoptable(record []byte, frames int) (h head, ok bool) {
	if record == nil {
		return h, false
	}
	h, err := parseHead(record)
	return h, err == nil && h.frames == frames
}

// adopt gives an adoptable record another identity, in place, and returns nil for
// any other.
func adopt(record []byte, id ID, frames int) []byte {
	h, ok := adoptable(record, frames)
	if !ok {
		return nil
	}
	h.id = id
	h.put(record)
	return record
}

func (c *compressor) appendFrames(dst []byte, h *head, plain []byte) []byte {
	start, share := len(dst), len(plain)/h.frames
	for i := range h.frames {
		at := len(dst)
		dst = c.compress(h.codec, dst, plain[i*share:(i+1)*share])
		h.frame[i] = frame{len(dst) - at, crc32.Checksum(dst[at:], castagnoli)}
	}
	h.stored = len(dst) - start
	return dst
}

// checkFrame checks the stored bytes of frame i.
func (h *head) checkFrame(i int, b []byte) error {
	if crc32.Checksum(b, castagnoli) != h.frame[i].crc {
		return malformed("frame %d fails its checksum", i)
	}
	return nil
}

// checkLength checks that a record is whole.
func (h *head) checkLength(record []byte) error {
	if len(record) != h.size()+h.stored {
		return malformed("record of %d bytes, want %d", len(record), h.size()+h.stored)
	}
	return nil
}

// checkFrames checks all frames of a whole record.
func (h *head) checkFrames(record []byte) error {
	if err := h.checkLength(record); err != nil {
		return err
	}
	for i := range h.frames {
		at := h.offset(i)
		if err := h.checkFrame(i, record[at:at+h.frame[i].length]); err != nil {
			return err
		}
	}
	return nil
}

// sumFrames gives a whole record that was decrypted the checksums of its frames,
// in place.
func sumFrames(record []byte) error {
	h, err := parseHead(record)
	if err == nil {
		err = h.checkLength(record)
	}
	if err != nil {
		return err
	}
	for i := range h.frames {
		at := h.offset(i)
		h.frame[i].crc = crc32.Checksum(record[at:at+h.frame[i].length], castagnoli)
	}
	h.put(record)
	return nil
}

// decodeRecord fills dst with the plain bytes of a whole record that is not
// encrypted and has been checked. It does not check the identity.
func (c *compressor) decodeRecord(dst []byte, h *head, record []byte) error {
	share := len(dst) / h.frames
	for i := range h.frames {
		at := h.offset(i)
		if err := c.decompress(h.codec, dst[i*share:(i+1)*share], record[at:at+h.frame[i].length]); err != nil {
			return err
		}
	}
	return nil
}
