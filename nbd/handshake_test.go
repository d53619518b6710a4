package nbd_test

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami/nbd"
)

func readFull(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func TestOptions(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "vol-a", newMemory(4096), nbd.ExportOptions{Description: "the first"})
	export(t, &srv, "vol-b", plain{newMemory(8192)}, nbd.ExportOptions{ReadOnly: true})
	path := start(t, &srv)
	const allocation = "base:allocation"
	goTo := func(name string, infos ...uint16) []any {
		return []any{uint32(len(name)), name, uint16(len(infos)), infos}
	}
	meta := func(name string, queries ...string) []any {
		parts := []any{uint32(len(name)), name, uint32(len(queries))}
		for _, q := range queries {
			parts = append(parts, uint32(len(q)), q)
		}
		return parts
	}
	ok := optReply{repAck, []byte{}}
	fail := func(typ uint32) optReply { return optReply{typ, []byte{}} }
	const flagsA, flagsB = 0x1 | 0x4 | 0x8 | 0x20 | 0x40 | 0x100 | 0x800, 0x1 | 0x2 | 0x4 | 0x8 | 0x100
	tests := []struct {
		name       string
		structured bool
		opt        uint32
		data       []any
		want       []optReply
	}{
		{"list", false, optList, nil, []optReply{
			{repServer, encode(uint32(5), "vol-athe first")}, {repServer, encode(uint32(5), "vol-b")}, ok}},
		{"list with data", false, optList, []any{uint8(0)}, []optReply{fail(repInvalid)}},
		{"abort", false, optAbort, nil, []optReply{ok}},
		{"start tls", false, optStartTLS, nil, []optReply{fail(repUnsup)}},
		{"unknown", false, 4711, []any{"whatever"}, []optReply{fail(repUnsup)}},
		{"too big", false, optInfo, []any{make([]byte, 65<<10)}, []optReply{fail(repTooBig)}},
		{"structured with data", false, optStructured, []any{uint8(0)}, []optReply{fail(repInvalid)}},
		{"info", false, optInfo, goTo("vol-a"), []optReply{
			{repInfo, encode(uint16(0), uint64(4096), uint16(flagsA))}, ok}},
		{"info structured", true, optInfo, goTo("vol-a"), []optReply{
			{repInfo, encode(uint16(0), uint64(4096), uint16(flagsA|0x80))}, ok}},
		{"info read-only", false, optInfo, goTo("vol-b"), []optReply{
			{repInfo, encode(uint16(0), uint64(8192), uint16(flagsB))}, ok}},
		{"info all", false, optInfo, goTo("vol-a", 0, 1, 2, 3, 77), []optReply{
			{repInfo, encode(uint16(0), uint64(4096), uint16(flagsA))},
			{repInfo, encode(uint16(1), "vol-a")},
			{repInfo, encode(uint16(2), "the first")},
			{repInfo, encode(uint16(3), uint32(1), uint32(4096), uint32(nbd.MaxRequest))}, ok}},
		{"info unknown export", false, optInfo, goTo("vol-c"), []optReply{fail(repUnknown)}},
		{"go unknown export", false, optGo, goTo(""), []optReply{fail(repUnknown)}},
		{"info long name", false, optInfo, []any{uint32(1 << 31), "vol-a", uint16(0)}, []optReply{fail(repInvalid)}},
		{"info empty", false, optInfo, nil, []optReply{fail(repInvalid)}},
		{"info missing count", false, optInfo, []any{uint32(5), "vol-a"}, []optReply{fail(repInvalid)}},
		{"info short list", false, optInfo, []any{uint32(5), "vol-a", uint16(2), uint16(0)}, []optReply{fail(repInvalid)}},
		{"info long list", false, optInfo, []any{uint32(5), "vol-a", uint16(0), uint16(0)}, []optReply{fail(repInvalid)}},
		{"set context", true, optSetMeta, meta("vol-a", "x:y", allocation), []optReply{
			{repMeta, encode(uint32(1), allocation)}, ok}},
		{"set no context", true, optSetMeta, meta("vol-a"), []optReply{ok}},
		{"set namespace", true, optSetMeta, meta("vol-a", "base:"), []optReply{ok}},
		{"set context of plain device", true, optSetMeta, meta("vol-b", allocation), []optReply{ok}},
		{"set context of unknown export", true, optSetMeta, meta("vol-c", allocation), []optReply{fail(repUnknown)}},
		{"set context unstructured", false, optSetMeta, meta("vol-a", allocation), []optReply{fail(repInvalid)}},
		{"set context, query too long", true, optSetMeta, []any{uint32(5), "vol-a", uint32(1), uint32(99), "b"}, []optReply{fail(repInvalid)}},
		{"set context, too many queries", true, optSetMeta, []any{uint32(5), "vol-a", uint32(1 << 31)}, []optReply{fail(repInvalid)}},
		{"set context, data left", true, optSetMeta, []any{uint32(5), "vol-a", uint32(0), uint32(0)}, []optReply{fail(repInvalid)}},
		{"list contexts", true, optListMeta, meta("vol-a"), []optReply{
			{repMeta, encode(uint32(0), allocation)}, ok}},
		{"list namespace", true, optListMeta, meta("vol-a", "base:"), []optReply{
			{repMeta, encode(uint32(0), allocation)}, ok}},
		{"list other namespace", true, optListMeta, meta("vol-a", "qemu:"), []optReply{ok}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, path)
			if tt.structured {
				c.wantAck(c.option(optStructured))
			}
			got := c.option(tt.opt, tt.data...)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(optReply{})); diff != "" {
				t.Fatalf("replies (-want +got):\n%s", diff)
			}
			if tt.opt == optAbort {
				c.expectEnd()
				return
			}
			c.begin("vol-a") // whatever happened, the client may go on
		})
	}
}

