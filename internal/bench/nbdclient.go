package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
)

// nbdClient is a client of an NBD export, for one goroutine.
type nbdClient struct{ net.Conn }

// dialNBD connects to an export of a UNIX socket.
func dialNBD(socket, export string) (*nbdClient, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	_, err = io.ReadFull(conn, make([]byte, 8+8+2)) // what it is, and what it can
	if err == nil {
		ask := binary.BigEndian.AppendUint32(nil, 3) // fixed newstyle, no zeroes
		ask = append(ask, "IHAVEOPT"...)
		ask = binary.BigEndian.AppendUint32(ask, 1) // NBD_OPT_EXPORT_NAME
		ask = binary.BigEndian.AppendUint32(ask, uint32(len(export)))
		_, err = conn.Write(append(ask, export...))
	}
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 8+2)) // size and flags
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to export %s: %w", export, err)
	}
	return &nbdClient{conn}, nil
}

// The commands of the protocol that are used here.
const (
	nbdWrite = 1
	nbdFlush = 3
)

// do makes one request without a result.
func (c *nbdClient) do(command uint16, off int64, payload []byte) error {
	req := binary.BigEndian.AppendUint32(nil, 0x25609513)
	req = binary.BigEndian.AppendUint16(req, 0)
	req = binary.BigEndian.AppendUint16(req, command)
	req = binary.BigEndian.AppendUint64(req, 1)
	req = binary.BigEndian.AppendUint64(req, uint64(off))
	req = binary.BigEndian.AppendUint32(req, uint32(len(payload)))
	if _, err := c.Write(append(req, payload...)); err != nil {
		return err
	}
	head := make([]byte, 4+4+8)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if e := binary.BigEndian.Uint32(head[4:]); e != 0 {
		return fmt.Errorf("NBD error %d", e)
	}
	return nil
}

func (c *nbdClient) write(p []byte, off int64) error { return c.do(nbdWrite, off, p) }
func (c *nbdClient) flush() error                    { return c.do(nbdFlush, 0, nil) }

// socket is where the disks of an instance are served.
func (s *service) socket(instance string) string {
	return filepath.Join(s.dir, "run", instance+".nbd")
}

// uri names an export for the programs of others.
func uri(socket, export string) string { return "nbd+unix:///" + export + "?socket=" + socket }
