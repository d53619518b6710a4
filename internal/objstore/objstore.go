// Package objstore is the contract of a bucket: named immutable objects,
// written once, read by range. Implementations are its children.
package objstore

import (
	"context"
	"errors"
	"io"
	"iter"
)

// ErrNotExist is wrapped by errors about an object that is not there.
var ErrNotExist = errors.New("object does not exist")

// ErrExist is wrapped by the error of committing a name that is taken.
var ErrExist = errors.New("object already exists")

// Bucket holds named immutable objects. All methods may be called
// concurrently. Names are made by this module, never by users: slash-separated
// segments of [a-z0-9.-], not starting with a dot.
type Bucket interface {
	// Create begins a new object. It is invisible until Commit.
	Create(ctx context.Context, name string) (ObjectWriter, error)

	// ReadAt fills p from the object at offset off. A range that reaches
	// beyond the end gives io.ErrUnexpectedEOF.
	ReadAt(ctx context.Context, name string, p []byte, off int64) error

	// Size is the length of an object in bytes.
	Size(ctx context.Context, name string) (int64, error)

	// Delete removes an object for good. Deleting what is not there succeeds.
	Delete(ctx context.Context, name string) error

	// List yields the names that begin with prefix, in ascending order.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
}

// ObjectWriter appends to a new object. It is used by one goroutine. Exactly
// one of Commit and Abort is called.
type ObjectWriter interface {
	io.Writer

	// Commit makes the object durable, then visible. An existing object of
	// that name is kept and ErrExist returned. After any error nothing is
	// visible, and the writer cannot be used again.
	Commit(ctx context.Context) error

	// Abort discards what was written. It is safe after a failed Commit.
	Abort() error
}
