package nbd

import (
	"encoding/binary"
	"errors"
	"io"
)

// request is one command of a client.
type request struct {
	flags  uint16
	cmd    command
	cookie uint64
	off    uint64
	n      uint32
	data   *buffer // payload of WRITE
}

// cost is the payload memory that the request holds until it is answered.
func (q *request) cost() int {
	if q.cmd == cmdRead || q.cmd == cmdWrite {
		return int(q.n)
	}
	return 0
}

// transmit reads requests and runs each in a goroutine of its own, until the
// client leaves or the connection is drained. It returns when all have been
// answered.
func (c *conn) transmit() error {
	c.replies.c = c
	err := c.readRequests()
	if err != nil && !errors.Is(err, errDisconnect) && !c.isDraining() {
		c.cancel() // nobody will read the answers
	}
	c.budget.wait()
	return err
}

func (c *conn) readRequests() error {
	var h [requestLen]byte
	for {
		if _, err := io.ReadFull(c.r, h[:]); err != nil {
			if err == io.EOF {
				return errDisconnect
			}
			return err
		}
		if m := binary.BigEndian.Uint32(h[0:]); m != magicRequest {
			return violation("request magic %#x", m)
		}
		q := request{
			flags:  binary.BigEndian.Uint16(h[4:]),
			cmd:    command(binary.BigEndian.Uint16(h[6:])),
			cookie: binary.BigEndian.Uint64(h[8:]),
			off:    binary.BigEndian.Uint64(h[16:]),
			n:      binary.BigEndian.Uint32(h[24:]),
		}
		if q.cmd == cmdDisc {
			return errDisconnect
		}
		if err := c.admit(q); err != nil {
			return err
		}
	}
}

// admit waits until q may run, takes its payload and starts it. Only an error
// of the connection is returned; one of the request is answered.
func (c *conn) admit(q request) error {
	if bad := c.check(&q); bad != 0 {
		if q.cmd == cmdWrite {
			// The payload comes in any case. A length that makes no sense is
			// not waited for.
			if q.n > 2*MaxRequest {
				return violation("WRITE of %d bytes", q.n)
			}
			if err := c.discard(int64(q.n), "payload"); err != nil {
				return err
			}
		}
		c.budget.acquire(0)
		c.replies.send(c.errorReply(&q, bad), 0)
		return nil
	}
	c.budget.acquire(q.cost())
	if q.cmd == cmdWrite {
		q.data = newBuffer(int(q.n))
		if err := c.readFull(q.data.payload(), "payload"); err != nil {
			q.data.free()
			c.budget.release(q.cost())
			return err
		}
	}
	go c.run(q)
	return nil
}

var knownFlags = map[command]uint16{
	cmdRead:        flagFUA | flagDF,
	cmdWrite:       flagFUA,
	cmdFlush:       flagFUA,
	cmdTrim:        flagFUA,
	cmdWriteZeroes: flagFUA | flagNoHole | flagFastZero,
	cmdBlockStatus: flagFUA | flagReqOne,
}

// check returns the error with which q must be refused, or 0.
func (c *conn) check(q *request) errno {
	known, ok := knownFlags[q.cmd]
	if !ok || q.flags&^known != 0 {
		return eINVAL
	}
	if q.flags&flagDF != 0 && !c.structured {
		return eINVAL
	}
	if q.flags&flagFastZero != 0 && c.flags&transSendFastZero == 0 {
		return eINVAL
	}
	switch q.cmd {
	case cmdFlush:
		if q.off != 0 || q.n != 0 {
			return eINVAL
		}
		return 0
	case cmdBlockStatus:
		if !c.allocation || q.n == 0 {
			return eINVAL
		}
	case cmdTrim, cmdWrite, cmdWriteZeroes:
		if c.flags&transReadOnly != 0 {
			return ePERM
		}
		if q.cmd == cmdTrim && c.flags&transSendTrim == 0 {
			return eINVAL
		}
	}
	if q.off > uint64(c.size) || uint64(q.n) > uint64(c.size)-q.off {
		// The specification wants ENOSPC from what would write data there.
		if q.cmd == cmdWrite || q.cmd == cmdWriteZeroes {
			return eNOSPC
		}
		return eINVAL
	}
	if q.cost() > MaxRequest {
		return eOVERFLOW
	}
	return 0
}
