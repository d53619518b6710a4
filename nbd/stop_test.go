package nbd_test

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"origami/nbd"
)

// TestStopWaits checks that stop returns only after the request that is in the
// device has ended, that its reply still arrives, and that the client is then
// disconnected, while clients of other exports stay.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(8192)
	dev.gate, dev.entered = make(chan struct{}), make(chan struct{}, 1)
	stop := export(t, &srv, "a", dev, nbd.ExportOptions{})
	export(t, &srv, "b", newMemory(4096), nbd.ExportOptions{})
	path := start(t, &srv)
	other := dial(t, path).begin("b")
	c := dial(t, path).begin("a")
	c.send(request(0, cmdRead, 5, 0, 100))
	<-dev.entered

	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	// The export is withdrawn at once.
	for len(dial(t, path).option(optInfo, uint32(1), "a", uint16(0))) != 1 {
	}
	select {
	case <-stopped:
		t.Fatal("stop returned while a request was in the device")
	default:
	}
	close(dev.gate)
	<-stopped
	if r := c.reply(100); r.cookie != 5 || r.errno != 0 {
		t.Errorf("reply %d, errno %d; want 5, 0", r.cookie, r.errno)
	}
	c.expectEnd()
	other.do(0, cmdFlush, 0, 0, nil)
}

// strict fails the test when it is called after it was closed.
type strict struct {
	nbd.Device
	t      *testing.T
	closed atomic.Bool
	calls  atomic.Int64
}

func (s *strict) ReadAt(p []byte, off int64) (int, error) {
	s.calls.Add(1)
	if s.closed.Load() {
		s.t.Error("device read after stop")
	}
	return s.Device.ReadAt(p, off)
}

func TestStopDuringLoad(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	path := start(t, &srv)
	for range 20 {
		dev := &strict{Device: newMemory(1 << 20), t: t}
		stop := export(t, &srv, "", dev, nbd.ExportOptions{})
		var wg sync.WaitGroup
		for range 4 {
			c := dial(t, path).begin("")
			wg.Go(func() {
				defer c.nc.Close()
				go func() {
					for i := range uint64(10000) {
						if _, err := c.nc.Write(request(0, cmdRead, i, 0, 4096)); err != nil {
							return
						}
					}
				}()
				for {
					if _, err := readReply(c.nc, 4096); err != nil {
						return
					}
				}
			})
		}
		for dev.calls.Load() < 50 {
			runtime.Gosched()
		}
		stop()
		dev.closed.Store(true)
		wg.Wait()
	}
}

// TestDisconnect cuts the connection at every byte of a session, and checks
// that the server lets go of the export each time.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	path := start(t, &srv)
	session := append(encode(uint32(3), optMagic, uint32(optGo), uint32(6), uint32(0), uint16(0)),
		append(request(0, cmdWrite, 1, 0, 64), append(make([]byte, 64), request(0, cmdRead, 2, 0, 64)...)...)...)
	for cut := range len(session) {
		stop := export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write(session[:cut]); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		stop()
	}
}

// TestDeafClient checks that a client that does not read its replies cannot
// hold up stop for longer than DrainTimeout.
func TestDeafClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := nbd.Server{DrainTimeout: 3 * time.Second}
		stop := export(t, &srv, "", newMemory(1<<20), nbd.ExportOptions{})
		a, b := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- srv.ServeConn(t.Context(), b) }()
		c := &client{t: t, nc: a}
		c.greet()
		c.begin("")
		for i := range uint64(10) {
			c.send(request(0, cmdRead, i, 0, 1<<20))
		}
		begin := time.Now()
		stop()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("stop took %v, want 3s", took)
		}
		if err := <-served; err != nil {
			t.Errorf("ServeConn: %v", err)
		}
		a.Close()
	})
}

func TestServeEndsWithContext(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
	l, err := net.Listen("unix", socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()
	c := dial(t, l.Addr().String()).begin("")
	idle := dial(t, l.Addr().String())
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	c.expectEnd()
	idle.expectEnd()
	srv.Close()
}

func TestServeReportsListenerError(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var srv nbd.Server
	if err := srv.Serve(t.Context(), l); err == nil {
		t.Error("no error from a closed listener")
	}
	srv.Close()
	if err := srv.ServeConn(t.Context(), nopConn{}); err != nbd.ErrClosed {
		t.Errorf("ServeConn after Close: %v, want ErrClosed", err)
	}
}

type nopConn struct{ net.Conn }

func (nopConn) Close() error { return nil }

// TestHalfClosed checks that what a client asked before it shut down its
// sending side is still answered.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "", newMemory(1<<20), nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).begin("")
	for i := range uint64(30) {
		c.send(request(0, cmdRead, i, 0, 100<<10))
	}
	c.nc.(*net.UnixConn).CloseWrite()
	for range 30 {
		c.reply(100 << 10)
	}
	if _, err := readReply(c.nc, 0); err != io.EOF {
		t.Errorf("after the replies: %v, want EOF", err)
	}
}