func TestExportName(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "vol", newMemory(4096), nbd.ExportOptions{})
	path := start(t, &srv)
	t.Run("no zeroes", func(t *testing.T) {
		c := dial(t, path)
		c.sendOption(optExportName, "vol")
		if got := binary.BigEndian.Uint64(c.recv(10)); got != 4096 {
			t.Errorf("size %d, want 4096", got)
		}
		c.do(0, cmdFlush, 0, 0, nil)
	})
	t.Run("zeroes", func(t *testing.T) {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := &client{t: t, nc: nc}
		c.recv(18)
		c.send(uint32(1))
		c.sendOption(optExportName, "vol")
		c.recv(134)
		c.do(0, cmdFlush, 0, 0, nil)
	})
	t.Run("unknown", func(t *testing.T) {
		c := dial(t, path)
		c.sendOption(optExportName, "nope")
		c.expectEnd()
	})
}

// TestContextOfOtherExport checks that a context negotiated for one export is
// not used for another.
func TestContextOfOtherExport(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	export(t, &srv, "a", newMemory(4096), nbd.ExportOptions{})
	export(t, &srv, "b", newMemory(4096), nbd.ExportOptions{})
	c := dial(t, start(t, &srv)).structured("a").begin("b")
	if r := c.do(0, cmdStatus, 0, 4096, nil); r.errno != 22 {
		t.Errorf("errno %d, want EINVAL", r.errno)
	}
}

// TestHostileHandshake sends what no honest client sends. The server must
// disconnect, and say why in its log.
func TestHostileHandshake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		send []byte
	}{
		{"unknown client flags", encode(uint32(0x80000003))},
		{"not fixed newstyle", encode(uint32(2))},
		{"bad option magic", encode(uint32(3), uint64(1), uint64(0))},
		{"huge option", encode(uint32(3), optMagic, uint32(optGo), uint32(1<<32-1))},
		{"huge export name", encode(uint32(3), optMagic, uint32(optExportName), uint32(1<<20))},
		{"endless options", append(encode(uint32(3)), []byte(strings.Repeat(string(encode(optMagic, uint32(99), uint32(0))), 200))...)},
		{"bad request magic", encode(uint32(3), optMagic, uint32(optExportName), uint32(0), make([]byte, 28))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			logged := make(chan string, 10)
			srv := nbd.Server{Log: slog.New(slog.NewTextHandler(chanWriter(logged), nil))}
			export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
			nc, err := net.Dial("unix", start(t, &srv))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			go nc.Write(tt.send)
			io.Copy(io.Discard, nc) // until the server hangs up
			if line := <-logged; !strings.Contains(line, nbd.ErrProtocol.Error()) {
				t.Errorf("log %q does not tell of a violation", line)
			}
		})
	}
}

type chanWriter chan string

func (c chanWriter) Write(p []byte) (int, error) { c <- string(p); return len(p), nil }

func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := nbd.Server{HandshakeTimeout: 7 * time.Second}
		export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
		begin := time.Now()
		a, b := net.Pipe()
		go io.Copy(io.Discard, a) // listens, but never says a word
		if err := srv.ServeConn(t.Context(), b); err == nil {
			t.Error("silent client ended without an error")
		}
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("disconnected after %v, want 7s", took)
		}
		srv.Close()
	})
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	srv := nbd.Server{MaxConns: 1}
	export(t, &srv, "", newMemory(4096), nbd.ExportOptions{})
	path := start(t, &srv)
	c := dial(t, path).begin("")
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if n, _ := io.Copy(io.Discard, nc); n != 0 {
		t.Errorf("connection above the limit got %d bytes", n)
	}
	c.do(0, cmdFlush, 0, 0, nil)
}

func TestExportErrors(t *testing.T) {
	t.Parallel()
	var srv nbd.Server
	stop := export(t, &srv, "a", newMemory(4096), nbd.ExportOptions{})
	if _, err := srv.Export("a", newMemory(4096), nbd.ExportOptions{}); !errors.Is(err, nbd.ErrExists) {
		t.Errorf("same name: %v, want ErrExists", err)
	}
	stop()
	again := export(t, &srv, "a", newMemory(4096), nbd.ExportOptions{})
	stop() // of the first: must not stop the second
	if _, err := srv.Export("a", newMemory(4096), nbd.ExportOptions{}); !errors.Is(err, nbd.ErrExists) {
		t.Errorf("after stopping a former export twice: %v, want ErrExists", err)
	}
	again()
	if _, err := srv.Export(strings.Repeat("x", nbd.MaxName+1), newMemory(1), nbd.ExportOptions{}); err == nil {
		t.Error("long name accepted")
	}
	srv.Close()
	if _, err := srv.Export("b", newMemory(4096), nbd.ExportOptions{}); !errors.Is(err, nbd.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}
