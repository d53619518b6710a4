package kms

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"

	"origami"
	"origami/internal/metadb"
)

// Ciphertext is what was encrypted, and with what.
type Ciphertext struct {
	Blob       []byte
	Key        *origami.KMSKey
	MaterialID string
}

// Plaintext is what was decrypted, and with what.
type Plaintext struct {
	Bytes      []byte
	Key        *origami.KMSKey
	MaterialID string
}

// Encrypt encrypts 1 to MaxPlaintext bytes under the key that ref names.
func (s *Service) Encrypt(ctx context.Context, a Access, ref string, plain []byte, c Context) (*Ciphertext, error) {
	if len(plain) < 1 || len(plain) > MaxPlaintext {
		return nil, invalid("The plaintext has %d bytes, and must have 1 to %d.", len(plain), MaxPlaintext)
	}
	var out *Ciphertext
	err := s.look(ctx, a, ref, func(tx *metadb.Tx, k *origami.KMSKey) (err error) {
		out, err = s.encrypt(tx, a, ask{action: "Encrypt", key: k, context: c, alias: aliasOf(a, ref)}, plain)
		return err
	})
	return out, err
}

// encrypt encrypts under a key, if the caller may.
func (s *Service) encrypt(tx *metadb.Tx, a Access, q ask, plain []byte) (*Ciphertext, error) {
	if err := q.context.check(); err != nil {
		return nil, err
	}
	if err := s.authorize(tx, a, q); err != nil {
		return nil, err
	}
	if err := checkUsable(q.key); err != nil {
		return nil, err
	}
	material, err := s.material(tx, q.key, q.key.Material)
	if err != nil {
		return nil, err
	}
	blob, err := sealBlob(q.key.ID, q.key.Material, material, plain, q.context)
	if err != nil {
		return nil, err
	}
	return &Ciphertext{blob, q.key, q.key.MaterialID}, nil
}

// Decrypt gives back what a ciphertext blob was made of. The blob names its
// key; ref, if not empty, must name the same.
func (s *Service) Decrypt(ctx context.Context, a Access, ref string, blob []byte, c Context) (*Plaintext, error) {
	var out *Plaintext
	err := s.view(ctx, func(tx *metadb.Tx) (err error) {
		if out, err = s.decrypt(tx, a, ask{action: "Decrypt", context: c}, ref, blob); err == nil && a.DryRun {
			err = errDryRun()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// decrypt decrypts a blob, if the caller may do to its key what q asks. ref, if
// not empty, must name that key.
func (s *Service) decrypt(tx *metadb.Tx, a Access, q ask, ref string, blob []byte) (*Plaintext, error) {
	if err := q.context.check(); err != nil {
		return nil, err
	}
	h, err := parseBlob(blob)
	if err != nil {
		return nil, errCiphertext()
	}
	if q.key, err = keyOfBlob(tx, a, h, ref); err != nil {
		return nil, err
	}
	q.alias = aliasOf(a, ref)
	if err := s.authorize(tx, a, q); err != nil {
		return nil, err
	}
	return s.openWith(tx, q.key, h, blob, q.context)
}

// openWith decrypts a blob with its key, if the key can be used.
func (s *Service) openWith(tx *metadb.Tx, k *origami.KMSKey, h blobHeader, blob []byte, c Context) (*Plaintext, error) {
	if err := checkUsable(k); err != nil {
		return nil, err
	}
	row, err := tx.KMSMaterial(k.Region, k.ID, h.material)
	if errors.Is(err, metadb.ErrNotFound) {
		return nil, errCiphertext()
	}
	if err != nil {
		return nil, err
	}
	material, err := s.openMaterial(row)
	if err != nil {
		return nil, err
	}
	plain, err := openBlob(h, material, blob, c)
	if errors.Is(err, errBlob) {
		return nil, errCiphertext()
	}
	if err != nil {
		return nil, err
	}
	return &Plaintext{plain, k, row.ID}, nil
}

// keyOfBlob finds the key that a blob names, which ref, if not empty, must name
// too.
func keyOfBlob(tx *metadb.Tx, a Access, h blobHeader, ref string) (*origami.KMSKey, error) {
	if ref != "" {
		k, err := find(tx, a.Caller, ref)
		if err == nil && k.ID != h.key {
			return nil, origami.Errorf(CodeIncorrectKey, "The key ID in the request does not identify a CMK that can perform this operation.")
		}
		return k, err
	}
	k, err := tx.KMSKey(a.Caller.Region, h.key)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && gone(tx, k) {
		return nil, origami.Errorf(CodeAccessDenied,
			"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	}
	return k, err
}

func errCiphertext() error {
	return origami.Errorf(CodeInvalidCiphertext, "The ciphertext is invalid, or was encrypted with another encryption context.")
}

// GenerateDataKey makes n random bytes, 1 to 1024, and encrypts them under the
// key that ref names. action is GenerateDataKey, or
// GenerateDataKeyWithoutPlaintext for a caller who gets the ciphertext only.
func (s *Service) GenerateDataKey(ctx context.Context, a Access, action, ref string, n int, c Context) (*Ciphertext, []byte, error) {
	var out *Ciphertext
	var plain []byte
	err := s.look(ctx, a, ref, func(tx *metadb.Tx, k *origami.KMSKey) (err error) {
		out, plain, err = s.generate(tx, a, ask{action: action, key: k, context: c, alias: aliasOf(a, ref)}, n)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out, plain, nil
}

// maxDataKey bounds what GenerateDataKey makes, in bytes.
const maxDataKey = 1024

func (s *Service) generate(tx *metadb.Tx, a Access, q ask, n int) (*Ciphertext, []byte, error) {
	if n < 1 || n > maxDataKey {
		return nil, nil, invalid("A data key has 1 to %d bytes.", maxDataKey)
	}
	plain := make([]byte, n)
	rand.Read(plain)
	out, err := s.encrypt(tx, a, q, plain)
	return out, plain, err
}

// ReEncryption is what ReEncrypt is asked for.
type ReEncryption struct {
	Blob        []byte
	Source      string // reference, or "" for what the blob says
	Context     Context
	Destination string // reference
	NewContext  Context
}

// ReEncrypt decrypts a blob and encrypts what was in it under another key,
// without showing it.
func (s *Service) ReEncrypt(ctx context.Context, a Access, in ReEncryption) (from *Plaintext, to *Ciphertext, err error) {
	err = s.look(ctx, a, in.Destination, func(tx *metadb.Tx, k *origami.KMSKey) error {
		id, _ := KeyOfBlob(in.Blob) // decrypt refuses what is no blob
		same := oneKey("kms:ReEncryptOnSameKey", strconv.FormatBool(id == k.ID))
		from, err = s.decrypt(tx, a, ask{action: "ReEncryptFrom", context: in.Context, extra: same}, in.Source, in.Blob)
		if err != nil {
			return err
		}
		to, err = s.encrypt(tx, a, ask{action: "ReEncryptTo", key: k, context: in.NewContext, alias: aliasOf(a, in.Destination), extra: same}, from.Bytes)
		from.Bytes = nil
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return from, to, nil
}

// MayGenerateRandom checks that a caller may have random bytes.
func (s *Service) MayGenerateRandom(ctx context.Context, a Access) error {
	return s.view(ctx, func(tx *metadb.Tx) error { return s.authorizeAccount(tx, a, "GenerateRandom", "*", nil) })
}
