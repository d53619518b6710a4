package nbd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// conn is one client, from its first byte to its last.
type conn struct {
	srv    *Server
	nc     net.Conn
	r      *bufio.Reader
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	// Set by the handshake, constant afterwards.
	noZeroes   bool
	structured bool
	metaExport string // the export for which base:allocation was negotiated
	metaSet    bool
	export     *export
	size       int64
	flags      uint16 // transmission flags
	allocation bool   // BLOCK_STATUS may be used

	budget  budget
	replies replyQueue

	drainMu  sync.Mutex // guards draining, and keeps deadlines in order with it
	draining bool
}

func (c *conn) serve() error {
	c.r = bufio.NewReaderSize(c.nc, 64<<10)
	if !c.setHandshakeDeadline() {
		return nil
	}
	err := c.handshake()
	if c.export != nil {
		defer c.export.detach(c)
	}
	if err == nil && c.export != nil && c.clearDeadline() {
		err = c.transmit()
	}
	if c.isDraining() || errors.Is(err, errDisconnect) {
		return nil
	}
	return err
}

// errDisconnect ends a connection in an orderly way.
var errDisconnect = errors.New("disconnect")

// drain makes the connection end once the requests that were read so far have
// been answered. It does not wait.
func (c *conn) drain() {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	if c.draining {
		return
	}
	c.draining = true
	// An error of these says that the connection is closed: it ends anyway.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	_ = c.nc.SetWriteDeadline(time.Now().Add(cmp.Or(c.srv.DrainTimeout, 10*time.Second)))
}

func (c *conn) isDraining() bool {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	return c.draining
}

// setHandshakeDeadline reports false if the connection is to end instead.
func (c *conn) setHandshakeDeadline() bool {
	return c.setDeadline(time.Now().Add(cmp.Or(c.srv.HandshakeTimeout, 30*time.Second)))
}

func (c *conn) clearDeadline() bool { return c.setDeadline(time.Time{}) }

func (c *conn) setDeadline(t time.Time) bool {
	c.drainMu.Lock()
	defer c.drainMu.Unlock()
	if c.draining {
		return false
	}
	return c.nc.SetDeadline(t) == nil
}

// readFull fills p from the client. What happened is put into the error.
func (c *conn) readFull(p []byte, what string) error {
	if _, err := io.ReadFull(c.r, p); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// discard skips n bytes from the client.
func (c *conn) discard(n int64, what string) error {
	if _, err := io.CopyN(io.Discard, c.r, n); err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}
