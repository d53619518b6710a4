package blockstore

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt is what errors.Is finds in every error about stored bytes
	// that are missing or not what they were. No such bytes are returned.
	ErrCorrupt = errors.New("block store is corrupt")
	// ErrUnsupported is wrapped by errors about data that are well formed but
	// need something this version does not do.
	ErrUnsupported = errors.New("not supported by this version of the block store")
	// ErrNoKey is wrapped by errors about disks whose key cannot be had; see
	// KeyError.
	ErrNoKey = errors.New("the key of the domain is not available")
	// ErrWrongKey says that what is stored was not written with this key.
	ErrWrongKey = errors.New("another key was used when this was stored")
	// ErrClosed is wrapped by errors of a Store after Close and of a Writer
	// after Commit or Abort.
	ErrClosed = errors.New("already closed")
)

// CorruptError names the block or node that cannot be read. Pack is zero if
// the index does not know the block.
type CorruptError struct {
	ID     ID
	Pack   PackID
	Offset int64 // of the record in the pack
	Reason string
}

func (e *CorruptError) Error() string {
	if e.Pack == (PackID{}) {
		return fmt.Sprintf("block %v: %s", e.ID, e.Reason)
	}
	return fmt.Sprintf("block %v in pack %v at %d: %s", e.ID, e.Pack, e.Offset, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// malformed is an error of a parser. It is turned into one that says where.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
