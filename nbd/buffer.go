package nbd

import (
	"math/bits"
	"sync"
)

// headroom is the space in front of a buffer's payload, large enough for the
// header of any reply, so that header and payload leave in one write.
const headroom = 32

const (
	minClass = 12 // 4 KiB
	maxClass = 25 // MaxRequest
)

// buffer is the memory of one reply, or of one WRITE.
type buffer struct {
	mem   []byte // headroom, then the payload
	n     int    // length of the payload
	start int    // where the header begins in mem
	class int    // index in pools
}

var pools [maxClass + 1]sync.Pool

// newBuffer returns a buffer with n bytes of payload of arbitrary content.
// n is at most MaxRequest.
func newBuffer(n int) *buffer {
	class := minClass
	if n > 1<<minClass {
		class = bits.Len(uint(n - 1))
	}
	b, _ := pools[class].Get().(*buffer)
	if b == nil {
		b = &buffer{mem: make([]byte, headroom+1<<class), class: class}
	}
	b.n, b.start = n, headroom
	return b
}

func (b *buffer) payload() []byte { return b.mem[headroom : headroom+b.n] }

// header returns the n bytes in front of the payload.
func (b *buffer) header(n int) []byte {
	b.start = headroom - n
	return b.mem[b.start:headroom]
}

// message is everything from the header to the end of the payload.
func (b *buffer) message() []byte { return b.mem[b.start : headroom+b.n] }

func (b *buffer) free() { pools[b.class].Put(b) }
