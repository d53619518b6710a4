package localserver

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"origami"
)

// maxDescriptors is how many descriptors one read takes in. More than one is
// never asked for; what else comes is closed.
const maxDescriptors = 4

// Listener wraps a UNIX socket listener so that its connections take in the
// descriptors that clients pass.
func Listener(l *net.UnixListener) net.Listener { return listener{l} }

type listener struct{ *net.UnixListener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return &conn{UnixConn: c, peer: peerAddr(peerOf(c))}, nil
}

// conn is a connection that keeps the last descriptor that it was passed, and
// knows who is at its other end.
type conn struct {
	*net.UnixConn
	peer peerAddr

	mu   sync.Mutex // guards file
	file *os.File
}

// Read reads bytes, and takes in the descriptors that come with them.
func (c *conn) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, oobn, _, _, err := c.ReadMsgUnix(p, oob)
	if oobn > 0 {
		c.keep(oob[:oobn])
	}
	return n, err
}

// keep parses control messages and keeps the last descriptor in them.
func (c *conn) keep(oob []byte) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			c.swap(os.NewFile(uintptr(fd), "imported disk"))
		}
	}
}

// swap replaces the kept file and closes the one before it.
func (c *conn) swap(f *os.File) *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil && f != nil {
		c.file.Close()
	}
	old := c.file
	c.file = f
	return old
}

// Close closes the connection and a file that nobody took.
func (c *conn) Close() error {
	if f := c.swap(nil); f != nil {
		f.Close()
	}
	return c.UnixConn.Close()
}

// peerAddr is the address of a client: the process that connected, since clients
// have no name at a socket.
type peerAddr string

// Network implements net.Addr.
func (peerAddr) Network() string { return "unix" }

// String implements net.Addr.
func (a peerAddr) String() string { return string(a) }

// RemoteAddr is the process at the other end, "@uid=1000,pid=4711", or "@" if the
// system does not tell.
func (c *conn) RemoteAddr() net.Addr { return c.peer }

// Peer is the process that a request came from, as RemoteAddr of its connection.
func Peer(ctx context.Context) string {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.peer.String()
	}
	return "@"
}

type connKey struct{}

// ConnContext makes a request's context lead to its connection. It is for
// http.Server.ConnContext.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// passedFile takes the file that came with a request. The caller closes it.
func passedFile(ctx context.Context) (*os.File, error) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return nil, origami.Errorf(origami.CodeUnsupportedOperation, "Imports go through the socket in the data directory.")
	}
	f := c.swap(nil)
	if f == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request came without the descriptor of an open file.")
	}
	return f, nil
}
