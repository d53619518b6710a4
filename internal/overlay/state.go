package overlay

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"

	"origami/disk"
	"origami/internal/durable"
)

const (
	stateName  = "state"
	stateMagic = "ovlstate"
	version    = 2

	maxLabel  = 255
	maxLayers = 64
	maxKey    = keyCheckSize + 2 + MaxKeyID + 2 + MaxWrappedKey
	maxState  = prefixLen + 1 + maxLabel + maxKey + 2 + 24*maxLayers + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }

// ErrCorrupt is wrapped by errors about a state or map that is not what was
// written.
var ErrCorrupt = errors.New("overlay is corrupt")

// ErrUnsupported is wrapped by errors about a volume of another version or
// with features that this one does not know.
var ErrUnsupported = errors.New("overlay is not supported")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

type volumeID [16]byte

func newVolumeID() (id volumeID) {
	rand.Read(id[:]) // never fails
	return id
}

// identity is what all files of a volume begin with.
type identity struct {
	volume volumeID
	cipher uint16
}

// state is the content of the state file.
type state struct {
	id     identity
	label  string
	key    keyState
	layers []layerState // oldest first
}

// keyState is what the state of an encrypted volume says of its key.
type keyState struct {
	check   [keyCheckSize]byte
	wrapped WrappedKey
}

type layerState struct {
	id   LayerID
	size int64
	seq  uint64 // the journal holds at least this record
}

func (s *state) encode() []byte {
	b := appendPrefix(nil, stateMagic, s.id)
	b = append(b, byte(len(s.label)))
	b = append(b, s.label...)
	if s.id.cipher != cipherNone {
		b = append(b, s.key.check[:]...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s.key.wrapped.KeyID)))
		b = append(b, s.key.wrapped.KeyID...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s.key.wrapped.Blob)))
		b = append(b, s.key.wrapped.Blob...)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.layers)))
	for _, l := range s.layers {
		b = binary.LittleEndian.AppendUint64(b, uint64(l.id))
		b = binary.LittleEndian.AppendUint64(b, uint64(l.size))
		b = binary.LittleEndian.AppendUint64(b, l.seq)
	}
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// appendPrefix appends what state and map begin with: magic, version, cipher,
// flags and volume.
func appendPrefix(b []byte, magic string, id identity) []byte {
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint16(b, id.cipher)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(b, id.volume[:]...)
}

const prefixLen = 8 + 8 + 16

// checkPrefix checks the prefix of a checksummed b.
func checkPrefix(b []byte, magic string) (identity, error) {
	if string(b[:8]) != magic {
		return identity{}, corrupt("magic %q, want %q", b[:8], magic)
	}
	v, cipher := binary.LittleEndian.Uint16(b[8:]), binary.LittleEndian.Uint16(b[10:])
	if flags := binary.LittleEndian.Uint32(b[12:]); v != version || cipher > lastCipher || flags != 0 {
		return identity{}, fmt.Errorf("%w: version %d, cipher %d, flags %#x", ErrUnsupported, v, cipher, flags)
	}
	return identity{volumeID(b[16:prefixLen]), cipher}, nil
}

func decodeState(b []byte) (*state, error) {
	if len(b) < prefixLen+1+2+4 || len(b) > maxState {
		return nil, corrupt("state of %d bytes", len(b))
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if checksum(body) != sum {
		return nil, corrupt("checksum of state")
	}
	id, err := checkPrefix(body, stateMagic)
	if err != nil {
		return nil, err
	}
	rest := body[prefixLen:]
	n := int(rest[0])
	if len(rest) < 1+n+2 {
		return nil, corrupt("label of %d bytes ends beyond the state", n)
	}
	s := &state{id: id, label: string(rest[1 : 1+n])}
	rest = rest[1+n:]
	if id.cipher != cipherNone {
		if rest, err = s.key.decode(rest); err != nil {
			return nil, err
		}
	}
	if len(rest) < 2 {
		return nil, corrupt("state ends early")
	}
	count := int(binary.LittleEndian.Uint16(rest))
	if rest = rest[2:]; count == 0 || count > maxLayers || len(rest) != 24*count {
		return nil, corrupt("%d layers in %d bytes", count, len(rest))
	}
	for ; len(rest) > 0; rest = rest[24:] {
		s.layers = append(s.layers, layerState{
			id:   LayerID(binary.LittleEndian.Uint64(rest)),
			size: int64(binary.LittleEndian.Uint64(rest[8:])),
			seq:  binary.LittleEndian.Uint64(rest[16:]),
		})
	}
	return s, s.check()
}

// decode reads the key state at the beginning of b, and returns the rest.
func (k *keyState) decode(b []byte) (rest []byte, err error) {
	if len(b) < keyCheckSize {
		return nil, corrupt("key check of %d bytes", len(b))
	}
	k.check, b = [keyCheckSize]byte(b), b[keyCheckSize:]
	id, b, ok := cutField(b, MaxKeyID)
	if !ok {
		return nil, corrupt("key ID ends beyond the state, or is too long")
	}
	blob, b, ok := cutField(b, MaxWrappedKey)
	if !ok {
		return nil, corrupt("wrapped key ends beyond the state, or is too long")
	}
	k.wrapped = WrappedKey{string(id), bytes.Clone(blob)}
	return b, nil
}

// cutField cuts a field of at most limit bytes, after its length, off b.
func cutField(b []byte, limit int) (field, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.LittleEndian.Uint16(b))
	if b = b[2:]; n > limit || n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// check checks the order of the layers.
func (s *state) check() error {
	last := layerState{size: UnitSize}
	for _, l := range s.layers {
		if err := checkSize(l.size); err != nil {
			return corrupt("layer %d: %v", l.id, err)
		}
		if l.id <= last.id || l.size < last.size {
			return corrupt("layer %d of %d bytes above layer %d of %d bytes", l.id, l.size, last.id, last.size)
		}
		last = l
	}
	return nil
}

func checkSize(size int64) error {
	if size <= 0 || size > disk.MaxSize || size%UnitSize != 0 {
		return fmt.Errorf("size %d is not a positive multiple of %d up to %d", size, UnitSize, int64(disk.MaxSize))
	}
	return nil
}

func checkLabel(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("base label of %d bytes, limit %d", len(label), maxLabel)
	}
	return nil
}

func (s *state) write(fsys durable.FS, dir string) error {
	return durable.WriteFile(fsys, path.Join(dir, stateName), s.encode())
}

func readState(fsys durable.FS, dir string) (*state, error) {
	b, err := durable.ReadFile(fsys, path.Join(dir, stateName), int64(maxState))
	if errors.Is(err, durable.ErrTooLarge) {
		return nil, corrupt("%v", err)
	}
	if err != nil {
		return nil, err
	}
	return decodeState(b)
}
