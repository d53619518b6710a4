package ebsserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"time"

	"origami"
)

// How long tokens live.
const (
	blockTokenLife = 7 * 24 * time.Hour
	pageTokenLife  = time.Hour
)

// A token is base64 of: when it expires, in seconds since 1970 (8 bytes), the
// number of a block (8 bytes, big-endian both), and the first half of an
// HMAC-SHA-256 of what it is for and these two.
const (
	tokenMAC  = 16
	tokenSize = 16 + tokenMAC
)

// maxTokenText bounds the text of a token that is looked at.
const maxTokenText = 256

// seal makes and opens tokens for one purpose. It is used by one goroutine.
type seal struct {
	mac     hash.Hash
	purpose string
}

// seal is that of tokens for a purpose. None of the words holds a NUL, so they
// cannot run together.
func (s *server) seal(words ...string) *seal {
	purpose := ""
	for _, w := range words {
		purpose += w + "\x00"
	}
	return &seal{hmac.New(sha256.New, s.key[:]), purpose}
}

// blockSeal is that of the blocks of a snapshot.
func (s *server) blockSeal(snap *origami.Snapshot) *seal {
	return s.seal("block", string(snap.Region), string(snap.ID))
}

// put writes the MAC of the first 16 bytes of b behind them.
func (s *seal) put(b *[tokenSize]byte) {
	s.mac.Reset()
	s.mac.Write([]byte(s.purpose))
	s.mac.Write(b[:16])
	var sum [sha256.Size]byte
	copy(b[16:], s.mac.Sum(sum[:0])[:tokenMAC])
}

// token makes the token of a block.
func (s *seal) token(block int64, expires time.Time) *string {
	var b [tokenSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(expires.Unix()))
	binary.BigEndian.PutUint64(b[8:], uint64(block))
	s.put(&b)
	t := base64.StdEncoding.EncodeToString(b[:])
	return &t
}

// open returns the block of a token. ok is false if the token is not one of
// this purpose, or has expired.
func (s *seal) open(token string, now time.Time) (block int64, ok bool) {
	if len(token) > maxTokenText {
		return 0, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != tokenSize {
		return 0, false
	}
	b := [tokenSize]byte(raw)
	s.put(&b)
	if !hmac.Equal(b[:], raw) {
		return 0, false
	}
	expires := int64(binary.BigEndian.Uint64(raw))
	return int64(binary.BigEndian.Uint64(raw[8:])), now.Unix() < expires
}
