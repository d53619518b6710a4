package nbd_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"origami/internal/sockettest"
	"origami/nbd"
)

// memory is a device in memory with every optional ability. Blocks of 4 KiB
// that were never written, or were zeroed or trimmed, are holes.
type memory struct {
	mu      sync.Mutex
	data    []byte
	used    []bool
	flushes int
	fail    error         // of every call, if set
	gate    chan struct{} // if set, reads wait for it
	entered chan struct{} // if set, receives one value for each read
	calls   int           // running now
}

const memBlock = 4096

func newMemory(size int) *memory {
	return &memory{data: make([]byte, size), used: make([]bool, (size+memBlock-1)/memBlock)}
}

func (m *memory) Size() int64 { return int64(len(m.data)) }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	m.calls++
	gate, entered := m.gate, m.entered
	m.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls--
	if m.fail != nil {
		return 0, m.fail
	}
	n := copy(p, m.data[off:])
	if off+int64(n) == m.Size() {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	for i := off / memBlock; i*memBlock < off+int64(len(p)); i++ {
		m.used[i] = true
	}
	return copy(m.data[off:], p), nil
}

func (m *memory) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flushes++
	return m.fail
}

func (m *memory) WriteZeroes(off, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.data[off : off+n])
	for i := (off + memBlock - 1) / memBlock; (i+1)*memBlock <= off+n; i++ {
		m.used[i] = false
	}
	return m.fail
}

func (m *memory) Trim(off, n int64) error { return m.WriteZeroes(off, n) }

func (m *memory) Allocation(_ context.Context, off, n int64, each func(int64, bool) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for at := off; at < off+n; {
		end := min((at/memBlock+1)*memBlock, m.Size())
		if !each(end-at, !m.used[at/memBlock]) {
			return nil
		}
		at = end
	}
	return nil
}

// plain hides the optional abilities of a device.
type plain struct{ d nbd.Device }

func (p plain) ReadAt(b []byte, off int64) (int, error)  { return p.d.ReadAt(b, off) }
func (p plain) WriteAt(b []byte, off int64) (int, error) { return p.d.WriteAt(b, off) }
func (p plain) Size() int64                              { return p.d.Size() }
func (p plain) Flush() error                             { return p.d.Flush() }

var (
	_ nbd.Device   = (*memory)(nil)
	_ nbd.Trimmer  = (*memory)(nil)
	_ nbd.Zeroer   = (*memory)(nil)
	_ nbd.Extenter = (*memory)(nil)
)

// socketPath makes a short name for a socket, unlike those below t.TempDir.
func socketPath(t testing.TB) string {
	t.Helper()
	dir := sockettest.Dir(t)
	return filepath.Join(dir, "s")
}

