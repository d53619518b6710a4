package vnet_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"origami/internal/vnet"
)

var fuzzMAC = net.HardwareAddr{0x0a, 0, 0, 0, 0, 9}

// seeds are frames of every kind that a guest sends.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	own, peer := netip.MustParseAddrPort("10.7.0.9:1000"), netip.MustParseAddrPort("10.7.0.1:53")
	discover, err := dhcpv4.NewDiscovery(fuzzMAC)
	if err != nil {
		t.Fatal(err)
	}
	gateway := net.HardwareAddr{0xfe, 0, 10, 7, 0, 1}
	syn := udpFrame(fuzzMAC, gateway, own, netip.MustParseAddrPort("169.254.169.254:80"), make([]byte, 12))
	syn[14+9], syn[14+20+12], syn[14+20+13] = 6, 5<<4, 2
	fragment := udpFrame(fuzzMAC, gateway, own, peer, make([]byte, 8))
	fragment[14+6], fragment[14+7] = 0x20, 1
	return [][]byte{
		udpFrame(fuzzMAC, broadcast, netip.MustParseAddrPort("0.0.0.0:68"), netip.MustParseAddrPort("255.255.255.255:67"), discover.ToBytes()),
		udpFrame(fuzzMAC, gateway, own, peer, []byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")),
		arpFrame(header.ARPRequest, fuzzMAC, fuzzMAC, own.Addr(), peer.Addr()),
		arpFrame(header.ARPReply, fuzzMAC, fuzzMAC, own.Addr(), peer.Addr()),
		syn, fragment,
	}
}

// Frames come out of a stream as they were put in, whatever lengths it claims.
func FuzzReadFrames(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...))
	}
	f.Add([]byte{0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 14})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const limit = 1514
		frames, skipped, err := vnet.ReadFrames(bytes.NewReader(stream), limit)
		rest, n := stream, 0
		for _, got := range frames {
			for { // skip as the reader did
				n++
				size := int(binary.BigEndian.Uint32(rest))
				want := rest[4 : 4+size]
				rest = rest[4+size:]
				if size >= 14 && size <= limit {
					if !bytes.Equal(got, want) {
						t.Fatalf("frame is %x, want %x", got, want)
					}
					break
				}
			}
		}
		if n > len(frames)+skipped {
			t.Fatalf("%d frames skipped, want at least %d", skipped, n-len(frames))
		}
		if len(rest) >= 4 && binary.BigEndian.Uint32(rest) > vnet.MaxWireFrame {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				t.Fatalf("an impossible length was believed: %v", err)
			}
		}
	})
}

// What the parser says of a packet is what its bytes say, and nothing that a
// guest sends makes the network fail.
func FuzzFrame(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s)
	}
	n := newNetwork(f, func(c *vnet.Config) {
		c.Egress.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	})
	a, err := n.Attach(vnet.Port{MAC: fuzzMAC, IP: netip.MustParseAddr("10.7.0.9"), Socket: "/nowhere"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > 1514 {
			return // the reader has refused it
		}
		before := bytes.Clone(frame)
		p, payload, err := vnet.ParseIPv4(frame)
		if !bytes.Equal(frame, before) {
			t.Fatal("parsing changed the frame")
		}
		if err == nil && p != nil {
			h := header.IPv4(frame[14:])
			if !h.IsValid(len(h)) {
				t.Fatal("an invalid header was accepted")
			}
			if src := h.SourceAddress(); p.Src.Addr() != netip.AddrFrom4(src.As4()) {
				t.Fatalf("source is %v, want %v", p.Src, src)
			}
			if len(payload) > len(h.Payload()) {
				t.Fatal("payload is longer than the packet")
			}
		}
		a.Inject(before)
	})
}
