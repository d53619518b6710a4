package overlay

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"sync"

	"origami/internal/durable"
)

// Ciphers of a volume.
const (
	cipherNone = 0
	cipherXTS  = 1 // AES-256-XTS, keys by HKDF-SHA-256

	lastCipher = cipherXTS
)

// keyCheckSize is the length of what tells a wrong key.
const keyCheckSize = 16

// volumeKey is what the keys of all layers are derived from: the data key,
// bound to the volume.
type volumeKey struct{ prk []byte }

func newVolumeKey(v volumeID, dataKey []byte) (*volumeKey, error) {
	prk, err := hkdf.Extract(sha256.New, dataKey, v[:])
	if err != nil {
		return nil, err
	}
	return &volumeKey{prk}, nil
}

// check is a value that is different for another key and says nothing of it.
func (k *volumeKey) check() (c [keyCheckSize]byte, err error) {
	b, err := hkdf.Expand(sha256.New, k.prk, "origami overlay check", keyCheckSize)
	copy(c[:], b)
	return c, err
}

// matches compares with the check of the right key.
func (k *volumeKey) matches(want [keyCheckSize]byte) (bool, error) {
	got, err := k.check()
	return err == nil && subtle.ConstantTimeCompare(got[:], want[:]) == 1, err
}

// layer returns the cipher of a layer, nil for none.
func (k *volumeKey) layer(id LayerID) (*unitCipher, error) {
	if k == nil {
		return nil, nil
	}
	info := binary.LittleEndian.AppendUint64([]byte("origami overlay layer "), uint64(id))
	key, err := hkdf.Expand(sha256.New, k.prk, string(info), xtsKeySize)
	if err != nil {
		return nil, err
	}
	return &unitCipher{xts: newXTS((*[xtsKeySize]byte)(key))}, nil
}

// unitCipher is between the units of a layer and its data files.
type unitCipher struct {
	xts *xts

	// locks are of regions: a reader must not find a block of the cipher that
	// is half written.
	locks [64]sync.RWMutex
}

// sealSize is how much is encrypted and then written at once.
const sealSize = 128 << 10

var sealPool = sync.Pool{New: func() any { return new([sealSize]byte) }}

func (c *unitCipher) lockOf(off int64) *sync.RWMutex {
	return &c.locks[off/regionSize%int64(len(c.locks))]
}

// readAt fills p from offset in of a file, which is off in the volume.
func (c *unitCipher) readAt(d durable.File, p []byte, in, off int64) error {
	for len(p) > 0 {
		var k int64
		var err error
		if skip := off % UnitSize; skip != 0 || len(p) < UnitSize {
			k, err = c.readPart(d, p, in-skip, off-skip, skip)
		} else {
			k = min(int64(len(p))/UnitSize*UnitSize, regionSize-off%regionSize)
			err = c.readUnits(d, p[:k], in, off)
		}
		if err != nil {
			return err
		}
		p, in, off = p[k:], in+k, off+k
	}
	return nil
}

// readPart fills the beginning of p with what follows the first skip bytes of
// the unit at off.
func (c *unitCipher) readPart(d durable.File, p []byte, in, off, skip int64) (int64, error) {
	b := sealPool.Get().(*[sealSize]byte)
	defer sealPool.Put(b)
	if err := c.readUnits(d, b[:UnitSize], in, off); err != nil {
		return 0, err
	}
	return int64(copy(p, b[skip:UnitSize])), nil
}

// readUnits reads whole units of one region.
func (c *unitCipher) readUnits(d durable.File, p []byte, in, off int64) error {
	lock := c.lockOf(off)
	lock.RLock()
	err := readFullAt(d, p, in)
	lock.RUnlock()
	if err != nil {
		return err
	}
	for n := off / UnitSize; len(p) > 0; n, p = n+1, p[UnitSize:] {
		// A hole comes from a trim that met the write of the unit.
		if u := p[:UnitSize]; !isZero(u) {
			c.xts.decrypt(u, u, n)
		}
	}
	return nil
}

func isZero(u []byte) bool {
	for ; len(u) > 0; u = u[8:] {
		if binary.LittleEndian.Uint64(u) != 0 {
			return false
		}
	}
	return true
}

// writeAt writes p, which lies in one region, at offset in of a file, which is
// off in the volume. Part of a unit is written over what the unit holds.
func (c *unitCipher) writeAt(d durable.File, p []byte, in, off int64) error {
	b := sealPool.Get().(*[sealSize]byte)
	defer sealPool.Put(b)
	if skip := off % UnitSize; skip != 0 || len(p) < UnitSize {
		unit := b[:UnitSize]
		if err := c.readUnits(d, unit, in-skip, off-skip); err != nil {
			return err
		}
		copy(unit[skip:], p)
		c.xts.encrypt(unit, unit, off/UnitSize)
		return c.writeUnits(d, unit, in-skip, off-skip)
	}
	for len(p) > 0 {
		k := min(len(p), sealSize)
		for at := 0; at < k; at += UnitSize {
			c.xts.encrypt(b[at:at+UnitSize], p[at:at+UnitSize], (off+int64(at))/UnitSize)
		}
		if err := c.writeUnits(d, b[:k], in, off); err != nil {
			return err
		}
		p, in, off = p[k:], in+int64(k), off+int64(k)
	}
	return nil
}

// writeUnits writes what is encrypted.
func (c *unitCipher) writeUnits(d durable.File, p []byte, in, off int64) error {
	lock := c.lockOf(off)
	lock.Lock()
	defer lock.Unlock()
	_, err := d.WriteAt(p, in)
	return err
}
