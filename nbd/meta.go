package nbd

import (
	"encoding/binary"
)

// metaContext serves SET_META_CONTEXT and LIST_META_CONTEXT. The one context
// that exists is base:allocation.
func (c *conn) metaContext(opt uint32, data []byte) error {
	d := decoder{data}
	name, ok1 := d.string32()
	count, ok2 := d.uint32()
	if !ok1 || !ok2 || !c.structured {
		return c.optReply(opt, repErrInvalid, nil)
	}
	// Listing without a query asks for everything, setting without one for
	// nothing.
	match := opt == optListMetaContext && count == 0
	for range count {
		q, ok := d.string32()
		if !ok {
			return c.optReply(opt, repErrInvalid, nil)
		}
		match = match || q == allocationContext || opt == optListMetaContext && q == "base:"
	}
	if len(d.rest) != 0 {
		return c.optReply(opt, repErrInvalid, nil)
	}
	if opt == optSetMetaContext {
		c.metaSet = false
	}
	e := c.srv.lookup(name)
	if e == nil {
		return c.optReply(opt, repErrUnknown, nil)
	}
	if _, ok := e.dev.(Extenter); ok && match {
		id := uint32(0)
		if opt == optSetMetaContext {
			id = allocationID
			c.metaSet, c.metaExport = true, name
		}
		b := binary.BigEndian.AppendUint32(nil, id)
		if err := c.optReply(opt, repMetaContext, append(b, allocationContext...)); err != nil {
			return err
		}
	}
	return c.optReply(opt, repAck, nil)
}

// decoder takes integers and strings from the front of an option's data. Each
// method reports false when too little is left.
type decoder struct{ rest []byte }

func (d *decoder) uint16() (uint16, bool) {
	if len(d.rest) < 2 {
		return 0, false
	}
	v := binary.BigEndian.Uint16(d.rest)
	d.rest = d.rest[2:]
	return v, true
}

func (d *decoder) uint32() (uint32, bool) {
	if len(d.rest) < 4 {
		return 0, false
	}
	v := binary.BigEndian.Uint32(d.rest)
	d.rest = d.rest[4:]
	return v, true
}

// string32 takes a string behind its 32-bit length.
func (d *decoder) string32() (string, bool) {
	n, ok := d.uint32()
	if !ok || uint64(n) > uint64(len(d.rest)) {
		return "", false
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s, true
}
