package overlay

import (
	"bytes"
	"crypto/aes"
	"math/rand/v2"
	"testing"

	reference "golang.org/x/crypto/xts"
)

func TestXTS(t *testing.T) {
	t.Parallel()
	src := rand.NewChaCha8([32]byte{1})
	for _, unit := range []int64{0, 1, 255, 256, 1<<32 - 1, 1 << 32, 1<<34 - 1} {
		var key [xtsKeySize]byte
		src.Read(key[:])
		plain, want, got := make([]byte, UnitSize), make([]byte, UnitSize), make([]byte, UnitSize)
		src.Read(plain)
		ref, err := reference.NewCipher(aes.NewCipher, key[:])
		if err != nil {
			t.Fatal(err)
		}
		ref.Encrypt(want, plain, uint64(unit))
		x := newXTS(&key)
		x.encrypt(got, plain, unit)
		if !bytes.Equal(got, want) {
			t.Errorf("unit %d: ciphertext differs from that of golang.org/x/crypto", unit)
		}
		x.decrypt(got, got, unit)
		if !bytes.Equal(got, plain) {
			t.Errorf("unit %d: what is decrypted in place is not what was encrypted", unit)
		}
	}
}

// BenchmarkXTS compares a unit with its limit, which is AES of 256 blocks by
// themselves, and with the general implementation.
func BenchmarkXTS(b *testing.B) {
	key := [xtsKeySize]byte{63: 1}
	x, p := newXTS(&key), make([]byte, UnitSize)
	ref, err := reference.NewCipher(aes.NewCipher, key[:])
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func(){
		"encrypt":  func() { x.encrypt(p, p, 7) },
		"decrypt":  func() { x.decrypt(p, p, 7) },
		"x/crypto": func() { ref.Encrypt(p, p, 7) },
		"AES": func() {
			for q := p; len(q) > 0; q = q[aes.BlockSize:] {
				x.data.Encrypt(q, q)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(UnitSize)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}
