package blockstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"origami/disk"
)

// Key is the secret of a [Domain].
type Key [32]byte

// Keys finds the keys of domains. The store knows nothing else about them.
type Keys interface {
	// DomainKey returns the key of a domain, the same every time. It is asked
	// whenever a disk of the domain is opened or begun, and whatever was opened
	// goes on working until it is closed. The unencrypted domain is not asked
	// for. May be called concurrently.
	DomainKey(ctx context.Context, d Domain) (Key, error)
}

// realm is the store as the holder of the key of one domain has it: everything
// that reads or writes contents belongs to a realm. See docs/design/pack.md.
type realm struct {
	*Store
	domain Domain
	tag    tag    // of the key; zero in the unencrypted domain
	secret []byte // of the identities; nil in the unencrypted domain
	wrap   []byte // from which the keys that wrap the data keys are derived
}

// tag tells keys of domains apart without telling anything about them.
type tag [16]byte

// ref is an identity in the realm that it belongs to. All that is held in
// memory is found by it, so that no cache opens what a key does not.
type ref struct {
	tag tag
	id  ID
}

// realm returns the realm of a domain.
func (s *Store) realm(ctx context.Context, d Domain) (realm, error) {
	r := realm{Store: s, domain: d}
	if d == "" {
		return r, nil
	}
	if s.keys == nil {
		return realm{}, &KeyError{Domain: d, Err: errors.New("the store was opened without keys")}
	}
	key, err := s.keys.DomainKey(ctx, d)
	if err != nil {
		return realm{}, &KeyError{Domain: d, Err: err}
	}
	copy(r.tag[:], derive(key[:], "tag", d))
	r.secret = derive(key[:], "identity", d)
	r.wrap = derive(key[:], "wrap", d)
	return r, nil
}

// open returns the realm of disks that are in the same domain.
func (s *Store) open(ctx context.Context, roots ...Root) (realm, error) {
	for _, root := range roots {
		if err := root.check(); err != nil {
			return realm{}, err
		}
		if root.Domain != roots[0].Domain {
			return realm{}, errors.New("the disks are in different domains")
		}
	}
	return s.realm(ctx, roots[0].Domain)
}

// enter counts a writer.
func (r realm) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writers[r.tag]++
}

// exit ends a writer. With the last one of an encrypted domain its open packs
// are closed, and their keys forgotten: there may be many domains.
func (r realm) exit() {
	r.mu.Lock()
	r.writers[r.tag]--
	var rest []*pack
	if r.writers[r.tag] == 0 {
		delete(r.writers, r.tag)
		for _, class := range []Class{ClassData, ClassMeta} {
			if p := r.packs[slot{class, r.tag}]; p != nil && r.encrypted() {
				rest = append(rest, p)
			}
		}
	}
	r.mu.Unlock()
	for _, p := range rest {
		r.spawn(p.seal)
	}
}

// derive derives a key of 32 bytes from another.
func derive(key []byte, use string, d Domain, more ...byte) []byte {
	info := "origami block store 1\x00" + use + "\x00" + string(d) + "\x00" + string(more)
	out, err := hkdf.Expand(sha256.New, key, info, 32)
	if err != nil {
		panic("blockstore: " + err.Error()) // lengths are ours
	}
	return out
}

func (r realm) encrypted() bool { return r.secret != nil }

func (r realm) ref(id ID) ref { return ref{r.tag, id} }

// identity is the identity of bytes with this SHA-256.
func (r realm) identity(sum [sha256.Size]byte) ID {
	if !r.encrypted() {
		return sum
	}
	mac := hmac.New(sha256.New, r.secret)
	mac.Write(sum[:])
	var id ID
	mac.Sum(id[:0])
	return id
}

// identify returns the identity of the bytes of a block.
func (r realm) identify(block []byte) ID {
	if disk.IsZero(block) {
		return ID{}
	}
	return r.identity(sha256.Sum256(block))
}

// wrappedSize is the length of a wrapped data key: the tag of the domain's key,
// and the data key sealed.
const wrappedSize = 16 + 32 + 16

// packKey returns the AEAD that wraps the one data key of a pack. Its own key
// serves for nothing else, which is why its nonce may be zero.
func (r realm) packKey(id PackID) (cipher.AEAD, error) {
	return newAEAD(derive(r.wrap, "pack", r.domain, id[:]...))
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var zeroNonce [12]byte

// newDataKey makes the data key of a pack and returns what seals its records,
// and the wrapped key. Begin is the header of the pack before the wrapped key.
func (r realm) newDataKey(id PackID, begin []byte) (*packCipher, []byte, error) {
	wrap, err := r.packKey(id)
	if err != nil {
		return nil, nil, err
	}
	var key [32]byte
	rand.Read(key[:])
	aead, err := newAEAD(key[:])
	if err != nil {
		return nil, nil, err
	}
	wrapped := wrap.Seal(r.tag[:], zeroNonce[:], key[:], append(begin[:len(begin):len(begin)], r.tag[:]...))
	return &packCipher{pack: id, aead: aead}, wrapped, nil
}

// openDataKey returns what opens the records of a pack.
func (r realm) openDataKey(id PackID, begin, wrapped []byte) (*packCipher, error) {
	if !hmac.Equal(wrapped[:len(r.tag)], r.tag[:]) {
		return nil, &KeyError{Domain: r.domain, Err: ErrWrongKey}
	}
	wrap, err := r.packKey(id)
	if err != nil {
		return nil, err
	}
	key, err := wrap.Open(nil, zeroNonce[:], wrapped[len(r.tag):], append(begin[:len(begin):len(begin)], r.tag[:]...))
	if err != nil {
		return nil, malformed("the data key of the pack is not authentic")
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &packCipher{pack: id, aead: aead}, nil
}

// KeyError says that what is in a domain can be neither read nor written now,
// because its key cannot be had. The bytes are as they were.
type KeyError struct {
	Domain Domain
	Err    error // what Keys said, or ErrWrongKey
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("key of domain %q: %v", string(e.Domain), e.Err)
}

// Unwrap returns ErrNoKey and the reason.
func (e *KeyError) Unwrap() []error { return []error{ErrNoKey, e.Err} }
