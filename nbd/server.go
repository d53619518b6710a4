package nbd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Server serves exports to clients. The zero value is ready for use. Its
// fields must not change after the first call of a method, and all methods may
// be called concurrently.
type Server struct {
	// Log receives one line for each connection that ends with an error and
	// one for each failing device call. Nil discards them.
	Log *slog.Logger

	// Observe, if not nil, hears of each request when it has been executed:
	// the command as the protocol names it ("READ"), the bytes that it is
	// about, and how long the device took. It is called concurrently.
	Observe func(command string, bytes int64, took time.Duration)

	// MaxConns bounds the connections that exist at the same time; further
	// ones are closed at once. Zero means 1024.
	MaxConns int

	// HandshakeTimeout bounds the time from connecting to the end of the
	// handshake. Zero means 30 seconds.
	HandshakeTimeout time.Duration

	// DrainTimeout bounds the time a client may take to read the replies that
	// are due to it when its export stops. Zero means 10 seconds.
	DrainTimeout time.Duration

	mu      sync.Mutex // guards all below
	closed  bool
	done    chan struct{} // closed by Close; made on demand
	exports map[string]*export
	conns   map[*conn]struct{}
	ended   sync.WaitGroup // one for each element of conns
}

// export is a device under its name, and who uses it.
type export struct {
	name string
	dev  Device
	opts ExportOptions

	mu      sync.Mutex // guards all below
	stopped bool
	conns   map[*conn]struct{}
	ended   sync.WaitGroup // one for each element of conns
}

// Export makes dev available under name, which may be empty: that is the
// export of clients that name none. It returns ErrExists for a name in use.
//
// The function stop withdraws the export, disconnects its clients after the
// requests they have sent so far have ended, and returns when no call of dev
// is running or will be made. It may be called more than once.
func (s *Server) Export(name string, dev Device, opts ExportOptions) (stop func(), err error) {
	if len(name) > MaxName || len(opts.Description) > MaxName {
		return nil, fmt.Errorf("nbd: export name or description longer than %d bytes", MaxName)
	}
	if size := dev.Size(); size < 0 {
		return nil, fmt.Errorf("nbd: export %q has size %d", name, size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if _, ok := s.exports[name]; ok {
		return nil, fmt.Errorf("%w: %q", ErrExists, name)
	}
	e := &export{name: name, dev: dev, opts: opts, conns: make(map[*conn]struct{})}
	if s.exports == nil {
		s.exports = make(map[string]*export)
	}
	s.exports[name] = e
	return func() { s.stopExport(e) }, nil
}

func (s *Server) stopExport(e *export) {
	s.mu.Lock()
	if s.exports[e.name] == e {
		delete(s.exports, e.name)
	}
	s.mu.Unlock()

	e.mu.Lock()
	e.stopped = true
	for c := range e.conns {
		c.drain()
	}
	e.mu.Unlock()
	e.ended.Wait()
}

// attach makes c a user of e until detach. It reports false if e has stopped.
func (e *export) attach(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.conns[c] = struct{}{}
	e.ended.Add(1)
	return true
}

func (e *export) detach(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	e.ended.Done()
}

func (s *Server) lookup(name string) *export {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exports[name]
}

// list returns the exports in the order of their names.
func (s *Server) list() []*export {
	s.mu.Lock()
	defer s.mu.Unlock()
	es := make([]*export, 0, len(s.exports))
	for _, e := range s.exports {
		es = append(es, e)
	}
	slices.SortFunc(es, func(a, b *export) int { return cmp.Compare(a.name, b.name) })
	return es
}

// Serve accepts connections from l until ctx ends or Close is called, then
// lets the requests of its connections end, disconnects them and returns nil.
// An error of l ends it as well and is returned. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := s.doneChan()
	stopListening := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-done:
		case <-stopListening:
		}
		l.Close()
	})
	err := s.accept(ctx, l, &wg)
	if s.isClosed() || ctx.Err() != nil {
		err = nil
	}
	close(stopListening)
	cancel()
	wg.Wait()
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener, wg *sync.WaitGroup) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			if !isTransient(err) || ctx.Err() != nil {
				return fmt.Errorf("accept NBD connection: %w", err)
			}
			s.log().Warn("accept NBD connection", "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		wg.Go(func() {
			if err := s.ServeConn(ctx, nc); err != nil {
				s.log().Warn("NBD connection", "remote", nc.RemoteAddr().String(), "err", err)
			}
		})
	}
}

// isTransient says that accepting may work again in a moment.
func isTransient(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ENOBUFS)
}

// ServeConn serves one client and closes nc. It returns nil when the client
// left in an orderly way, or was disconnected because ctx ended, its export
// stopped or the server was closed.
func (s *Server) ServeConn(ctx context.Context, nc net.Conn) error {
	c := &conn{srv: s, nc: nc}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer c.cancel()
	defer nc.Close()
	if err := s.add(c); err != nil {
		return err
	}
	defer s.remove(c)
	defer context.AfterFunc(ctx, c.drain)()
	return c.serve()
}

func (s *Server) add(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if limit := cmp.Or(s.MaxConns, 1024); len(s.conns) >= limit {
		return fmt.Errorf("nbd: more than %d connections", limit)
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.ended.Add(1)
	return nil
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.ended.Done()
}

// Close stops all exports, disconnects all clients after the requests they
// have sent so far have ended, and makes every Serve return. When it returns,
// no device call is running or will be made.
func (s *Server) Close() error {
	done := s.doneChan()
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(done)
	}
	s.exports = nil
	for c := range s.conns {
		c.drain()
	}
	s.mu.Unlock()
	s.ended.Wait()
	return nil
}

func (s *Server) doneChan() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
	}
	return s.done
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
