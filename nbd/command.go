package nbd

import (
	"encoding/binary"
	"fmt"
	"io"
	"syscall"
	"time"
)

// run executes q, whose range and flags have been checked, and answers it.
func (c *conn) run(q request) {
	if observe := c.srv.Observe; observe != nil {
		start, cmd, n := time.Now(), q.cmd, int64(q.n)
		defer func() { observe(cmd.String(), n, time.Since(start)) }()
	}
	switch q.cmd {
	case cmdRead:
		c.read(&q)
		return
	case cmdBlockStatus:
		c.blockStatus(&q)
		return
	}
	err := c.change(&q)
	if q.data != nil {
		q.data.free()
	}
	c.finish(&q, err)
}

// change executes the commands that have no payload in their answer.
func (c *conn) change(q *request) error {
	var err error
	off, n := int64(q.off), int64(q.n)
	switch {
	case q.cmd == cmdFlush:
		return c.export.dev.Flush()
	case n == 0:
	case q.cmd == cmdWrite:
		_, err = c.export.dev.WriteAt(q.data.payload(), off)
	case q.cmd == cmdTrim:
		err = c.export.dev.(Trimmer).Trim(off, n)
	case q.cmd == cmdWriteZeroes:
		err = c.writeZeroes(q)
	}
	if err == nil && q.flags&flagFUA != 0 {
		err = c.export.dev.Flush()
	}
	return err
}

var zeros [1 << 20]byte

// writeZeroes uses the device's own way unless the client wants the space to
// stay allocated. FAST_ZERO forbids to write zeros one by one.
func (c *conn) writeZeroes(q *request) error {
	off, n := int64(q.off), int64(q.n)
	z, ok := c.export.dev.(Zeroer)
	if ok && q.flags&flagNoHole == 0 {
		return z.WriteZeroes(off, n)
	}
	if q.flags&flagFastZero != 0 {
		return syscall.ENOTSUP
	}
	for n > 0 {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		k := min(n, int64(len(zeros)))
		if _, err := c.export.dev.WriteAt(zeros[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}

// finish answers a command that failed, or has no payload.
func (c *conn) finish(q *request, err error) {
	if err == nil {
		c.replies.send(simpleReply(q, 0), q.cost())
		return
	}
	no := toErrno(err)
	if no != eNOTSUP && c.ctx.Err() == nil {
		c.srv.log().Error("NBD request", "export", c.export.name, "command", q.cmd.String(),
			"offset", q.off, "length", q.n, "err", err)
	}
	c.replies.send(c.errorReply(q, no), q.cost())
}

func (c *conn) read(q *request) {
	b := newBuffer(int(q.n))
	if q.n > 0 {
		n, err := c.export.dev.ReadAt(b.payload(), int64(q.off))
		if n < int(q.n) {
			b.free()
			if err == nil || err == io.EOF {
				err = fmt.Errorf("device returned %d of %d bytes: %w", n, q.n, io.ErrUnexpectedEOF)
			}
			c.finish(q, err)
			return
		}
	}
	switch {
	case !c.structured:
		putSimple(b.header(simpleLen), q.cookie, 0)
	case q.n == 0:
		putChunk(b.header(structuredLen), q.cookie, chunkNone, 0)
	default:
		h := b.header(structuredLen + 8)
		putChunk(h, q.cookie, chunkOffsetData, 8+int(q.n))
		binary.BigEndian.PutUint64(h[structuredLen:], q.off)
	}
	c.replies.send(b, q.cost())
}

func (c *conn) blockStatus(q *request) {
	limit := maxDescriptors
	if q.flags&flagReqOne != 0 {
		limit = 1
	}
	runs, err := c.allocationRuns(int64(q.off), int64(q.n), limit)
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("device told no allocation at %d", q.off)
	}
	if err != nil {
		c.finish(q, err)
		return
	}
	b := newBuffer(4 + 8*len(runs))
	p := b.payload()
	binary.BigEndian.PutUint32(p, allocationID)
	for i, r := range runs {
		binary.BigEndian.PutUint32(p[4+8*i:], uint32(r.n))
		flags := uint32(0)
		if r.zero {
			flags = stateHole | stateZero
		}
		binary.BigEndian.PutUint32(p[8+8*i:], flags)
	}
	putChunk(b.header(structuredLen), q.cookie, chunkBlockStatus, len(p))
	c.replies.send(b, q.cost())
}

type run struct {
	n    int64
	zero bool
}

// allocationRuns returns at most limit runs from off on, clipped to n bytes.
// Neighbours of the same kind are one run.
func (c *conn) allocationRuns(off, n int64, limit int) ([]run, error) {
	var runs []run
	err := c.export.dev.(Extenter).Allocation(c.ctx, off, n, func(length int64, zero bool) bool {
		if length <= 0 {
			return true
		}
		length = min(length, n)
		if k := len(runs); k > 0 && runs[k-1].zero == zero {
			runs[k-1].n += length
		} else if k == limit {
			return false
		} else {
			runs = append(runs, run{length, zero})
		}
		n -= length
		return n > 0
	})
	return runs, err
}

func (c command) String() string {
	switch c {
	case cmdRead:
		return "READ"
	case cmdWrite:
		return "WRITE"
	case cmdFlush:
		return "FLUSH"
	case cmdTrim:
		return "TRIM"
	case cmdWriteZeroes:
		return "WRITE_ZEROES"
	case cmdBlockStatus:
		return "BLOCK_STATUS"
	}
	return fmt.Sprintf("command %d", uint16(c))
}
