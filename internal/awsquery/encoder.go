package awsquery

import (
	"io"
	"sync"
)

// encoder collects a document. Collecting cannot fail, which keeps half a
// document from ever being sent. It collects pieces, since a long list is
// megabytes: one buffer that grows is copied over and over, and is garbage each
// time.
type encoder struct {
	full [][]byte // pieces in front of doc
	doc  []byte
}

// pieceSize holds all but long lists, and what others want to see of the
// beginning of an answer.
const pieceSize = 128 << 10

// pieces are free to be used again.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// maxNumber is more than any scalar but text needs.
const maxNumber = 64

func newEncoder() *encoder { return new(encoder) }

// send writes the document.
func (e *encoder) send(w io.Writer) error {
	for _, p := range append(e.full, e.doc) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// free gives the pieces back; the encoder must not be used any more.
func (e *encoder) free() {
	for _, p := range append(e.full, e.doc) {
		if cap(p) == pieceSize {
			pieces.Put((*[pieceSize]byte)(p[:pieceSize]))
		}
	}
	e.full, e.doc = nil, nil
}

// reserve makes room for n bytes in doc.
func (e *encoder) reserve(n int) {
	if cap(e.doc)-len(e.doc) >= n {
		return
	}
	if len(e.doc) > 0 {
		e.full = append(e.full, e.doc)
	}
	if n <= pieceSize {
		e.doc = pieces.Get().(*[pieceSize]byte)[:0]
	} else {
		e.doc = make([]byte, 0, n)
	}
}

func (e *encoder) add(s string) {
	e.reserve(len(s))
	e.doc = append(e.doc, s...)
}

// Write is for EscapeText.
func (e *encoder) Write(p []byte) (int, error) {
	e.reserve(len(p))
	e.doc = append(e.doc, p...)
	return len(p), nil
}
