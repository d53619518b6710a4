package overlay

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"sync"
)

// xtsKeySize is the length of both keys of AES-256-XTS together.
const xtsKeySize = 64

// xts is AES-256-XTS (IEEE Std 1619) with units as its data units. It computes
// all tweaks of a unit first and so spends its time in AES, which the usual loop
// over blocks does not.
type xts struct{ data, tweak cipher.Block }

func newXTS(key *[xtsKeySize]byte) *xts {
	return &xts{data: newAES(key[:32]), tweak: newAES(key[32:])}
}

func newAES(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length is right
	}
	return b
}

// tweaks is the sequence that is added to a unit before and after AES.
type tweaks [UnitSize]byte

var tweakPool = sync.Pool{New: func() any { return new(tweaks) }}

func (x *xts) tweaks(unit int64) *tweaks {
	t := tweakPool.Get().(*tweaks)
	binary.LittleEndian.PutUint64(t[:], uint64(unit))
	binary.LittleEndian.PutUint64(t[8:], 0)
	x.tweak.Encrypt(t[:aes.BlockSize], t[:aes.BlockSize])
	lo, hi := binary.LittleEndian.Uint64(t[:]), binary.LittleEndian.Uint64(t[8:])
	for b := t[aes.BlockSize:]; len(b) > 0; b = b[aes.BlockSize:] {
		// Times x, modulo x^128 + x^7 + x^2 + x + 1.
		lo, hi = lo<<1^hi>>63*0x87, hi<<1|lo>>63
		binary.LittleEndian.PutUint64(b, lo)
		binary.LittleEndian.PutUint64(b[8:], hi)
	}
	return t
}

// encrypt puts the ciphertext of src, which is the unit of that number, into
// dst. Both are the same or do not overlap.
func (x *xts) encrypt(dst, src []byte, unit int64) {
	t := x.tweaks(unit)
	subtle.XORBytes(dst, src, t[:])
	for b := dst[:UnitSize]; len(b) > 0; b = b[aes.BlockSize:] {
		x.data.Encrypt(b, b)
	}
	subtle.XORBytes(dst, dst, t[:])
	tweakPool.Put(t)
}

// decrypt is the inverse of encrypt.
func (x *xts) decrypt(dst, src []byte, unit int64) {
	t := x.tweaks(unit)
	subtle.XORBytes(dst, src, t[:])
	for b := dst[:UnitSize]; len(b) > 0; b = b[aes.BlockSize:] {
		x.data.Decrypt(b, b)
	}
	subtle.XORBytes(dst, dst, t[:])
	tweakPool.Put(t)
}
