package kms

import (
	"errors"

	"origami"
	"origami/internal/metadb"
)

// DataKeySize is the length of a data key of another service, in bytes.
const DataKeySize = 32

// DataKey is a key that another service encrypts with, and the blob from which
// its KMS key gives it back. The blob may be stored; the key must not be.
type DataKey struct {
	Plain [DataKeySize]byte
	Blob  []byte
	Key   *origami.KMSKey
}

// Check says whether a caller may do actions, such as "CreateGrant" and
// "GenerateDataKeyWithoutPlaintext", to a key, and whether the key can be used
// now. The error is CodeAccessDenied, CodeDisabled or CodeInvalidState.
func (s *Service) Check(tx *metadb.Tx, a Access, k *origami.KMSKey, c Context, actions ...string) error {
	for _, action := range actions {
		q := ask{action: action, key: k, context: c}
		if action == "CreateGrant" {
			q.extra = grantKeys(a, &origami.KMSGrant{})
		}
		if err := s.authorize(tx, a, q); err != nil {
			return err
		}
	}
	return checkUsable(k)
}

// CheckState says whether a key can be used now, whoever asks. The error is
// CodeDisabled or CodeInvalidState.
func (s *Service) CheckState(k *origami.KMSKey) error { return checkUsable(k) }

// NewDataKey makes a data key under a KMS key for a caller who may
// GenerateDataKeyWithoutPlaintext. It is bound to the encryption context, which
// OpenDataKey must be given again. The error is as of Check.
func (s *Service) NewDataKey(tx *metadb.Tx, a Access, k *origami.KMSKey, c Context) (*DataKey, error) {
	out, plain, err := s.generate(tx, a, ask{action: "GenerateDataKeyWithoutPlaintext", key: k, context: c}, DataKeySize)
	if err != nil {
		return nil, err
	}
	return &DataKey{[DataKeySize]byte(plain), out.Blob, k}, nil
}

// OpenDataKey gives back a data key for a caller who may Decrypt. The error is
// as of Check, or CodeInvalidCiphertext if the blob is damaged or the context
// is not the one that it was made with.
func (s *Service) OpenDataKey(tx *metadb.Tx, a Access, blob []byte, c Context) (*DataKey, error) {
	out, err := s.decrypt(tx, a, ask{action: "Decrypt", context: c}, "", blob)
	if err != nil {
		return nil, err
	}
	return dataKeyOf(out, blob)
}

// ReopenDataKey is OpenDataKey for a service that carries on with what a caller
// was allowed to start: after a restart, say, or in a task. The state of the
// KMS key counts, and nobody's permission is asked. The error is CodeNotFound
// if the KMS key is gone from the region, else as of OpenDataKey.
func (s *Service) ReopenDataKey(tx *metadb.Tx, region origami.Region, blob []byte, c Context) (*DataKey, error) {
	h, err := parseBlob(blob)
	if err != nil {
		return nil, errCiphertext()
	}
	k, err := tx.KMSKey(region, h.key)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && gone(tx, k) {
		return nil, keyNotFound(string(h.key))
	}
	if err != nil {
		return nil, err
	}
	out, err := s.openWith(tx, k, h, blob, c)
	if err != nil {
		return nil, err
	}
	return dataKeyOf(out, blob)
}

func dataKeyOf(p *Plaintext, blob []byte) (*DataKey, error) {
	if len(p.Bytes) != DataKeySize {
		return nil, errCiphertext()
	}
	return &DataKey{[DataKeySize]byte(p.Bytes), blob, p.Key}, nil
}

// KeyOfBlob is the ID of the KMS key that a blob was encrypted under. The error
// is CodeInvalidCiphertext if it is no blob.
func KeyOfBlob(blob []byte) (origami.KMSKeyID, error) {
	h, err := parseBlob(blob)
	if err != nil {
		return "", errCiphertext()
	}
	return h.key, nil
}
