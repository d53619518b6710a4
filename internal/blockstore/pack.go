package blockstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"time"
)

// The head and foot of a pack. See docs/design/pack.md.
const (
	packMagic   = "ORIGPACK"
	packVersion = 1
	headerFixed = 40
	maxHeader   = headerFixed + 2*1024 + 4
	flagSealed  = 1
	footerMagic = "ORIGFOOT"
	entrySize   = 40
	trailerSize = 52
	maxPackSize = math.MaxInt32
)

// begin returns the header of a pack up to the wrapped data key.
func (p Pack) begin() []byte {
	le := binary.LittleEndian
	b := make([]byte, headerFixed, maxHeader)
	copy(b, packMagic)
	le.PutUint16(b[8:], packVersion)
	b[10] = byte(p.Class)
	if p.Domain != "" {
		b[11] = flagSealed
		le.PutUint16(b[12:], uint16(len(p.Domain)))
		le.PutUint16(b[14:], wrappedSize)
	}
	copy(b[16:], p.ID[:])
	le.PutUint64(b[32:], uint64(p.Created.UnixNano()))
	return append(b, p.Domain...)
}

// endHeader completes what begin returned; the unencrypted domain has no
// wrapped key.
func endHeader(b, wrapped []byte) []byte {
	b = append(b, wrapped...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// divideHeader divides the header of a pack of an encrypted domain into what
// begin returned and the wrapped key.
func divideHeader(b []byte) (begin, wrapped []byte) {
	at := len(b) - 4 - wrappedSize
	return b[:at], b[at : len(b)-4]
}

// parseHeader decodes the header at the beginning of b, which may go on, and
// returns its length.
func parseHeader(b []byte) (Pack, int, error) {
	var p Pack
	if len(b) < headerFixed+4 || !bytes.HasPrefix(b, []byte(packMagic)) {
		return p, 0, malformed("no pack")
	}
	le := binary.LittleEndian
	if v := le.Uint16(b[8:]); v != packVersion {
		return p, 0, fmt.Errorf("pack of version %d: %w", v, ErrUnsupported)
	}
	domain, key := int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
	end := headerFixed + domain + key
	if domain > maxDomain || key > 1024 || len(b) < end+4 {
		return p, 0, malformed("pack header of %d bytes", end)
	}
	if le.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return p, 0, malformed("pack header fails its checksum")
	}
	switch {
	case b[11] > flagSealed || b[11] == flagSealed && key != wrappedSize:
		return p, 0, fmt.Errorf("pack with flags %#x and a data key of %d bytes: %w", b[11], key, ErrUnsupported)
	case b[11] == 0 && domain+key != 0 || b[11] == flagSealed && domain == 0:
		return p, 0, malformed("pack with flags %#x and a domain of %d bytes", b[11], domain)
	}
	p.Domain = Domain(b[headerFixed : headerFixed+domain])
	p.Class = Class(b[10])
	if p.Class != ClassData && p.Class != ClassMeta {
		return p, 0, malformed("pack of class %d", p.Class)
	}
	copy(p.ID[:], b[16:])
	p.Created = time.Unix(0, int64(le.Uint64(b[32:]))).UTC()
	return p, end + 4, nil
}

// footer returns the footer of a pack whose records end at end. It sorts the
// entries.
func footer(header []byte, entries []Entry, end int64) []byte {
	slices.SortFunc(entries, func(a, b Entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	le := binary.LittleEndian
	b := make([]byte, 0, len(entries)*entrySize+trailerSize)
	for _, e := range entries {
		b = append(b, e.ID[:]...)
		b = le.AppendUint32(b, uint32(e.Offset))
		b = le.AppendUint32(b, uint32(e.Length))
	}
	trailer := len(b)
	b = append(b, footerMagic...)
	b = le.AppendUint32(b, uint32(len(entries)))
	b = le.AppendUint32(b, uint32(end))
	sum := footerSum(header, b)
	b = append(b, sum[:]...)
	return le.AppendUint32(b, crc32.Checksum(b[trailer:], castagnoli))
}

func footerSum(header, footer []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(header)
	h.Write(footer)
	h.Sum(sum[:0])
	return sum
}

// parseTrailer decodes the last trailerSize bytes of a pack of the given size
// and returns where its entries begin.
func parseTrailer(b []byte, size int64) (start int64, err error) {
	le := binary.LittleEndian
	if len(b) != trailerSize || !bytes.HasPrefix(b, []byte(footerMagic)) {
		return 0, malformed("no pack trailer")
	}
	if le.Uint32(b[48:]) != crc32.Checksum(b[:48], castagnoli) {
		return 0, malformed("pack trailer fails its checksum")
	}
	count, start := int64(le.Uint32(b[8:])), int64(le.Uint32(b[12:]))
	if size > maxPackSize || start+count*entrySize+trailerSize != size {
		return 0, malformed("pack of %d bytes with %d entries at %d", size, count, start)
	}
	return start, nil
}

// parseFooter decodes the entries and trailer of a pack with this header,
// whose records end at end.
func parseFooter(header, b []byte, end int64) ([]Entry, error) {
	le := binary.LittleEndian
	table, trailer := b[:len(b)-trailerSize], b[len(b)-trailerSize:]
	if footerSum(header, b[:len(b)-36]) != [sha256.Size]byte(trailer[16:48]) {
		return nil, malformed("pack footer fails its checksum")
	}
	entries := make([]Entry, 0, len(table)/entrySize)
	for ; len(table) >= entrySize; table = table[entrySize:] {
		e := Entry{
			ID:     ID(table[:32]),
			Offset: int64(le.Uint32(table[32:])),
			Length: int32(le.Uint32(table[36:])),
		}
		if n := len(entries); n > 0 && bytes.Compare(entries[n-1].ID[:], e.ID[:]) >= 0 {
			return nil, malformed("pack footer is not sorted")
		}
		if e.Offset < int64(len(header)) || e.Length < minHead || e.Length > maxRecord || e.Offset+int64(e.Length) > end {
			return nil, malformed("pack entry of %d bytes at %d of %d", e.Length, e.Offset, end)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
