package blockstore

import (
	"context"
	"encoding/hex"
	"iter"
	"time"
)

// PackID names a pack.
type PackID [16]byte

// String is the PackID in hexadecimal.
func (id PackID) String() string { return hex.EncodeToString(id[:]) }

// packPrefix is before the hexadecimal PackID in names of objects.
const packPrefix = "pack/"

func (id PackID) object() string { return packPrefix + id.String() }

// Class says what the records of a pack are. Its values are those on disk.
type Class uint8

const (
	ClassData Class = 1 // blocks
	ClassMeta Class = 2 // manifest nodes
)

// Pack describes a pack.
type Pack struct {
	ID      PackID
	Class   Class
	Domain  Domain
	Size    int64 // of the object in bytes
	Records int
	Created time.Time // to the nanosecond, UTC
}

// Entry is one record of a pack.
type Entry struct {
	ID     ID
	Offset int64 // in the pack
	Length int32 // of the record, its head included
}

// Location is where a block or node lies. The zero Location is nowhere.
type Location struct {
	Pack   PackID
	Offset int64
	Length int32
}

// IsZero says whether the Location is nowhere.
func (l Location) IsZero() bool { return l == Location{} }

// Index maps identities to locations. It is a table or two in the caller's
// database. Methods may be called concurrently.
type Index interface {
	// Lookup returns one Location for each of at most MaxLookup ids, in their
	// order: the zero Location for one that is absent. An id may be asked for
	// more than once.
	Lookup(ctx context.Context, domain Domain, ids []ID) ([]Location, error)

	// Add records a pack and its entries in one durable transaction. An id
	// that the domain has already keeps its location. Adding a pack that is
	// there already changes nothing.
	Add(ctx context.Context, pack Pack, entries []Entry) error

	// Packs yields all packs, in any order. An error ends it.
	Packs(ctx context.Context) iter.Seq2[Pack, error]

	// Reset removes everything, durably.
	Reset(ctx context.Context) error
}

// MaxLookup is the largest number of ids in one call of Index.Lookup.
const MaxLookup = 512
