// Package disk is the contract between things that hold the bytes of a disk
// and things that want them.
//
// A disk is a fixed number of bytes, addressed from zero, most of which are
// usually zero. A qcow2 file, a snapshot in the block store, a frozen volume
// and an object seen through a vmdk reader all are an [Image]; everything that
// can receive a disk is a [Writer]; and import, export, snapshot and copy are
// all [Copy] from one to the other.
package disk

import (
	"context"
	"errors"
	"io"
	"iter"
)

// SectorSize is the smallest unit of every format: sizes of images are
// multiples of it, and offsets in them usually are.
const SectorSize = 512

// MaxSize is the largest disk any part of this module accepts: 64 TiB, the
// largest EBS volume. Readers refuse larger virtual sizes before they allocate
// anything that depends on them.
const MaxSize = 64 << 40

// Image is a disk that can be read. ReadAt follows [io.ReaderAt]: it may be
// called concurrently, fills holes with zeros, and returns io.EOF when it
// reaches Size.
type Image interface {
	io.ReaderAt

	// Size is the length of the disk in bytes, the virtual size of a sparse
	// format. It never changes.
	Size() int64

	// Extents yields runs of the disk in ascending order from off to Size,
	// without gaps or overlaps. A run marked Zero reads as zeros and holds no
	// data; a run not so marked may still read as zeros. Iteration ends at the
	// first error, which is yielded with a zero Extent.
	Extents(ctx context.Context, off int64) iter.Seq2[Extent, error]

	// Close releases what Open acquired. It does not close a reader that the
	// caller handed in.
	Close() error
}

// Extent is a run of Len bytes at Off.
type Extent struct {
	Off, Len int64
	Zero     bool // reads as zeros, and holds no data
}

// Writer receives the bytes of one disk. WriteAt may be called concurrently
// for ranges that do not overlap; what was never written is zero. Nothing is
// visible to anybody before Commit returns nil, and then all of it is and
// survives a crash. Exactly one of Commit and Abort is called, after the last
// WriteAt has returned.
type Writer interface {
	io.WriterAt

	// Commit makes the disk durable and visible.
	Commit(ctx context.Context) error

	// Abort discards everything written. It is safe after a failed Commit.
	Abort() error
}

// Zeroer is implemented by a Writer whose disk need not begin as zeros, but as
// an older disk that it replaces parts of. Zero makes n bytes at off zero, under
// the rules of WriteAt.
type Zeroer interface {
	Zero(off, n int64) error
}

// Sentinels for decisions of callers. Readers wrap them with what was found
// where, through [FormatError] and [UnsupportedError].
var (
	// ErrFormat says that the bytes are not what their format demands.
	ErrFormat = errors.New("malformed disk image")
	// ErrUnsupported says that the image is well formed but asks for
	// something that is refused.
	ErrUnsupported = errors.New("unsupported disk image")
)

// FormatError reports malformed input of the named format.
type FormatError struct {
	Format string // "qcow2"
	Reason string // "L1 table at 0x30000 ends beyond the file"
}

func (e *FormatError) Error() string { return e.Format + ": " + e.Reason }

// Is makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// UnsupportedError reports a feature of a well-formed image that is refused,
// such as a backing file.
type UnsupportedError struct {
	Format  string // "qcow2"
	Feature string // "backing file"
}

func (e *UnsupportedError) Error() string { return e.Format + ": " + e.Feature + " is not supported" }

// Is makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }
