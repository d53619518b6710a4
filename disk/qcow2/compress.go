package qcow2

import (
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// deflateWindow is the window that QEMU has always used, and that readers may
// rely on.
const deflateWindow = 4 << 10

// compressor appends src, a cluster, compressed, to dst. It is safe for
// concurrent use.
type compressor interface {
	compress(dst, src []byte) ([]byte, error)
}

// newCompressor returns nil for no compression.
func newCompressor(c Compression, clusterSize int64) (compressor, error) {
	switch c {
	case Zlib:
		return &deflater{}, nil
	case Zstd:
		e, err := zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(max(zstd.MinWindowSize, int(clusterSize))),
			zstd.WithSingleSegment(true),
			zstd.WithEncoderCRC(false),
			zstd.WithEncoderConcurrency(0))
		if err != nil {
			return nil, err
		}
		return zstdCompressor{e}, nil
	}
	return nil, nil
}

type zstdCompressor struct{ e *zstd.Encoder }

func (z zstdCompressor) compress(dst, src []byte) ([]byte, error) {
	return z.e.EncodeAll(src, dst), nil
}

// deflater compresses to raw deflate, which the format calls zlib.
type deflater struct{ writers sync.Pool } // of *flate.Writer

func (d *deflater) compress(dst, src []byte) ([]byte, error) {
	out := appender{dst}
	w, _ := d.writers.Get().(*flate.Writer)
	if w == nil {
		var err error
		if w, err = flate.NewWriterWindow(&out, deflateWindow); err != nil {
			return dst, err
		}
	} else {
		w.Reset(&out)
	}
	defer d.writers.Put(w)
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return out.b, nil
}

// appender is an io.Writer to a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
