package blockstore

import (
	"crypto/cipher"
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// tagSize is what sealing adds to each frame.
const tagSize = 16

// packCipher seals and opens the records of one pack. Its methods may be called
// concurrently.
type packCipher struct {
	pack PackID
	aead cipher.AEAD
}

// nonce is that of a frame: the records of a pack have different sequence
// numbers, and each is sealed once.
func (h *head) nonce(frame int) [12]byte {
	var n [12]byte
	binary.LittleEndian.PutUint32(n[:], h.seq)
	n[4] = byte(frame)
	return n
}

// bound is what is authenticated with each frame, besides its bytes.
func (c *packCipher) bound(h *head) []byte {
	var b [maxHead]byte
	h.put(b[:])
	out := make([]byte, 0, 16+12+4+32)
	out = append(out, c.pack[:]...)
	out = append(out, b[:12]...) // type, codec, flags, frames, plain length
	out = binary.LittleEndian.AppendUint32(out, h.seq)
	return append(out, h.id[:]...)
}

// seal appends to dst, which is empty but should have room for maxRecord, the
// encrypted form of a record that is not encrypted. No two records of the pack
// may be sealed with one sequence number.
func (c *packCipher) seal(dst, record []byte, seq uint32) ([]byte, error) {
	clear, err := parseHead(record)
	if err != nil {
		return nil, err
	}
	h := clear
	h.encrypted, h.seq, h.stored = true, seq, 0
	dst = append(dst[:0], blank[:h.size()]...)
	bound := c.bound(&h)
	for i := range h.frames {
		at, start, nonce := clear.offset(i), len(dst), h.nonce(i)
		dst = c.aead.Seal(dst, nonce[:], record[at:at+clear.frame[i].length], bound)
		h.frame[i] = frame{len(dst) - start, crc32.Checksum(dst[start:], castagnoli)}
		h.stored += h.frame[i].length
	}
	h.put(dst)
	return dst, nil
}

// openFrame decrypts the stored bytes of frame i in place. It checks nothing
// but that they are authentic.
func (c *packCipher) openFrame(h *head, i int, b []byte) ([]byte, error) {
	nonce := h.nonce(i)
	out, err := c.aead.Open(b[:0], nonce[:], b, c.bound(h))
	if err != nil {
		return nil, malformed("frame %d is not authentic", i)
	}
	return out, nil
}

// open turns a whole encrypted record, in place, into its unencrypted form,
// with the same identity. Whoever keeps that gives it its checksums; see
// sumFrames: what is authentic needs none on the way.
func (c *packCipher) open(h *head, record []byte) (head, []byte, error) {
	clear := *h
	clear.encrypted, clear.seq, clear.stored = false, 0, 0
	end := clear.size() // before the first frame of the encrypted form
	for i := range h.frames {
		at := h.offset(i)
		plain, err := c.openFrame(h, i, record[at:at+h.frame[i].length])
		if err != nil {
			return head{}, nil, err
		}
		n := copy(record[end:], plain)
		clear.frame[i] = frame{length: n}
		clear.stored += n
		end += n
	}
	clear.put(record)
	return clear, record[:end], nil
}

// maxCiphers bounds the ciphers of packs that are kept: those of 256 GiB in
// packs of the usual size.
const maxCiphers = 4096

// ciphers keeps what opens the records of packs that were read from.
type ciphers struct {
	mu   sync.Mutex
	open map[cipherKey]*packCipher
}

type cipherKey struct {
	tag  tag
	pack PackID
}

func (c *ciphers) init() { c.open = make(map[cipherKey]*packCipher) }

func (c *ciphers) get(k cipherKey) *packCipher {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[k]
}

func (c *ciphers) put(k cipherKey, p *packCipher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= maxCiphers {
		for old := range c.open { // any
			delete(c.open, old)
			break
		}
	}
	c.open[k] = p
}

// cipher returns what opens the records of a pack of this realm.
func (s realm) cipher(id PackID) (*packCipher, error) {
	k := cipherKey{s.tag, id}
	if c := s.ciphers.get(k); c != nil {
		return c, nil
	}
	p, header, err := s.readHeader(s.ctx, id)
	if err != nil {
		return nil, err
	}
	if p.Domain != s.domain {
		return nil, malformed("pack belongs to domain %q", string(p.Domain))
	}
	begin, wrapped := divideHeader(header)
	c, err := s.openDataKey(id, begin, wrapped)
	if err != nil {
		return nil, err
	}
	s.ciphers.put(k, c)
	return c, nil
}
