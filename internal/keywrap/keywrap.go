// Package keywrap wraps keys under other keys. [Key] is a key in memory, and
// what it seals. [Root] is the contract of what is on top of all of them: a
// file in keyfile, a key of an external KMS in awskms; keywraptest is the suite
// that every Root passes.
//
// docs/design/kms.md has the hierarchy and the formats.
package keywrap

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Root wraps the key on top of a hierarchy. Its methods may be called
// concurrently.
type Root interface {
	// Name tells this root from others without giving its secret away, in at
	// most MaxName bytes. The error is one of those of Unwrap.
	Name(ctx context.Context) (string, error)

	// Wrap encrypts a key of 1 to MaxKey bytes, bound to a purpose. A root
	// that does not exist yet is made, and durable before Wrap returns. The
	// result has at most MaxWrapped bytes.
	Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error)

	// Unwrap gives back what Wrap was given. The error is ErrDamaged if
	// wrapped is not what this root wrapped for this purpose, ErrNoRoot if
	// there is no such root, ErrUnavailable if it could not be asked.
	Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error)
}

// Bounds of what is wrapped, in bytes.
const (
	MaxKey     = 4096
	MaxWrapped = 8192
	MaxName    = 512
)

// Errors of roots and keys.
var (
	ErrDamaged     = errors.New("wrapped key is damaged, or was wrapped by another key or for another purpose")
	ErrNoRoot      = errors.New("root key does not exist")
	ErrUnavailable = errors.New("root key is unavailable")
)

// magic begins a sealed key; its last digit is the version of the format.
const magic = "okw1"

// KeySize is the length of a Key in bytes.
const KeySize = 32

// overhead is how much longer a sealed key is than the key.
const overhead = len(magic) + 12 + 16

// Key is a 256-bit key that seals others. It may be used concurrently.
type Key struct {
	aead   cipher.AEAD // with a random nonce of its own
	secret [KeySize]byte
}

// NewKey makes a random key.
func NewKey() *Key {
	var secret [KeySize]byte
	rand.Read(secret[:]) // crypto/rand never fails: it ends the program
	k, err := KeyOf(secret[:])
	if err != nil {
		panic(err) // the length is right
	}
	return k
}

// KeyOf is the key of the given KeySize bytes, which are copied.
func KeyOf(secret []byte) (*Key, error) {
	if len(secret) != KeySize {
		return nil, fmt.Errorf("key of %d bytes, want %d", len(secret), KeySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	k := new(Key)
	copy(k.secret[:], secret)
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// Bytes are a copy of the secret.
func (k *Key) Bytes() []byte { return append([]byte(nil), k.secret[:]...) }

// Derive is HMAC-SHA256 under the key: a value for one purpose that tells
// nothing about the key or about those for other purposes.
func (k *Key) Derive(purpose string) [sha256.Size]byte {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte(purpose))
	return [sha256.Size]byte(h.Sum(nil))
}

// Seal encrypts a key of 1 to MaxKey bytes, bound to a purpose. It panics if
// the length is another.
func (k *Key) Seal(plain []byte, purpose string) []byte {
	if len(plain) < 1 || len(plain) > MaxKey {
		panic(fmt.Sprintf("keywrap: seal %d bytes", len(plain)))
	}
	out := make([]byte, len(magic), overhead+len(plain))
	copy(out, magic)
	return k.aead.Seal(out, nil, plain, []byte(magic+purpose))
}

// Open gives back what Seal was given for that purpose, or ErrDamaged.
func (k *Key) Open(sealed []byte, purpose string) ([]byte, error) {
	if len(sealed) <= overhead || len(sealed) > overhead+MaxKey || string(sealed[:len(magic)]) != magic {
		return nil, ErrDamaged
	}
	plain, err := k.aead.Open(nil, nil, sealed[len(magic):], []byte(magic+purpose))
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}
