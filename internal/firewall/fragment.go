package firewall

import (
	"net/netip"
	"time"

	"origami/internal/vnet"
)

const (
	maxFragmented  = 64               // packets in pieces, at once, of one guest
	fragmentExpiry = 30 * time.Second // after the first fragment
)

// fragments remembers which packets in pieces may pass. Old ones are
// overwritten.
type fragments struct {
	recent [maxFragmented]fragmented
	next   int
	used   int
}

// fragmented is a packet whose first fragment passed.
type fragmented struct {
	dir      vnet.Direction
	protocol uint8
	id       uint16
	src, dst netip.Addr
	at       time.Duration
}

// pass lets the later fragments of a packet pass.
func (t *fragments) pass(dir vnet.Direction, p *vnet.Packet, now time.Duration) {
	t.recent[t.next] = fragmented{dir, p.Protocol, p.ID, p.Src.Addr(), p.Dst.Addr(), now}
	t.next = (t.next + 1) % maxFragmented
	t.used = min(t.used+1, maxFragmented)
}

// passed reports whether the first fragment of a packet passed.
func (t *fragments) passed(dir vnet.Direction, p *vnet.Packet, now time.Duration) bool {
	want := fragmented{dir, p.Protocol, p.ID, p.Src.Addr(), p.Dst.Addr(), 0}
	for _, f := range t.recent[:t.used] {
		fresh := now-f.at <= fragmentExpiry
		if f.at = 0; fresh && f == want {
			return true
		}
	}
	return false
}
