package nbd

import (
	"encoding/binary"
	"slices"
)

// handshake negotiates until the client has chosen an export, which is then
// attached to c, or until it leaves.
func (c *conn) handshake() error {
	if err := c.greet(); err != nil {
		return err
	}
	for range maxOptions {
		done, err := c.option()
		if err != nil || done {
			return err
		}
	}
	return violation("more than %d options", maxOptions)
}

func (c *conn) greet() error {
	var hello [18]byte
	binary.BigEndian.PutUint64(hello[0:], magicInit)
	binary.BigEndian.PutUint64(hello[8:], magicOption)
	binary.BigEndian.PutUint16(hello[16:], flagFixedNewstyle|flagNoZeroes)
	if _, err := c.nc.Write(hello[:]); err != nil {
		return err
	}
	var b [4]byte
	if err := c.readFull(b[:], "client flags"); err != nil {
		return err
	}
	flags := binary.BigEndian.Uint32(b[:])
	if flags&^(flagFixedNewstyle|flagNoZeroes) != 0 {
		return violation("unknown client flags %#x", flags)
	}
	if flags&flagFixedNewstyle == 0 {
		return violation("client does not know the fixed newstyle handshake")
	}
	c.noZeroes = flags&flagNoZeroes != 0
	return nil
}

// option serves one option. It reports true when transmission begins.
func (c *conn) option() (done bool, err error) {
	var h [16]byte
	if err := c.readFull(h[:], "option"); err != nil {
		return false, err
	}
	if m := binary.BigEndian.Uint64(h[0:]); m != magicOption {
		return false, violation("option magic %#x", m)
	}
	opt, n := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	if n > maxOptionData {
		if opt == optExportName || n > MaxRequest {
			return false, violation("option %d with %d bytes of data", opt, n)
		}
		if err := c.discard(int64(n), "option data"); err != nil {
			return false, err
		}
		return false, c.optReply(opt, repErrTooBig, nil)
	}
	data := make([]byte, n)
	if err := c.readFull(data, "option data"); err != nil {
		return false, err
	}
	switch opt {
	case optExportName:
		return true, c.exportName(string(data))
	case optAbort:
		_ = c.optReply(opt, repAck, nil) // the client need not wait for it
		return true, errDisconnect
	case optList:
		return false, c.listExports(data)
	case optStructuredReply:
		if len(data) != 0 {
			return false, c.optReply(opt, repErrInvalid, nil)
		}
		c.structured = true
		return false, c.optReply(opt, repAck, nil)
	case optInfo, optGo:
		return c.info(opt, data)
	case optListMetaContext, optSetMetaContext:
		return false, c.metaContext(opt, data)
	}
	return false, c.optReply(opt, repErrUnsup, nil)
}

func (c *conn) optReply(opt, typ uint32, data []byte) error {
	b := make([]byte, 20, 20+len(data))
	binary.BigEndian.PutUint64(b[0:], magicOptReply)
	binary.BigEndian.PutUint32(b[8:], opt)
	binary.BigEndian.PutUint32(b[12:], typ)
	binary.BigEndian.PutUint32(b[16:], uint32(len(data)))
	_, err := c.nc.Write(append(b, data...))
	return err
}

func (c *conn) listExports(data []byte) error {
	if len(data) != 0 {
		return c.optReply(optList, repErrInvalid, nil)
	}
	for _, e := range c.srv.list() {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(e.name)))
		b = append(b, e.name...)
		b = append(b, e.opts.Description...)
		if err := c.optReply(optList, repServer, b); err != nil {
			return err
		}
	}
	return c.optReply(optList, repAck, nil)
}

// exportName serves the oldest way to begin, which cannot say no.
func (c *conn) exportName(name string) error {
	e := c.srv.lookup(name)
	if e == nil || !e.attach(c) {
		return errDisconnect
	}
	c.choose(e)
	b := binary.BigEndian.AppendUint64(nil, uint64(c.size))
	b = binary.BigEndian.AppendUint16(b, c.flags)
	if !c.noZeroes {
		b = append(b, make([]byte, 124)...)
	}
	_, err := c.nc.Write(b)
	return err
}

// choose makes e, to which c is attached, the export of c.
func (c *conn) choose(e *export) {
	c.export = e
	c.size = e.dev.Size()
	c.flags = c.transmissionFlags(e)
	_, extenter := e.dev.(Extenter)
	c.allocation = extenter && c.metaSet && c.metaExport == e.name
}

func (c *conn) transmissionFlags(e *export) uint16 {
	// A flush covers the writes of all connections, so clients may use many.
	flags := uint16(transHasFlags | transSendFlush | transSendFUA | transCanMultiConn)
	if c.structured {
		flags |= transSendDF
	}
	if e.opts.ReadOnly {
		return flags | transReadOnly
	}
	flags |= transSendWriteZeroes
	if _, ok := e.dev.(Trimmer); ok {
		flags |= transSendTrim
	}
	if _, ok := e.dev.(Zeroer); ok {
		flags |= transSendFastZero
	}
	return flags
}

// info serves INFO and GO.
func (c *conn) info(opt uint32, data []byte) (done bool, err error) {
	d := decoder{data}
	name, ok1 := d.string32()
	count, ok2 := d.uint16()
	if !ok1 || !ok2 || len(d.rest) != 2*int(count) {
		return false, c.optReply(opt, repErrInvalid, nil)
	}
	var want []uint16
	for range count {
		w, _ := d.uint16()
		want = append(want, w)
	}
	e := c.srv.lookup(name)
	if e == nil || !e.attach(c) {
		return false, c.optReply(opt, repErrUnknown, nil)
	}
	if opt == optInfo {
		defer e.detach(c)
		return false, c.sendInfo(opt, e, e.dev.Size(), want)
	}
	c.choose(e)
	return true, c.sendInfo(opt, e, c.size, want)
}

// sendInfo sends the information types in want, after the size and the flags
// that every client needs, and acknowledges the option.
func (c *conn) sendInfo(opt uint32, e *export, size int64, want []uint16) error {
	b := binary.BigEndian.AppendUint16(nil, infoExport)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	b = binary.BigEndian.AppendUint16(b, c.transmissionFlags(e))
	if err := c.optReply(opt, repInfo, b); err != nil {
		return err
	}
	for _, typ := range []uint16{infoName, infoDescription, infoBlockSize} {
		if !slices.Contains(want, typ) {
			continue
		}
		b := binary.BigEndian.AppendUint16(nil, typ)
		switch typ {
		case infoName:
			b = append(b, e.name...)
		case infoDescription:
			if e.opts.Description == "" {
				continue
			}
			b = append(b, e.opts.Description...)
		case infoBlockSize:
			b = binary.BigEndian.AppendUint32(b, blockMinimum)
			b = binary.BigEndian.AppendUint32(b, blockPreferred)
			b = binary.BigEndian.AppendUint32(b, MaxRequest)
		}
		if err := c.optReply(opt, repInfo, b); err != nil {
			return err
		}
	}
	return c.optReply(opt, repAck, nil)
}
