package nbd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/nbd"
)

func TestReadWrite(t *testing.T) {
	t.Parallel()
	for _, structured := range []bool{false, true} {
		t.Run(fmt.Sprintf("structured=%v", structured), func(t *testing.T) {
			t.Parallel()
			var srv nbd.Server
			dev := newMemory(1 << 20)
			export(t, &srv, "", dev, nbd.ExportOptions{})
			c := dial(t, start(t, &srv))
			if structured {
				c.structured("")
			}
			c.begin("")
			if c.size != 1<<20 {
				t.Fatalf("size %d, want %d", c.size, 1<<20)
			}
			model := make([]byte, 1<<20)
			rng := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				off := rng.IntN(len(model))
				n := rng.IntN(min(len(model)-off, 70<<10)) + 1
				if rng.IntN(2) == 0 {
					p := make([]byte, n)
					for i := range p {
						p[i] = byte(rng.Uint32())
					}
					copy(model[off:], p)
					if r := c.do(0, cmdWrite, uint64(off), uint32(n), p); r.errno != 0 {
						t.Fatalf("write: errno %d", r.errno)
					}
					continue
				}
				r := c.do(0, cmdRead, uint64(off), uint32(n), nil)
				if r.errno != 0 {
					t.Fatalf("read: errno %d", r.errno)
				}
				got := r.data
				if structured {
					if r.chunk != 1 || binary.BigEndian.Uint64(got) != uint64(off) {
						t.Fatalf("chunk type %d at %d, want 1 at %d", r.chunk, binary.BigEndian.Uint64(got), off)
					}
					got = got[8:]
				}
				if !bytes.Equal(got, model[off:off+n]) {
					t.Fatalf("read of %d at %d differs", n, off)
				}
			}
			if !bytes.Equal(dev.data, model) {
				t.Error("device differs from what was written")
			}
		})
	}
}

func TestFlushAndFUA(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(64 << 10)
	export(t, &srv, "", dev, nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).begin("")
	for i, do := range []func() result{
		func() result { return c.do(0, cmdFlush, 0, 0, nil) },
		func() result { return c.do(fua, cmdWrite, 0, 1, []byte{1}) },
		func() result { return c.do(fua, cmdTrim, 0, 4096, nil) },
		func() result { return c.do(fua, cmdZero, 0, 4096, nil) },
	} {
		if r := do(); r.errno != 0 {
			t.Errorf("step %d: errno %d", i, r.errno)
		}
		if dev.flushes != i+1 {
			t.Errorf("step %d: device was flushed %d times, want %d", i, dev.flushes, i+1)
		}
	}
}

func TestZeroAndTrim(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	tests := []struct {
		name     string
		plain    bool
		flags    uint16
		cmd      uint16
		errno    uint32
		wantUsed bool
	}{
		{"zero", false, 0, cmdZero, 0, false},
		{"zero fast", false, fastZero, cmdZero, 0, false},
		{"zero no hole", false, noHole, cmdZero, 0, true},
		{"zero fast no hole", false, noHole | fastZero, cmdZero, 95, true},
		{"zero plain", true, 0, cmdZero, 0, true},
		{"zero fast plain", true, fastZero, cmdZero, 22, true},
		{"trim", false, 0, cmdTrim, 0, false},
		{"trim plain", true, 0, cmdTrim, 22, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var srv nbd.Server
			dev := newMemory(size)
			before := bytes.Repeat([]byte{7}, size)
			dev.WriteAt(before, 0)
			var d nbd.Device = dev
			if tt.plain {
				d = plain{dev}
			}
			export(t, &srv, "", d, nbd.ExportOptions{})
			c := dial(t, start(t, &srv)).begin("")
			const off, n = 4096, size - 8192
			if r := c.do(tt.flags, tt.cmd, off, n, nil); r.errno != tt.errno {
				t.Fatalf("errno %d, want %d", r.errno, tt.errno)
			}
			want := bytes.Clone(before)
			if tt.errno == 0 {
				clear(want[off : off+n])
			}
			if !bytes.Equal(dev.data, want) {
				t.Error("device has other contents")
			}
			if dev.used[2] != tt.wantUsed {
				t.Errorf("space in use: %v, want %v", dev.used[2], tt.wantUsed)
			}
		})
	}
}

