package blockstore

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"
)

type oneKey Key

func (k oneKey) DomainKey(context.Context, Domain) (Key, error) { return Key(k), nil }

// testRealm is a realm that seals and opens, and stores nothing.
func testRealm(t testing.TB, key byte, d Domain) realm {
	t.Helper()
	s := &Store{keys: oneKey{key}}
	r, err := s.realm(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// noise returns n bytes that do not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b)
	return b
}

// Every field of a record that is not its checksum, its length or its bytes is
// authenticated: a forger who mends checksums gains nothing.
func TestForgedRecords(t *testing.T) {
	t.Parallel()
	c, err := newCompressor()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	r := testRealm(t, 1, "domain")
	p := Pack{ID: PackID{1}, Class: ClassData, Domain: r.domain, Created: time.Unix(1, 2)}
	cipher, _, err := r.newDataKey(p.ID, p.begin())
	if err != nil {
		t.Fatal(err)
	}
	block := noise(BlockSize)
	id := r.identify(block)
	for _, frames := range []int{1, maxFrames} {
		clear := c.appendRecord(nil, kindBlock, id, block, packedRaw, frames)
		sealed, err := cipher.seal(nil, clear, 7)
		if err != nil {
			t.Fatal(err)
		}
		if want := len(clear) + seqSize + frames*tagSize; len(sealed) != want {
			t.Errorf("sealed record of %d bytes, want %d", len(sealed), want)
		}
		opened := func(cipher *packCipher, record []byte) error {
			record = bytes.Clone(record)
			h, err := parseHead(record)
			if err == nil {
				err = h.checkFrames(record)
			}
			if err != nil {
				return err
			}
			_, back, err := cipher.open(&h, record)
			if err == nil {
				err = sumFrames(back)
			}
			if err == nil && !bytes.Equal(back, clear) {
				t.Error("another record comes back")
			}
			return err
		}
		if err := opened(cipher, sealed); err != nil {
			t.Fatal(err)
		}
		forge := func(name string, f func(b []byte, h *head)) {
			b := bytes.Clone(sealed)
			h, err := parseHead(b)
			if err != nil {
				t.Fatal(err)
			}
			f(b, &h)
			for i := range h.frames {
				at := h.offset(i)
				h.frame[i].crc = crc32.Checksum(b[at:at+h.frame[i].length], castagnoli)
			}
			h.put(b)
			if err := opened(cipher, b); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d frames, %s: %v, want %v", frames, name, err, ErrCorrupt)
			}
		}
		forge("codec", func(_ []byte, h *head) { h.codec = packedS2 })
		forge("identity", func(_ []byte, h *head) { h.id[31] ^= 1 })
		forge("sequence", func(_ []byte, h *head) { h.seq++ })
		for i := range frames {
			forge("first byte of a frame", func(b []byte, h *head) { b[h.offset(i)] ^= 1 })
			forge("last byte of a frame", func(b []byte, h *head) { b[h.offset(i)+h.frame[i].length-1] ^= 1 })
		}
		if frames > 1 {
			forge("frames exchanged", func(b []byte, h *head) {
				x, y := h.offset(0), h.offset(1)
				n := h.frame[0].length
				tmp := bytes.Clone(b[x : x+n])
				copy(b[x:], b[y:y+n])
				copy(b[y:], tmp)
			})
			forge("frames divided otherwise", func(_ []byte, h *head) {
				h.frame[0].length++
				h.frame[1].length--
			})
		}
		other, _, err := r.newDataKey(p.ID, p.begin())
		if err != nil {
			t.Fatal(err)
		}
		if err := opened(other, sealed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("opened by another data key: %v", err)
		}
		moved := &packCipher{pack: PackID{2}, aead: cipher.aead}
		if err := opened(moved, sealed); !errors.Is(err, ErrCorrupt) {
			t.Errorf("opened in another pack: %v", err)
		}
	}
}

// The wrapped data key belongs to the header that it stands in.
func TestForgedHeaders(t *testing.T) {
	t.Parallel()
	r := testRealm(t, 1, "domain")
	good := Pack{ID: PackID{1}, Class: ClassData, Domain: r.domain, Created: time.Unix(1, 2)}
	_, wrapped, err := r.newDataKey(good.ID, good.begin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.openDataKey(good.ID, good.begin(), wrapped); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(p *Pack, wrapped []byte){
		"identifier": func(p *Pack, _ []byte) { p.ID[15] ^= 1 },
		"class":      func(p *Pack, _ []byte) { p.Class = ClassMeta },
		"domain":     func(p *Pack, _ []byte) { p.Domain = "domaim" },
		"time":       func(p *Pack, _ []byte) { p.Created = time.Unix(1, 3) },
		"key":        func(_ *Pack, w []byte) { w[20] ^= 1 },
		"key's tag":  func(_ *Pack, w []byte) { w[wrappedSize-1] ^= 1 },
	} {
		p, w := good, bytes.Clone(wrapped)
		f(&p, w)
		if _, err := r.openDataKey(p.ID, p.begin(), w); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want %v", name, err, ErrCorrupt)
		}
	}
	for name, other := range map[string]realm{
		"another key":    testRealm(t, 2, "domain"),
		"another domain": testRealm(t, 1, "other"),
	} {
		if _, err := other.openDataKey(good.ID, good.begin(), wrapped); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v, want %v", name, err, ErrWrongKey)
		}
	}
}

// No two records of a pack are sealed alike, and no two packs.
func TestNonces(t *testing.T) {
	t.Parallel()
	seen := make(map[[12]byte]bool)
	for _, seq := range []uint32{0, 1, 255, 256, 1 << 16, 1<<32 - 1} {
		for frame := range maxFrames {
			n := (&head{seq: seq}).nonce(frame)
			if seen[n] {
				t.Errorf("nonce %x for record %d, frame %d is not the first", n, seq, frame)
			}
			seen[n] = true
		}
	}
}

// FuzzSeal seals and opens what is a record at all.
func FuzzSeal(f *testing.F) {
	c := fuzzComp(f)
	r := testRealm(f, 1, "domain")
	p := Pack{ID: PackID{1}, Class: ClassData, Domain: r.domain, Created: time.Unix(1, 2)}
	cipher, _, err := r.newDataKey(p.ID, p.begin())
	if err != nil {
		f.Fatal(err)
	}
	block := bytes.Repeat([]byte("origami "), BlockSize/8)
	for _, frames := range []int{1, maxFrames} {
		record := c.appendRecord(nil, kindBlock, ID{1}, block, packedZstd, frames)
		f.Add(record, uint32(3))
		sealed, err := cipher.seal(nil, record, 3)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed, uint32(3))
	}
	f.Fuzz(func(t *testing.T, record []byte, seq uint32) {
		h, err := parseHead(record)
		if err != nil || h.checkFrames(record) != nil {
			return
		}
		if h.encrypted {
			if _, out, err := cipher.open(&h, bytes.Clone(record)); err == nil && len(out) >= len(record) {
				t.Error("an opened record is not shorter")
			}
			return
		}
		sealed, err := cipher.seal(nil, record, seq)
		if err != nil {
			t.Fatal(err)
		}
		if h, err = parseHead(sealed); err != nil {
			t.Fatal(err)
		}
		if err := h.checkFrames(sealed); err != nil {
			t.Fatal(err)
		}
		if _, back, err := cipher.open(&h, sealed); err != nil || sumFrames(back) != nil || !bytes.Equal(back, record) {
			t.Errorf("the record does not come back: %v", err)
		}
	})
}
