package overlay

import (
	"bytes"
	"errors"
	"fmt"

	"origami/internal/durable"
)

const (
	// KeySize is the length of the data key of an encrypted volume: 256 bits.
	KeySize = 32
	// MaxKeyID is the longest KeyID of a WrappedKey, in bytes.
	MaxKeyID = 2048
	// MaxWrappedKey is the longest Blob of a WrappedKey, in bytes.
	MaxWrappedKey = 6144
)

// ErrWrongKey is wrapped by a KeyError about a data key that is not the
// volume's.
var ErrWrongKey = errors.New("wrong data key")

// ErrNoKey is wrapped by a KeyError about an encrypted volume that is opened
// without a way to unwrap its data key.
var ErrNoKey = errors.New("volume is encrypted, and nothing unwraps its data key")

// KeyError says why an encrypted volume did not open, or was not made. It wraps
// ErrWrongKey, ErrNoKey, or the error of [Options].Unwrap. Nothing of the volume
// was changed.
type KeyError struct {
	KeyID string // of the WrappedKey
	Err   error
}

func (e *KeyError) Error() string { return fmt.Sprintf("data key under %q: %v", e.KeyID, e.Err) }

// Unwrap returns Err.
func (e *KeyError) Unwrap() error { return e.Err }

// WrappedKey is the data key of an encrypted volume as it was given out by a
// key service, encrypted. The volume keeps both fields beside its data, and
// knows nothing of what they mean.
type WrappedKey struct {
	KeyID string // names the key that unwraps; at most MaxKeyID bytes
	Blob  []byte // the encrypted data key; at most MaxWrappedKey bytes
}

func (w WrappedKey) check() error {
	if len(w.KeyID) > MaxKeyID || len(w.Blob) > MaxWrappedKey {
		return fmt.Errorf("key ID of %d bytes and wrapped key of %d, limits %d and %d",
			len(w.KeyID), len(w.Blob), MaxKeyID, MaxWrappedKey)
	}
	return nil
}

// clone keeps the caller's bytes and ours apart.
func (w WrappedKey) clone() WrappedKey { return WrappedKey{w.KeyID, bytes.Clone(w.Blob)} }

// CreateEncrypted is Create for a volume whose data files are encrypted with
// key, of KeySize bytes. The volume keeps wrapped, which Open hands to
// [Options].Unwrap to get key again; key itself is not kept anywhere. Several
// volumes may have one key. What the base holds is the business of the base.
//
// The maps, which are not encrypted, tell which units were written or trimmed.
func CreateEncrypted(fsys durable.FS, dir string, size int64, baseLabel string, key []byte, wrapped WrappedKey) error {
	if len(key) != KeySize {
		return fmt.Errorf("create volume: %w", &KeyError{wrapped.KeyID, fmt.Errorf("key of %d bytes, want %d", len(key), KeySize)})
	}
	if err := errors.Join(checkSize(size), checkLabel(baseLabel), wrapped.check()); err != nil {
		return fmt.Errorf("create volume: %w", err)
	}
	st := &state{id: identity{newVolumeID(), cipherXTS}, label: baseLabel}
	k, err := newVolumeKey(st.id.volume, key)
	if err == nil {
		st.key.wrapped = wrapped.clone()
		st.key.check, err = k.check()
	}
	if err == nil {
		err = create(fsys, dir, size, st)
	}
	if err != nil {
		return fmt.Errorf("create volume %s: %w", dir, err)
	}
	return nil
}

// unwrap returns the key of the volume, nil for one that is not encrypted.
func (s *state) unwrap(f func(WrappedKey) ([]byte, error)) (*volumeKey, error) {
	if s.id.cipher == cipherNone {
		return nil, nil
	}
	k, err := s.unwrapKey(f)
	if err != nil {
		return nil, &KeyError{s.key.wrapped.KeyID, err}
	}
	return k, nil
}

func (s *state) unwrapKey(f func(WrappedKey) ([]byte, error)) (*volumeKey, error) {
	if f == nil {
		return nil, ErrNoKey
	}
	key, err := f(s.key.wrapped.clone())
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrWrongKey, len(key), KeySize)
	}
	k, err := newVolumeKey(s.id.volume, key)
	if err != nil {
		return nil, err
	}
	ok, err := k.matches(s.key.check)
	if err == nil && !ok {
		err = ErrWrongKey
	}
	return k, err
}

// KeyOf returns the wrapped data key of the volume in dir, open or not, and
// whether it is encrypted at all. The error wraps fs.ErrNotExist if there is no
// volume.
func KeyOf(fsys durable.FS, dir string) (key WrappedKey, encrypted bool, err error) {
	st, err := readState(fsys, dir)
	if err != nil {
		return WrappedKey{}, false, fmt.Errorf("read key of volume %s: %w", dir, err)
	}
	return st.key.wrapped, st.id.cipher != cipherNone, nil
}

// Key returns the wrapped data key of the volume, and whether it is encrypted.
func (d *Device) Key() (key WrappedKey, encrypted bool) {
	return d.keyState.wrapped.clone(), d.id.cipher != cipherNone
}
