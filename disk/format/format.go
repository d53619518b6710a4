// Package format finds out which disk format a file has, and opens it. It is
// the one way in for bytes from outside: what is imported, by whichever
// operation, goes through [Open] or [OpenAs].
//
// Raw is what is left when nothing else matches. That makes a guess of every
// file that is merely unknown, so [Formats] lists the formats that people have
// as well as those that can be read, and opening one of the others gives an
// error that names it.
//
// A caller who declares a format is not believed either. Systems that believed
// "raw" and later handed the bytes to a tool that guesses have leaked files of
// their hosts (CVE-2024-40767 and its kin), so [OpenAs] refuses bytes that
// look like anything but what they are declared to be.
package format

import (
	"fmt"
	"io"
	"strings"

	"origami/disk"
	"origami/disk/qcow2"
	"origami/disk/raw"
)

// Format is one row of [Formats].
type Format struct {
	Name string // "qcow2", in lower case

	// Sniff reports whether a file that begins with head and ends with tail
	// has this format. Head is at most 4 KiB; tail is at most a sector, and
	// may overlap head. It is nil for raw, which anything may be.
	Sniff func(head, tail []byte) bool

	// Open opens a file of size bytes. Closing the image does not close r. It
	// is nil for formats that are recognised in order to be refused.
	Open func(r io.ReaderAt, size int64) (disk.Image, error)
}

// headSize is how much of the start of a file Sniff sees.
const headSize = 4 << 10

// Formats lists every format that is recognised, in the order in which they
// are tried. Raw is the last.
var Formats = []Format{
	{"qcow2", prefix("QFI\xfb"), qcow2.Open},
	{"vmdk", isVMDK, nil},
	{"vhdx", prefix("vhdxfile"), nil},
	{"vhd", isVHD, nil},
	{"ova", isTar, nil},
	{"vdi", isVDI, nil},
	{"qed", prefix("QED\x00"), nil},
	{"parallels", isParallels, nil},
	{"ovf", isOVF, nil},
	{"gzip", prefix("\x1f\x8b\x08"), nil},
	{"bzip2", isBzip2, nil},
	{"xz", prefix("\xfd7zXZ\x00"), nil},
	{"zstd", prefix("\x28\xb5\x2f\xfd"), nil},
	{"zip", prefix("PK\x03\x04"), nil},
	{"raw", nil, raw.Open},
}

// ByName returns the format with the given name, in any case.
func ByName(name string) (Format, bool) {
	for _, f := range Formats {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return Format{}, false
}

// Sniff returns the format that the size bytes of r have.
func Sniff(r io.ReaderAt, size int64) (Format, error) {
	if size < 0 {
		return Format{}, fmt.Errorf("recognise disk format: size %d is negative", size)
	}
	head := make([]byte, min(size, headSize))
	tail := make([]byte, min(size, disk.SectorSize))
	for _, part := range []struct {
		b   []byte
		off int64
	}{{head, 0}, {tail, size - int64(len(tail))}} {
		if _, err := disk.ReadFull(r, part.b, part.off); err != nil {
			return Format{}, fmt.Errorf("recognise disk format: %w", err)
		}
	}
	for _, f := range Formats {
		if f.Sniff == nil || f.Sniff(head, tail) {
			return f, nil
		}
	}
	panic("format: raw is missing from the table")
}

// Open opens the size bytes of r as the format that they have, and returns its
// name. The name is also returned when they are recognised but refused, with
// an error for which errors.Is(err, [disk.ErrUnsupported]) holds. Closing the
// image does not close r.
func Open(r io.ReaderAt, size int64) (disk.Image, string, error) {
	f, err := Sniff(r, size)
	if err != nil {
		return nil, "", err
	}
	m, err := f.open(r, size)
	return m, f.Name, err
}

// OpenAs opens the size bytes of r as the format named, in any case. Bytes
// that look like another format are refused with a [MismatchError], also when
// the name is "raw"; there is no way around this, because a disk that begins
// with the header of another format is one that some tool will take for it. A
// name that is not in Formats gives an error for which errors.Is(err,
// [disk.ErrUnsupported]) holds.
func OpenAs(name string, r io.ReaderAt, size int64) (disk.Image, error) {
	want, ok := ByName(name)
	if !ok {
		return nil, fmt.Errorf("disk format %q: %w", name, disk.ErrUnsupported)
	}
	got, err := Sniff(r, size)
	if err != nil {
		return nil, err
	}
	if got.Name != want.Name {
		return nil, &MismatchError{Declared: want.Name, Looks: got.Name}
	}
	return want.open(r, size)
}

func (f Format) open(r io.ReaderAt, size int64) (disk.Image, error) {
	if f.Open == nil {
		return nil, &disk.UnsupportedError{Format: f.Name, Feature: "this format"}
	}
	return f.Open(r, size)
}

// MismatchError reports bytes that are not of the format they were declared to
// have. It is a [disk.ErrFormat].
type MismatchError struct {
	Declared string // "raw"
	Looks    string // "qcow2"
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("disk is declared to be %s but looks like %s", e.Declared, e.Looks)
}

// Is makes errors.Is(err, disk.ErrFormat) true.
func (e *MismatchError) Is(target error) bool { return target == disk.ErrFormat }
