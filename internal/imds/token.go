package imds

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"origami"
)

// A token is 41 bytes in URL-safe base64:
//
//	 0  version, 1
//	 1  expiry, in seconds of Unix time, big-endian
//	 9  random bytes
//	17  the first 24 bytes of HMAC-SHA-256 over bytes 0 to 17 and the instance ID
const (
	tokenVersion = 1
	tokenBody    = 17
	tokenMAC     = 24
)

var tokenEncoding = base64.URLEncoding.Strict()

// tokens issues and checks tokens. They are not stored: a token carries its own
// expiry and belongs to the instance whose ID went into its code.
type tokens struct {
	key []byte
}

// issue makes a token for an instance.
func (t tokens) issue(id origami.InstanceID, ttl time.Duration) string {
	b := make([]byte, tokenBody, tokenBody+tokenMAC)
	b[0] = tokenVersion
	binary.BigEndian.PutUint64(b[1:9], uint64(time.Now().Add(ttl).Unix()))
	rand.Read(b[9:tokenBody])
	return tokenEncoding.EncodeToString(append(b, t.mac(b, id)...))
}

// valid reports whether a token was issued to the instance and has not expired.
func (t tokens) valid(token string, id origami.InstanceID) bool {
	if len(token) != tokenEncoding.EncodedLen(tokenBody+tokenMAC) {
		return false
	}
	b, err := tokenEncoding.DecodeString(token)
	if err != nil || len(b) != tokenBody+tokenMAC || !hmac.Equal(b[tokenBody:], t.mac(b[:tokenBody], id)) {
		return false
	}
	return b[0] == tokenVersion && time.Now().Unix() < int64(binary.BigEndian.Uint64(b[1:9]))
}

func (t tokens) mac(body []byte, id origami.InstanceID) []byte {
	h := hmac.New(sha256.New, t.key)
	h.Write(body)
	h.Write([]byte(id))
	return h.Sum(nil)[:tokenMAC]
}
