package blockstore

import (
	"fmt"
	"runtime"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec says how new blocks are compressed. Every Store reads all of them.
type Codec int

const (
	CodecZstd Codec = iota // zstd, fastest level: the default
	CodecS2                // S2: half the time, a quarter more bytes
	CodecRaw               // none
)

// String is the name of the codec.
func (c Codec) String() string {
	switch c {
	case CodecZstd:
		return "zstd"
	case CodecS2:
		return "s2"
	case CodecRaw:
		return "raw"
	}
	return fmt.Sprintf("Codec(%d)", int(c))
}

// packed is a codec as a record names it.
type packed uint8

const (
	packedRaw  packed = 0
	packedZstd packed = 1
	packedS2   packed = 2
)

func (c Codec) packed() packed {
	switch c {
	case CodecZstd:
		return packedZstd
	case CodecS2:
		return packedS2
	}
	return packedRaw
}

// compressor compresses and decompresses frames. Its methods may be called
// concurrently.
type compressor struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCompressor() (*compressor, error) {
	n := runtime.GOMAXPROCS(0)
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(n),
		zstd.WithWindowSize(BlockSize),
		zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false), // the record has one
	)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(n),
		zstd.WithDecoderMaxMemory(BlockSize),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderLowmem(true),
	)
	if err != nil {
		return nil, err
	}
	return &compressor{enc: enc, dec: dec}, nil
}

func (c *compressor) close() {
	_ = c.enc.Close() // it never held a stream
	c.dec.Close()
}

// compress appends src, compressed, to dst.
func (c *compressor) compress(codec packed, dst, src []byte) []byte {
	switch codec {
	case packedZstd:
		return c.enc.EncodeAll(src, dst)
	case packedS2:
		n, most := len(dst), s2.MaxEncodedLen(len(src))
		if cap(dst)-n < most {
			dst = append(make([]byte, 0, n+most), dst...)
		}
		return dst[:n+len(s2.Encode(dst[n:n+most], src))]
	}
	return append(dst, src...)
}

// decompress fills dst from src, which must hold exactly as many bytes.
func (c *compressor) decompress(codec packed, dst, src []byte) error {
	switch codec {
	case packedRaw:
		if len(src) != len(dst) {
			return malformed("%d raw bytes for %d", len(src), len(dst))
		}
		copy(dst, src)
		return nil
	case packedZstd:
		out, err := c.dec.DecodeAll(src, dst[:0:len(dst)])
		if err != nil {
			return malformed("zstd: %v", err)
		}
		if len(out) != len(dst) || &out[0] != &dst[0] {
			return malformed("zstd frame of %d bytes, want %d", len(out), len(dst))
		}
		return nil
	case packedS2:
		n, err := s2.DecodedLen(src)
		if err != nil || n != len(dst) {
			return malformed("S2 block of %d bytes, want %d", n, len(dst))
		}
		if _, err := s2.Decode(dst, src); err != nil {
			return malformed("S2: %v", err)
		}
		return nil
	}
	return malformed("codec %d", codec)
}
