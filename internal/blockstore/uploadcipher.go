package blockstore

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// sealedHead is what the body of a sealed entry begins with: the salt of the
// entry's key, and the SHA-256 of the block, sealed. The record follows, sealed.
const (
	saltSize   = 16
	sealedHead = saltSize + 32 + tagSize
)

// uploadCipher seals and opens the entries of one log. Its methods may be called
// concurrently. See docs/design/upload.md.
type uploadCipher struct {
	realm realm
	key   []byte // of the log; each entry has its own, derived from it
}

// key returns what seals and opens the entries, nil if they are not sealed.
func (u *Upload) key() (*uploadCipher, error) {
	if !u.log.sealed() {
		return nil, nil
	}
	u.keyMu.Lock()
	defer u.keyMu.Unlock()
	if u.cipher != nil {
		return u.cipher, nil
	}
	r, err := u.s.realm(u.s.ctx, u.log.domain)
	if err != nil {
		return nil, err
	}
	if r.tag != u.log.tag {
		return nil, &KeyError{Domain: u.log.domain, Err: ErrWrongKey}
	}
	u.cipher = &uploadCipher{r, derive(r.wrap, "upload", r.domain, u.log.id[:]...)}
	return u.cipher, nil
}

// aead is the cipher of the entry with a salt. Its key seals two messages in its
// life, which have different nonces.
func (c *uploadCipher) aead(salt []byte) (cipher.AEAD, error) {
	return newAEAD(derive(c.key, "entry", c.realm.domain, salt...))
}

// The nonces of the two messages.
var (
	digestNonce = [12]byte{1}
	recordNonce = [12]byte{2}
)

// seal encrypts the record of block n in place. It begins sealedHead bytes after
// at, where the body begins. The entry gets longer by tagSize.
func (c *uploadCipher) seal(entry []byte, at int, n int64, digest [32]byte) ([]byte, error) {
	salt, record := entry[at:at+saltSize], at+sealedHead
	rand.Read(salt)
	aead, err := c.aead(salt)
	if err != nil {
		return nil, err
	}
	bound := binary.LittleEndian.AppendUint64(nil, uint64(n))
	aead.Seal(entry[at+saltSize:at+saltSize], digestNonce[:], digest[:], bound)
	return aead.Seal(entry[:record], recordNonce[:], entry[record:], bound), nil
}

// openDigest returns the SHA-256 that the body of an entry of block n begins
// with.
func (c *uploadCipher) openDigest(body []byte, n int64) (digest [32]byte, err error) {
	aead, err := c.aead(body[:saltSize])
	if err != nil {
		return digest, err
	}
	_, err = aead.Open(digest[:0], digestNonce[:], body[saltSize:sealedHead], binary.LittleEndian.AppendUint64(nil, uint64(n)))
	if err != nil {
		return digest, malformed("entry of block %d in the upload log is not authentic", n)
	}
	return digest, nil
}

// open decrypts the body of an entry of block n in place, and returns the record
// and the SHA-256 of the block.
func (c *uploadCipher) open(body []byte, n int64) (digest [32]byte, record []byte, err error) {
	if digest, err = c.openDigest(body, n); err != nil {
		return digest, nil, err
	}
	aead, err := c.aead(body[:saltSize])
	if err != nil {
		return digest, nil, err
	}
	sealed := body[sealedHead:]
	record, err = aead.Open(sealed[:0], recordNonce[:], sealed, binary.LittleEndian.AppendUint64(nil, uint64(n)))
	if err != nil {
		return digest, nil, malformed("record of block %d in the upload log is not authentic", n)
	}
	return digest, record, nil
}