func TestBlockStatus(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(10 * memBlock)
	dev.WriteAt(make([]byte, 2*memBlock), memBlock)
	dev.WriteAt(make([]byte, memBlock), 5*memBlock)
	export(t, &srv, "", dev, nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).structured("").begin("")
	tests := []struct {
		flags  uint16
		off, n uint32
		want   []uint32 // length, flags
	}{
		{0, 0, 10 * memBlock, []uint32{memBlock, 3, 2 * memBlock, 0, 2 * memBlock, 3, memBlock, 0, 4 * memBlock, 3}},
		{0, memBlock + 512, 3 * memBlock, []uint32{2*memBlock - 512, 0, memBlock + 512, 3}},
		{reqOne, 0, 10 * memBlock, []uint32{memBlock, 3}},
		{reqOne, memBlock, 10, []uint32{10, 0}},
	}
	for _, tt := range tests {
		r := c.do(tt.flags, cmdStatus, uint64(tt.off), tt.n, nil)
		if r.errno != 0 || r.chunk != 5 {
			t.Errorf("status of %d at %d: errno %d, chunk type %d", tt.n, tt.off, r.errno, r.chunk)
			continue
		}
		got := make([]uint32, len(r.data)/4)
		binary.Read(bytes.NewReader(r.data), binary.BigEndian, got)
		if diff := cmp.Diff(append([]uint32{1}, tt.want...), got); diff != "" {
			t.Errorf("status of %d at %d (-want +got):\n%s", tt.n, tt.off, diff)
		}
	}
}

// TestRefused sends requests that must be answered with an error, and after
// each checks that the connection still works.
func TestRefused(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	tests := []struct {
		name     string
		readOnly bool
		flags    uint16
		cmd      uint16
		off      uint64
		n        uint32
		errno    uint32
	}{
		{"read behind the end", false, 0, cmdRead, size, 1, 22},
		{"read across the end", false, 0, cmdRead, size - 1, 2, 22},
		{"read with offset overflow", false, 0, cmdRead, 1<<64 - 1, 2, 22},
		{"write across the end", false, 0, cmdWrite, size - 1, 2, 28},
		{"zero across the end", false, 0, cmdZero, size - 1, 2, 28},
		{"trim across the end", false, 0, cmdTrim, size - 1, 2, 22},
		{"status across the end", false, 0, cmdStatus, size - 1, 2, 22},
		{"status of nothing", false, 0, cmdStatus, 0, 0, 22},
		{"flush of a range", false, 0, cmdFlush, 0, 1, 22},
		{"read with unknown flag", false, 1 << 9, cmdRead, 0, 1, 22},
		{"write with flag of another command", false, reqOne, cmdWrite, 0, 1, 22},
		{"unknown command", false, 0, 99, 0, 0, 22},
		{"cache", false, 0, 5, 0, 1, 22},
		{"write read-only", true, 0, cmdWrite, 0, 512, 1},
		{"write large read-only", true, 0, cmdWrite, 0, 1 << 20, 1},
		{"trim read-only", true, 0, cmdTrim, 0, 512, 1},
		{"zero read-only", true, 0, cmdZero, 0, 512, 1},
	}
	for _, tt := range tests {
		for _, structured := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/structured=%v", tt.name, structured), func(t *testing.T) {
				t.Parallel()
				var srv nbd.Server
				dev := newMemory(size)
				export(t, &srv, "", dev, nbd.ExportOptions{ReadOnly: tt.readOnly})
				c := dial(t, start(t, &srv))
				if structured {
					c.structured("")
				}
				c.begin("")
				var payload []byte
				if tt.cmd == cmdWrite {
					payload = bytes.Repeat([]byte{1}, int(tt.n))
				}
				if r := c.do(tt.flags, tt.cmd, tt.off, tt.n, payload); r.errno != tt.errno {
					t.Errorf("errno %d, want %d", r.errno, tt.errno)
				}
				if slices.Contains(dev.used, true) {
					t.Error("the device was written")
				}
				if r := c.do(0, cmdFlush, 0, 0, nil); r.errno != 0 {
					t.Errorf("flush afterwards: errno %d", r.errno)
				}
			})
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "", hugeDevice{}, nbd.ExportOptions{})
	path := start(t, &srv)
	c := dial(t, path).begin("")
	if r := c.do(0, cmdRead, 0, nbd.MaxRequest+1, nil); r.errno != 75 {
		t.Errorf("read: errno %d, want EOVERFLOW", r.errno)
	}
	if r := c.do(0, cmdWrite, 0, nbd.MaxRequest+1, make([]byte, nbd.MaxRequest+1)); r.errno != 75 {
		t.Errorf("write: errno %d, want EOVERFLOW", r.errno)
	}
	if r := c.do(0, cmdRead, 0, nbd.MaxRequest, nil); r.errno != 0 {
		t.Errorf("read of the largest size: errno %d", r.errno)
	}
	if r := c.do(0, cmdWrite, 0, nbd.MaxRequest, make([]byte, nbd.MaxRequest)); r.errno != 0 {
		t.Errorf("write of the largest size: errno %d", r.errno)
	}
	c.send(request(0, cmdWrite, 1, 0, 1<<31))
	c.expectEnd()
}

// hugeDevice is a disk of 64 TiB of zeros that forgets writes.
type hugeDevice struct{}

func (hugeDevice) ReadAt(p []byte, _ int64) (int, error)  { clear(p); return len(p), nil }
func (hugeDevice) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (hugeDevice) Size() int64                            { return 64 << 40 }
func (hugeDevice) Flush() error                           { return nil }

