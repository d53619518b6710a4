package nbd

import (
	"encoding/binary"
	"net"
	"sync"
)

// replyQueue writes replies to the client. Whoever finds nobody writing writes
// everything that is due; under load one system call carries many replies.
type replyQueue struct {
	c *conn

	mu      sync.Mutex // guards all below
	due     []reply
	spare   []reply // the array that due does not use
	writing bool
	failed  bool // the client is gone; replies are dropped
}

type reply struct {
	b    *buffer
	cost int // to give back to the budget
}

// send sends b and frees it, and then releases cost from the budget.
func (r *replyQueue) send(b *buffer, cost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = append(r.due, reply{b, cost})
	if r.writing {
		return
	}
	r.writing = true
	for len(r.due) > 0 {
		batch := r.due
		r.due = r.spare[:0]
		failed := r.failed
		r.mu.Unlock()
		if !failed && write(r.c.nc, batch) != nil {
			failed = true
			r.c.nc.Close() // ends the reader
		}
		for i, p := range batch {
			p.b.free()
			batch[i].b = nil
		}
		r.mu.Lock()
		r.failed = failed
		r.spare = batch
		for _, p := range batch {
			r.c.budget.release(p.cost)
		}
	}
	r.writing = false
}

func write(nc net.Conn, batch []reply) error {
	if len(batch) == 1 {
		_, err := nc.Write(batch[0].b.message())
		return err
	}
	bufs := make(net.Buffers, len(batch))
	for i, p := range batch {
		bufs[i] = p.b.message()
	}
	_, err := bufs.WriteTo(nc)
	return err
}

func putSimple(h []byte, cookie uint64, no errno) {
	binary.BigEndian.PutUint32(h[0:], magicSimple)
	binary.BigEndian.PutUint32(h[4:], uint32(no))
	binary.BigEndian.PutUint64(h[8:], cookie)
}

// putChunk makes the header of the only chunk of a structured reply.
func putChunk(h []byte, cookie uint64, typ uint16, n int) {
	binary.BigEndian.PutUint32(h[0:], magicStructured)
	binary.BigEndian.PutUint16(h[4:], chunkDone)
	binary.BigEndian.PutUint16(h[6:], typ)
	binary.BigEndian.PutUint64(h[8:], cookie)
	binary.BigEndian.PutUint32(h[16:], uint32(n))
}

func simpleReply(q *request, no errno) *buffer {
	b := newBuffer(0)
	putSimple(b.header(simpleLen), q.cookie, no)
	return b
}

// errorReply tells an error in the form that the client expects for the
// command.
func (c *conn) errorReply(q *request, no errno) *buffer {
	if !c.structured || q.cmd != cmdRead && q.cmd != cmdBlockStatus {
		return simpleReply(q, no)
	}
	b := newBuffer(6) // number, and the length of an empty message
	putChunk(b.header(structuredLen), q.cookie, chunkError, 6)
	binary.BigEndian.PutUint32(b.payload()[0:], uint32(no))
	binary.BigEndian.PutUint16(b.payload()[4:], 0)
	return b
}
