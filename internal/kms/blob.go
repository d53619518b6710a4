package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"

	"origami"
	"origami/internal/keywrap"
)

// MaxPlaintext bounds what Encrypt takes, in bytes.
const MaxPlaintext = 4096

// Layout of a ciphertext blob.
const (
	blobVersion = 1
	flagMulti   = 1 << 0
	saltSize    = 32
	headerSize  = 1 + 1 + 16 + 4 + saltSize
	tagSize     = 16
)

// blobHeader is the beginning of a ciphertext blob.
type blobHeader struct {
	key      origami.KMSKeyID
	material int
	salt     [saltSize]byte
}

var errBlob = errors.New("malformed ciphertext blob")

// format is the header in its bytes.
func (h *blobHeader) format() []byte {
	b := make([]byte, 2, headerSize)
	b[0] = blobVersion
	digits, multi := strings.CutPrefix(string(h.key), "mrk-")
	if multi {
		b[1] = flagMulti
	}
	id, err := hex.DecodeString(strings.ReplaceAll(digits, "-", ""))
	if err != nil || len(id) != 16 {
		panic("kms: key ID " + string(h.key)) // it came from a parser
	}
	b = append(b, id...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.material))
	return append(b, h.salt[:]...)
}

// parseBlob reads the header of a blob and checks its length.
func parseBlob(blob []byte) (h blobHeader, err error) {
	if len(blob) <= headerSize+tagSize || len(blob) > headerSize+MaxPlaintext+tagSize {
		return h, errBlob
	}
	if blob[0] != blobVersion || blob[1]&^flagMulti != 0 {
		return h, errBlob
	}
	digits := hex.EncodeToString(blob[2:18])
	if blob[1]&flagMulti != 0 {
		h.key = origami.KMSKeyID("mrk-" + digits)
	} else {
		h.key = origami.KMSKeyID(digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:])
	}
	number := binary.BigEndian.Uint32(blob[18:22])
	if number == 0 || number > maxMaterials {
		return h, errBlob
	}
	h.material = int(number)
	copy(h.salt[:], blob[22:headerSize])
	return h, nil
}

// maxMaterials bounds the numbers of materials: a rotation each 90 days for
// longer than anybody will ask.
const maxMaterials = 1 << 20

// blobCipher is the cipher of one blob and its nonce.
func blobCipher(material *keywrap.Key, salt []byte) (cipher.AEAD, []byte, error) {
	okm, err := hkdf.Key(sha256.New, material.Bytes(), salt, "origami ciphertext 1", 32+12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, okm[32:], err
}

// sealBlob encrypts 1 to MaxPlaintext bytes.
func sealBlob(key origami.KMSKeyID, number int, material *keywrap.Key, plain []byte, c Context) ([]byte, error) {
	h := blobHeader{key: key, material: number}
	rand.Read(h.salt[:])
	aead, nonce, err := blobCipher(material, h.salt[:])
	if err != nil {
		return nil, err
	}
	head := h.format()
	return aead.Seal(head, nonce, plain, append(head[:headerSize:headerSize], c.canonical()...)), nil
}

// openBlob decrypts a blob that parseBlob took. The error is errBlob if it is
// not what sealBlob made with that material and context.
func openBlob(h blobHeader, material *keywrap.Key, blob []byte, c Context) ([]byte, error) {
	aead, nonce, err := blobCipher(material, h.salt[:])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, blob[headerSize:], append(blob[:headerSize:headerSize], c.canonical()...))
	if err != nil {
		return nil, errBlob
	}
	return plain, nil
}