func TestEmptyRequests(t *testing.T) {
	t.Parallel()
	for _, structured := range []bool{false, true} {
		var srv nbd.Server
		export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
		c := dial(t, start(t, &srv))
		if structured {
			c.structured("")
		}
		c.begin("")
		for _, cmd := range []uint16{cmdRead, cmdWrite, cmdTrim, cmdZero} {
			if r := c.do(0, cmd, 4096, 0, nil); r.errno != 0 || len(r.data) != 0 {
				t.Errorf("command %d: errno %d, %d bytes", cmd, r.errno, len(r.data))
			}
		}
	}
}

func TestDeviceErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want uint32
	}{
		{errors.New("disk on fire"), 5},
		{fmt.Errorf("write layer: %w", syscall.ENOSPC), 28},
		{syscall.EDQUOT, 28},
		{syscall.EFBIG, 28},
		{syscall.EROFS, 1},
		{syscall.EACCES, 1},
		{syscall.ENOMEM, 12},
		{syscall.EINVAL, 22},
		{syscall.EOPNOTSUPP, 95},
	}
	for _, tt := range tests {
		t.Run(tt.err.Error(), func(t *testing.T) {
			t.Parallel()
			var srv nbd.Server
			dev := newMemory(8192)
			dev.fail = tt.err
			export(t, &srv, "", dev, nbd.ExportOptions{})
			c := dial(t, start(t, &srv)).structured("").begin("")
			for _, cmd := range []uint16{cmdRead, cmdWrite, cmdTrim, cmdZero, cmdStatus, cmdFlush} {
				n, payload := uint32(4096), []byte(nil)
				switch cmd {
				case cmdFlush:
					n = 0
				case cmdWrite:
					payload = make([]byte, n)
				}
				if r := c.do(0, cmd, 0, n, payload); r.errno != tt.want {
					t.Errorf("command %d: errno %d, want %d", cmd, r.errno, tt.want)
				}
			}
		})
	}
}

// TestOutOfOrder checks that a slow request does not hold up others.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(8192)
	dev.gate = make(chan struct{})
	export(t, &srv, "", dev, nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).begin("")
	c.send(request(0, cmdRead, 1, 0, 10), request(0, cmdFlush, 2, 0, 0))
	if r := c.reply(0); r.cookie != 2 {
		t.Errorf("first reply is for %d, want 2", r.cookie)
	}
	close(dev.gate)
	if r := c.reply(10); r.cookie != 1 {
		t.Errorf("second reply is for %d, want 1", r.cookie)
	}
}

// TestInFlightBound sends more reads than may run at once to a device that
// answers none, and counts how many arrive.
func TestInFlightBound(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	dev := newMemory(8192)
	dev.gate = make(chan struct{})
	dev.entered = make(chan struct{}, 1000)
	export(t, &srv, "", dev, nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).begin("")
	const total = 3 * nbd.MaxInFlight
	for i := range uint64(total) {
		c.send(request(0, cmdRead, i, 0, 1))
	}
	for range nbd.MaxInFlight {
		<-dev.entered
	}
	if n := len(dev.entered); n != 0 {
		t.Errorf("%d requests above the bound entered the device", n)
	}
	close(dev.gate)
	seen := make(map[uint64]bool)
	for range total {
		seen[c.reply(1).cookie] = true
	}
	if len(seen) != total {
		t.Errorf("%d of %d requests answered", len(seen), total)
	}
}

func TestManyConnections(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	const conns, block = 40, 4096
	dev := newMemory(conns * block)
	export(t, &srv, "", dev, nbd.ExportOptions{})
	path := start(t, &srv)
	var wg sync.WaitGroup
	for i := range conns {
		c := dial(t, path)
		wg.Go(func() {
			// Handshake and commands must not call t.Fatal here.
			if err := hammer(c.nc, uint64(i*block), byte(i+1)); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range conns {
		if want := bytes.Repeat([]byte{byte(i + 1)}, block); !bytes.Equal(dev.data[i*block:][:block], want) {
			t.Errorf("block of connection %d has other contents", i)
		}
	}
}

// hammer begins transmission after the greeting, and writes and reads one
// block many times.
func hammer(nc net.Conn, off uint64, fill byte) error {
	if _, err := nc.Write(encode(optMagic, uint32(optExportName), uint32(0))); err != nil {
		return err
	}
	if _, err := readFull(nc, 10); err != nil {
		return err
	}
	data := bytes.Repeat([]byte{fill}, 4096)
	for i := range uint64(50) {
		nc.Write(append(request(0, cmdWrite, i, off, 4096), data...))
		if r, err := readReply(nc, 0); err != nil || r.errno != 0 || r.cookie != i {
			return fmt.Errorf("write: %+v, %w", r, err)
		}
		nc.Write(request(0, cmdRead, i, off, 4096))
		r, err := readReply(nc, 4096)
		if err != nil || r.errno != 0 || !bytes.Equal(r.data, data) {
			return fmt.Errorf("read: errno %d, %w", r.errno, err)
		}
	}
	_, err := nc.Write(request(0, cmdDisc, 0, 0, 0))
	return err
}
