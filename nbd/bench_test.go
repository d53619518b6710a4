package nbd_test

import (
	"testing"

	"origami/nbd"
)

// benchmark keeps depth requests in flight on one connection.
func benchmark(b *testing.B, cmd uint16, n uint32, depth int) {
	var srv nbd.Server
	const size = 64 << 20
	export(b, &srv, "", newMemory(size), nbd.ExportOptions{})
	c := dial(b, start(b, &srv)).begin("")
	var payload []byte
	want := 0
	if cmd == cmdWrite {
		payload = make([]byte, n)
	} else {
		want = int(n)
	}
	sent := uint64(0)
	send := func() {
		c.send(request(0, cmd, sent, sent*7919*uint64(n)%size, n), payload)
		sent++
	}
	for range depth {
		send()
	}
	b.SetBytes(int64(n))
	for b.Loop() {
		c.reply(want)
		send()
	}
	for range depth {
		c.reply(want)
	}
}

func BenchmarkRead4K(b *testing.B)   { benchmark(b, cmdRead, 4<<10, 16) }
func BenchmarkWrite4K(b *testing.B)  { benchmark(b, cmdWrite, 4<<10, 16) }
func BenchmarkRead256K(b *testing.B) { benchmark(b, cmdRead, 256<<10, 8) }
func BenchmarkFlush(b *testing.B)    { benchmark(b, cmdFlush, 0, 1) }
