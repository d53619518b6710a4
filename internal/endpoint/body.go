package endpoint

import (
	"bytes"
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

// readBody reads the body into memory, once and without copies if the request
// says how long it is.
func (x *exchange) readBody() ([]byte, error) {
	r := http.MaxBytesReader(&x.w, x.r.Body, MaxBody)
	n := x.r.ContentLength
	if n < largeBody || n >= pooledBody {
		return io.ReadAll(r)
	}
	buf, ok := bodies.Get().(*[]byte)
	if !ok {
		b := make([]byte, pooledBody)
		buf = &b
	}
	body := (*buf)[:n]
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	// The server does not read on behind the length; this finds the end.
	if _, err := io.ReadFull(r, (*buf)[n:n+1]); err != io.EOF {
		return nil, errors.Join(errors.New("the body goes on behind its length"), err)
	}
	return body, nil
}

// memory is a body that was read. Who wants all of it need not copy it.
type memory struct {
	*bytes.Reader
	all []byte
}

// Bytes returns the whole body. It is valid until the request is answered.
func (m memory) Bytes() []byte { return m.all }

// Close implements io.Closer.
func (memory) Close() error { return nil }

// keepBody gives the buffer of a body back.
func keepBody(body []byte) {
	if cap(body) == pooledBody {
		body = body[:pooledBody]
		bodies.Put(&body)
	}
}

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return origami.Errorf("RequestEntityTooLarge", "The request body exceeds %d bytes.", tooLarge.Limit)
	}
	return &origami.Error{Code: "IncompleteBody", Message: "The request body could not be read.", Err: err}
}