// start serves on a UNIX socket until the test ends, and returns its path.
func start(t testing.TB, srv *nbd.Server) string {
	t.Helper()
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(t.Context(), l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

func export(t testing.TB, srv *nbd.Server, name string, dev nbd.Device, opts nbd.ExportOptions) (stop func()) {
	t.Helper()
	stop, err := srv.Export(name, dev, opts)
	if err != nil {
		t.Fatal(err)
	}
	return stop
}

// client is a small NBD client. Its methods fail the test on anything that
// breaks the protocol.
type client struct {
	t    testing.TB
	nc   net.Conn
	size uint64
	flag uint16
}

func dial(t testing.TB, path string) *client {
	t.Helper()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	c := &client{t: t, nc: nc}
	c.greet()
	return c
}

func (c *client) greet() {
	c.t.Helper()
	hello := c.recv(18)
	if !bytes.Equal(hello, []byte("NBDMAGICIHAVEOPT\x00\x03")) {
		c.t.Fatalf("greeting %q", hello)
	}
	c.send(uint32(3))
}

// send writes integers big-endian, and strings and bytes as they are.
func (c *client) send(parts ...any) {
	c.t.Helper()
	if _, err := c.nc.Write(encode(parts...)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func encode(parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		if s, ok := p.(string); ok {
			p = []byte(s)
		}
		if err := binary.Write(&b, binary.BigEndian, p); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func (c *client) recv(n int) []byte {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c.nc, b); err != nil {
		c.t.Fatalf("receive %d bytes: %v", n, err)
	}
	return b
}

func (c *client) expectEnd() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.nc); n != 0 {
		c.t.Errorf("got %d bytes (%v), want the end of the connection", n, err)
	}
}

const optMagic = uint64(0x49484156454f5054)

func (c *client) sendOption(opt uint32, parts ...any) {
	c.t.Helper()
	data := encode(parts...)
	c.send(optMagic, opt, uint32(len(data)), data)
}

type optReply struct {
	typ  uint32
	data []byte
}

// option sends an option and returns the replies, up to and with the last.
func (c *client) option(opt uint32, parts ...any) []optReply {
	c.t.Helper()
	c.sendOption(opt, parts...)
	return c.optionReplies(opt)
}

func (c *client) optionReplies(opt uint32) []optReply {
	c.t.Helper()
	var rs []optReply
	for {
		h := c.recv(20)
		if m := binary.BigEndian.Uint64(h); m != 0x3e889045565a9 {
			c.t.Fatalf("option reply magic %#x", m)
		}
		if got := binary.BigEndian.Uint32(h[8:]); got != opt {
			c.t.Fatalf("reply to option %d, want %d", got, opt)
		}
		r := optReply{typ: binary.BigEndian.Uint32(h[12:])}
		r.data = c.recv(int(binary.BigEndian.Uint32(h[16:])))
		rs = append(rs, r)
		if r.typ == repAck || r.typ&(1<<31) != 0 {
			return rs
		}
	}
}

const (
	optExportName, optAbort, optList, optStartTLS, optInfo, optGo = 1, 2, 3, 5, 6, 7

	optStructured, optListMeta, optSetMeta = 8, 9, 10

	repAck, repServer, repInfo, repMeta = 1, 2, 3, 4

	repUnsup, repInvalid, repUnknown, repTooBig = 1<<31 + 1, 1<<31 + 3, 1<<31 + 6, 1<<31 + 9
)

func (c *client) wantAck(rs []optReply) {
	c.t.Helper()
	if last := rs[len(rs)-1]; last.typ != repAck {
		c.t.Fatalf("option reply %#x, want ACK", last.typ)
	}
}

// begin enters transmission with GO.
func (c *client) begin(name string) *client {
	c.t.Helper()
	rs := c.option(optGo, uint32(len(name)), name, uint16(0))
	c.wantAck(rs)
	c.size = binary.BigEndian.Uint64(rs[0].data[2:])
	c.flag = binary.BigEndian.Uint16(rs[0].data[10:])
	return c
}

// structured negotiates structured replies and base:allocation.
func (c *client) structured(name string) *client {
	c.t.Helper()
	c.wantAck(c.option(optStructured))
	c.wantAck(c.option(optSetMeta, uint32(len(name)), name, uint32(1), uint32(15), "base:allocation"))
	return c
}

const (
	cmdRead, cmdWrite, cmdDisc, cmdFlush, cmdTrim, cmdZero, cmdStatus = 0, 1, 2, 3, 4, 6, 7

	fua, noHole, df, reqOne, fastZero = 1, 2, 4, 8, 16
)

func request(flags, cmd uint16, cookie, off uint64, n uint32) []byte {
	return encode(uint32(0x25609513), flags, cmd, cookie, off, n)
}

// result is the answer to one command.
type result struct {
	cookie uint64
	errno  uint32
	chunk  uint16 // type, of a structured reply
	data   []byte
}

// reply receives one answer; readLen is the length of the data of a simple
// reply.
func (c *client) reply(readLen int) result {
	c.t.Helper()
	r, err := readReply(c.nc, readLen)
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func readReply(nc io.Reader, readLen int) (r result, err error) {
	h := make([]byte, 16)
	if _, err := io.ReadFull(nc, h); err != nil {
		return r, err
	}
	r.cookie = binary.BigEndian.Uint64(h[8:])
	switch m := binary.BigEndian.Uint32(h); m {
	case 0x67446698:
		r.errno = binary.BigEndian.Uint32(h[4:])
		if r.errno == 0 {
			r.data = make([]byte, readLen)
			_, err = io.ReadFull(nc, r.data)
		}
		return r, err
	case 0x668e33ef:
	default:
		return r, fmt.Errorf("reply magic %#x", m)
	}
	if f := binary.BigEndian.Uint16(h[4:]); f != 1 {
		return r, fmt.Errorf("chunk flags %#x, want DONE", f)
	}
	r.chunk = binary.BigEndian.Uint16(h[6:])
	var n [4]byte
	if _, err := io.ReadFull(nc, n[:]); err != nil {
		return r, err
	}
	r.data = make([]byte, binary.BigEndian.Uint32(n[:]))
	if _, err := io.ReadFull(nc, r.data); err != nil {
		return r, err
	}
	if r.chunk&(1<<15) != 0 {
		r.errno = binary.BigEndian.Uint32(r.data)
	}
	return r, nil
}

// do runs one command to its end.
func (c *client) do(flags, cmd uint16, off uint64, n uint32, payload []byte) result {
	c.t.Helper()
	c.send(request(flags, cmd, 42+off, off, n), payload)
	want := 0
	if cmd == cmdRead {
		want = int(n)
	}
	r := c.reply(want)
	if r.cookie != 42+off {
		c.t.Fatalf("cookie %d, want %d", r.cookie, 42+off)
	}
	return r
}
