package endpoint

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"sync"

	"origami"
)

// bodies are buffers of large requests, which clients send by the thousand when
// they write snapshots block by block.
var bodies sync.Pool // of *[]byte

// largeBody is where a body is worth a buffer of bodies, and pooledBody how
// large those are.
const (
	largeBody  = 64 << 10
	pooledBody = 512<<10 + 1 // a block, and the byte that is not there
)

// body is the body of a request, read whole.
type body struct {
	bytes []byte
	sum   func() [sha256.Size]byte // its SHA-256
}

// readBody reads the body into memory, once and without copies if the request
// says how long it is.
func (x *exchange) readBody() (body, error) {
	r := http.MaxBytesReader(&x.w, x.r.Body, MaxBody)
	n := x.r.ContentLength
	if n < largeBody || n >= pooledBody {
		all, err := io.ReadAll(r)
		return body{all, sync.OnceValue(func() [sha256.Size]byte { return sha256.Sum256(all) })}, err
	}
	return readLarge(r, int(n))
}

// readLarge reads a body of n bytes, which it hashes on the way: later they would
// have left the processor's caches.
func readLarge(r io.Reader, n int) (body, error) {
	buf, ok := bodies.Get().(*[]byte)
	if !ok {
		b := make([]byte, pooledBody)
		buf = &b
	}
	all, sum := (*buf)[:n], sha256.New()
	for read := 0; read < n; {
		k, err := r.Read(all[read:])
		sum.Write(all[read : read+k])
		if read += k; err != nil && read < n {
			return body{}, unexpected(err)
		}
	}
	// The server does not read on behind the length; this finds the end.
	if _, err := io.ReadFull(r, (*buf)[n:n+1]); err != io.EOF {
		return body{}, errors.Join(errors.New("the body goes on behind its length"), err)
	}
	return body{all, func() [sha256.Size]byte { return [sha256.Size]byte(sum.Sum(nil)) }}, nil
}

// unexpected is the error of a body that ends too early.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// memory is a body that was read. Who wants all of it need not copy it.
type memory struct {
	*bytes.Reader
	body body
}

// Bytes returns the whole body. It is valid until the request is answered.
func (m memory) Bytes() []byte { return m.body.bytes }

// SHA256 returns the SHA-256 of the whole body.
func (m memory) SHA256() [sha256.Size]byte { return m.body.sum() }

// Close implements io.Closer.
func (memory) Close() error { return nil }

// keepBody gives the buffer of a body back.
func keepBody(all []byte) {
	if cap(all) == pooledBody {
		all = all[:pooledBody]
		bodies.Put(&all)
	}
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return origami.Errorf("RequestEntityTooLarge", "The request body exceeds %d bytes.", tooLarge.Limit)
	}
	return &origami.Error{Code: "IncompleteBody", Message: "The request body could not be read.", Err: err}
}
