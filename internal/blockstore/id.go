package blockstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"origami/disk"
)

// BlockSize is the unit of storage and deduplication: 512 KiB, the block of
// the EBS direct APIs.
const BlockSize = 512 << 10

// ID is the stored identity of a block or of a manifest node: in the
// unencrypted domain, the SHA-256 of its bytes. The zero ID stands for zeros.
type ID [32]byte

// IsZero says whether the ID stands for zeros.
func (id ID) IsZero() bool { return id == ID{} }

// String is the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Domain is a key domain: blocks are shared inside one and never across. The
// empty Domain is the unencrypted one.
type Domain string

// maxDomain bounds the length of a Domain.
const maxDomain = 1024

// Root is the top of a manifest: all there is to know about the contents of a
// disk. Two disks in one domain are equal exactly if their Roots are.
type Root struct {
	ID     ID    // of the top node; zero if the whole disk is zero
	Size   int64 // of the disk in bytes
	Domain Domain
}

const rootVersion = "1"

// String is the text form of the Root, as MarshalText gives it.
func (r Root) String() string {
	return fmt.Sprintf("%s:%d:%v:%s", rootVersion, r.Size, r.ID, string(r.Domain))
}

// MarshalText returns the form that ParseRoot reads.
func (r Root) MarshalText() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	return []byte(r.String()), nil
}

// UnmarshalText is ParseRoot.
func (r *Root) UnmarshalText(text []byte) error {
	root, err := ParseRoot(string(text))
	if err == nil {
		*r = root
	}
	return err
}

// ParseRoot reads the text form of a Root and refuses anything but the one
// spelling that MarshalText gives.
func ParseRoot(text string) (Root, error) {
	parts := strings.SplitN(text, ":", 4)
	if len(parts) != 4 || parts[0] != rootVersion {
		return Root{}, errors.New("parse manifest root: not a root of version " + rootVersion)
	}
	var r Root
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Root{}, fmt.Errorf("parse manifest root: size: %w", err)
	}
	if len(parts[2]) != 2*len(r.ID) {
		return Root{}, fmt.Errorf("parse manifest root: identity of %d digits", len(parts[2]))
	}
	if _, err := hex.Decode(r.ID[:], []byte(parts[2])); err != nil {
		return Root{}, fmt.Errorf("parse manifest root: identity: %w", err)
	}
	r.Size, r.Domain = size, Domain(parts[3])
	if err := r.check(); err != nil {
		return Root{}, fmt.Errorf("parse manifest root: %w", err)
	}
	if r.String() != text {
		return Root{}, errors.New("parse manifest root: not in canonical form")
	}
	return r, nil
}

// check says whether the Root can be one at all.
func (r Root) check() error {
	switch {
	case r.Size < 0 || r.Size > disk.MaxSize:
		return fmt.Errorf("disk size %d out of range", r.Size)
	case r.Size == 0 && !r.ID.IsZero():
		return errors.New("an empty disk has contents")
	case len(r.Domain) > maxDomain:
		return fmt.Errorf("domain name of %d bytes", len(r.Domain))
	}
	return nil
}

// blocks is the number of blocks of a disk of the given size.
func blocks(size int64) int64 { return (size + BlockSize - 1) / BlockSize }
