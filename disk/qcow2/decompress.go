package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window that libzstd accepts unless told otherwise.
// It costs no memory: whole clusters are decompressed in place.
const maxWindow = 128 << 20

// errShort says that compressed data ended before it had filled the cluster.
var errShort = errors.New("compressed data ends before the cluster is full")

// decompressor fills dst, which is one cluster, from src. What follows the
// compressed data in src is something else's, section "Compressed Clusters
// Descriptor". It is safe for concurrent use.
type decompressor interface {
	decompress(dst, src []byte) error
	close()
}

func newDecompressor(compression uint8) (decompressor, error) {
	if compression != compressionZstd {
		return &inflater{}, nil
	}
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &zstdDecompressor{d}, nil
}

// inflater decompresses the type called zlib, which is raw deflate without a
// zlib header.
type inflater struct{ readers sync.Pool } // of *inflateReader

type inflateReader struct {
	src bytes.Reader
	z   io.ReadCloser
}

func (f *inflater) decompress(dst, src []byte) error {
	r, _ := f.readers.Get().(*inflateReader)
	if r == nil {
		r = &inflateReader{}
		r.z = flate.NewReader(&r.src)
	}
	defer f.readers.Put(r)
	r.src.Reset(src)
	if err := r.z.(flate.Resetter).Reset(&r.src, nil); err != nil {
		return err
	}
	if _, err := io.ReadFull(r.z, dst); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	} else if err != nil {
		return err
	}
	return nil
}

func (f *inflater) close() {}

type zstdDecompressor struct{ d *zstd.Decoder }

func (z *zstdDecompressor) decompress(dst, src []byte) error {
	// The capacity is the limit. A cluster may be several frames.
	out := dst[:0:len(dst)]
	for len(out) < len(dst) {
		n, err := frameSize(src)
		if err != nil {
			return err
		}
		if out, err = z.d.DecodeAll(src[:n], out); err != nil {
			return err
		}
		src = src[n:]
	}
	if len(out) > len(dst) {
		return zstd.ErrDecoderSizeExceeded
	}
	if &out[0] != &dst[0] {
		copy(dst, out) // the decoder chose to allocate
	}
	return nil
}

func (z *zstdDecompressor) close() { z.d.Close() }

// frameSize returns the size of the zstd frame that src begins with, RFC 8878,
// section 3.1. The decoder cannot be given more than that, for it would take
// what follows, often another cluster's frame, as a continuation.
func frameSize(src []byte) (int, error) {
	var h zstd.Header
	rest, err := h.DecodeAndStrip(src)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, errShort
	} else if err != nil {
		return 0, err
	}
	if h.Skippable {
		if int64(h.SkippableSize) > int64(len(rest)) {
			return 0, errShort
		}
		return len(src) - len(rest) + int(h.SkippableSize), nil
	}
	for last := false; !last; {
		if len(rest) < 3 {
			return 0, errShort
		}
		b := uint32(binary.LittleEndian.Uint16(rest)) | uint32(rest[2])<<16
		last = b&1 != 0
		n := int(b >> 3)
		if b>>1&3 == 1 { // a run of one byte
			n = 1
		}
		if len(rest)-3 < n {
			return 0, errShort
		}
		rest = rest[3+n:]
	}
	if h.HasCheckSum {
		if len(rest) < 4 {
			return 0, errShort
		}
		rest = rest[4:]
	}
	return len(src) - len(rest), nil
}
