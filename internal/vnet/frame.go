package vnet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	prefixSize = 4 // the big-endian length that precedes each frame on the socket
	// maxWireFrame is the longest frame that QEMU's stream netdev can send.
	// A longer length means that the stream is out of step.
	maxWireFrame = 4096 + 65536
)

// mac is a hardware address that can be compared and used as a map key.
type mac [6]byte

var broadcastMAC = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func (m mac) String() string { return net.HardwareAddr(m[:]).String() }

// wire is one Ethernet frame with its length prefix, as it travels on the
// socket. Keeping the two together lets a frame pass from one guest to the
// next without being copied. Who receives a wire owns it.
type wire []byte

// newWire returns an uninitialised frame of n bytes with its prefix set.
func newWire(n int) wire {
	w := make(wire, prefixSize+n)
	binary.BigEndian.PutUint32(w, uint32(n))
	return w
}

func (w wire) frame() []byte { return w[prefixSize:] }

// readWire reads the next frame of at most max bytes. Frames that are too short
// to be Ethernet or longer than max are skipped, and counted by calling
// skipped. An error means that the stream cannot be read any further.
func readWire(r *bufio.Reader, max int, skipped func()) (wire, error) {
	for {
		var prefix [prefixSize]byte
		if _, err := io.ReadFull(r, prefix[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(prefix[:])
		if n > maxWireFrame {
			return nil, fmt.Errorf("frame of %d bytes is longer than any frame can be", n)
		}
		if n < header.EthernetMinimumSize || int(n) > max {
			if _, err := r.Discard(int(n)); err != nil {
				return nil, err
			}
			skipped()
			continue
		}
		w := newWire(int(n))
		if _, err := io.ReadFull(r, w.frame()); err != nil {
			return nil, err
		}
		return w, nil
	}
}

// Protocol numbers of [Packet].
const (
	ICMP = 1
	TCP  = 6
	UDP  = 17
)

// Packet is what can be known of an IPv4 packet from its headers.
type Packet struct {
	Protocol uint8 // IP protocol number: TCP, UDP, ICMP, …
	// Src and Dst are the two ends. The ports are 0 when the protocol has
	// none, and in fragments after the first.
	Src, Dst netip.AddrPort
	// Fragment is the offset in bytes of a fragment after the first, whose
	// transport header is elsewhere. It is 0 in the first fragment and in
	// packets that are whole.
	Fragment uint16
	// More says that fragments follow, and ID which fragments are of one
	// packet: those of the same ends, protocol and ID.
	More bool
	ID   uint16

	TCPFlags uint8 // of TCP
	ICMPType uint8 // of ICMP
	ICMPCode uint8
	ICMPID   uint16 // of ICMP echo requests and replies: whose they are
	// Quoted is the packet that an ICMP error is about, as far as the error
	// quotes it; nil in everything else. It says what the sender of the error
	// likes.
	Quoted *Packet
}

// arpMessage is the content of an Ethernet/IPv4 ARP packet.
type arpMessage struct {
	request    bool
	senderMAC  mac
	sender     netip.Addr
	target     netip.Addr
	isAnnounce bool // a gratuitous announcement: sender and target are the same
}

// frame is a parsed Ethernet frame. Exactly one of ip and arp is not nil.
type frame struct {
	dst, src mac
	ip       *Packet
	arp      *arpMessage
	payload  []byte // of a UDP datagram that is not a fragment
}

var (
	errShort    = errors.New("frame is cut short")
	errProtocol = errors.New("neither IPv4 nor ARP")
	errHeader   = errors.New("malformed header")
)

// parseFrame parses an Ethernet frame that carries IPv4 or ARP.
func parseFrame(b []byte) (frame, error) {
	if len(b) < header.EthernetMinimumSize {
		return frame{}, errShort
	}
	f := frame{dst: mac(b[0:6]), src: mac(b[6:12])}
	body := b[header.EthernetMinimumSize:]
	var err error
	switch binary.BigEndian.Uint16(b[12:14]) {
	case uint16(header.IPv4ProtocolNumber):
		err = f.parseIPv4(body)
	case uint16(header.ARPProtocolNumber):
		err = f.parseARP(body)
	default:
		err = errProtocol
	}
	return f, err
}

func (f *frame) parseARP(b []byte) error {
	if len(b) < header.ARPSize {
		return errShort
	}
	h := header.ARP(b)
	if !h.IsValid() {
		return errHeader
	}
	op := h.Op()
	if op != header.ARPRequest && op != header.ARPReply {
		return errHeader
	}
	f.arp = &arpMessage{
		request:   op == header.ARPRequest,
		senderMAC: mac(h.HardwareAddressSender()),
		sender:    netip.AddrFrom4([4]byte(h.ProtocolAddressSender())),
		target:    netip.AddrFrom4([4]byte(h.ProtocolAddressTarget())),
	}
	f.arp.isAnnounce = f.arp.sender == f.arp.target
	return nil
}

func (f *frame) parseIPv4(b []byte) error {
	if len(b) < header.IPv4MinimumSize {
		return errShort
	}
	h := header.IPv4(b)
	if h[0]>>4 != 4 {
		return errHeader
	}
	hlen, total := int(h.HeaderLength()), int(h.TotalLength())
	if hlen < header.IPv4MinimumSize || total < hlen {
		return errHeader
	}
	if total > len(b) {
		return errShort
	}
	src, dst := h.SourceAddress(), h.DestinationAddress()
	p := &Packet{
		Protocol: h.Protocol(),
		Src:      netip.AddrPortFrom(netip.AddrFrom4(src.As4()), 0),
		Dst:      netip.AddrPortFrom(netip.AddrFrom4(dst.As4()), 0),
		Fragment: h.FragmentOffset(),
		More:     h.Flags()&header.IPv4FlagMoreFragments != 0,
		ID:       h.ID(),
	}
	f.ip = p
	if p.Fragment != 0 {
		return nil
	}
	return f.parseTransport(b[hlen:total], p.More)
}

// parseTransport reads the first bytes of TCP, UDP and ICMP. It insists on
// whole headers, so that no later fragment can supply or replace a port.
func (f *frame) parseTransport(b []byte, more bool) error {
	p := f.ip
	ports := func() {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), binary.BigEndian.Uint16(b[0:2]))
		p.Dst = netip.AddrPortFrom(p.Dst.Addr(), binary.BigEndian.Uint16(b[2:4]))
	}
	switch p.Protocol {
	case TCP:
		if len(b) < header.TCPMinimumSize {
			return errShort
		}
		ports()
		p.TCPFlags = b[13]
	case UDP:
		if len(b) < header.UDPMinimumSize {
			return errShort
		}
		ports()
		n := int(binary.BigEndian.Uint16(b[4:6]))
		if more {
			return nil
		}
		if n < header.UDPMinimumSize || n > len(b) {
			return errHeader
		}
		f.payload = b[header.UDPMinimumSize:n]
	case ICMP:
		if len(b) < header.ICMPv4MinimumSize {
			return errShort
		}
		p.ICMPType, p.ICMPCode = b[0], b[1]
		switch header.ICMPv4Type(p.ICMPType) {
		case header.ICMPv4Echo, header.ICMPv4EchoReply:
			p.ICMPID = binary.BigEndian.Uint16(b[4:6])
		case header.ICMPv4DstUnreachable, header.ICMPv4TimeExceeded, header.ICMPv4ParamProblem:
			p.Quoted = parseQuote(b[header.ICMPv4MinimumSize:])
		}
	}
	return nil
}

// parseQuote reads the beginning of a packet that an ICMP error quotes, which
// is at least its header and 8 bytes more (RFC 792). It returns nil for less.
func parseQuote(b []byte) *Packet {
	if len(b) < header.IPv4MinimumSize || b[0]>>4 != 4 {
		return nil
	}
	h := header.IPv4(b)
	hlen := int(h.HeaderLength())
	if hlen < header.IPv4MinimumSize || len(b) < hlen+8 || h.FragmentOffset() != 0 {
		return nil
	}
	t := b[hlen:]
	var src, dst uint16
	p := &Packet{Protocol: h.Protocol(), ID: h.ID()}
	switch p.Protocol {
	case TCP, UDP:
		src, dst = binary.BigEndian.Uint16(t[0:2]), binary.BigEndian.Uint16(t[2:4])
	case ICMP:
		p.ICMPType, p.ICMPCode, p.ICMPID = t[0], t[1], binary.BigEndian.Uint16(t[4:6])
	}
	p.Src = netip.AddrPortFrom(netip.AddrFrom4(h.SourceAddress().As4()), src)
	p.Dst = netip.AddrPortFrom(netip.AddrFrom4(h.DestinationAddress().As4()), dst)
	return p
}
