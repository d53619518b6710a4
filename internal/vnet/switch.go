package vnet

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// fromGuest takes a frame that arrived at a port and decides everything about
// it: whether it is genuine, allowed, and where it goes. It owns the frame.
func (n *Network) fromGuest(p *port, w wire) {
	f, err := parseFrame(w.frame())
	if err != nil {
		p.count.malformed.Add(1)
		return
	}
	if !p.genuine(&f) {
		p.count.spoofed.Add(1)
		return
	}
	if f.arp != nil {
		n.switchARP(p, &f, w)
		return
	}
	if f.ip.Src.Port() == dhcpServerPort && f.ip.Protocol == UDP {
		p.count.unroutable.Add(1) // guests are no DHCP servers
		return
	}
	if f.ip.Dst.Port() == dhcpServerPort && f.ip.Protocol == UDP {
		if reply := p.answerDHCP(&f); reply != nil {
			p.enqueue(reply)
		}
		return
	}
	if !n.exempt(f.ip) && !p.allow(FromGuest, f.ip) {
		p.count.denied.Add(1)
		return
	}
	if !n.switchIPv4(&f, w) {
		p.count.unroutable.Add(1)
	}
}

// genuine reports whether a frame can come from this port: the anti-spoofing
// check. A guest without an address may ask for one by DHCP and probe for
// conflicts by ARP.
func (p *port) genuine(f *frame) bool {
	if f.src != p.mac {
		return false
	}
	if f.arp != nil {
		probe := f.arp.request && f.arp.sender.IsUnspecified()
		return f.arp.senderMAC == p.mac && (f.arp.sender == p.ip || probe)
	}
	src := f.ip.Src
	if src.Addr().IsUnspecified() {
		return f.ip.Protocol == UDP && src.Port() == dhcpClientPort && f.ip.Dst.Port() == dhcpServerPort
	}
	return src.Addr() == p.ip
}

// switchARP passes an ARP packet to the one whom it concerns.
func (n *Network) switchARP(p *port, f *frame, w wire) {
	switch target := f.arp.target; {
	case f.arp.isAnnounce:
		// Everybody knows already.
	case f.arp.request && (target == n.gateway || target == MetadataAddr || target == ResolverAddr):
		n.toGateway(w)
	default:
		q := n.guest(target)
		if q == nil || q == p || !f.arp.request && f.dst != q.mac {
			p.count.unroutable.Add(1)
			return
		}
		q.enqueue(w)
	}
}

// switchIPv4 passes an IPv4 packet on, and reports whether there was a way.
func (n *Network) switchIPv4(f *frame, w wire) bool {
	dst := f.ip.Dst.Addr()
	if f.dst != n.mac {
		// A guest is no router: like EC2's source/destination check, only
		// packets for the guest itself are delivered to it.
		q := n.guestByMAC(f.dst)
		if q == nil || q.ip != dst {
			return false
		}
		q.deliver(f.ip, w)
		return true
	}
	switch {
	case dst == n.gateway, dst == MetadataAddr, dst == ResolverAddr:
		n.toGateway(w)
		return true
	case n.subnet.Contains(dst):
		return false // reachable directly, and the gateway does not redirect
	case n.router.contains(dst):
		return n.router.route(n, f, w)
	case !usable(dst):
		return false
	case f.ip.Protocol == TCP || f.ip.Protocol == UDP:
		n.toGateway(w)
		return true
	}
	return false // the stack would answer an echo request in the name of anybody
}

// fromGateway takes a frame of the gateway's stack.
func (n *Network) fromGateway(w wire) {
	f, err := parseFrame(w.frame())
	if err != nil {
		return // the stack speaks nothing else
	}
	var p *port
	if f.arp != nil {
		p = n.guest(f.arp.target)
	} else {
		p = n.guestByMAC(f.dst)
	}
	switch {
	case p == nil:
	case f.arp != nil:
		p.enqueue(w)
	default:
		p.deliver(f.ip, w)
	}
}

// readdress makes a frame ready for another link: new hardware addresses, one
// hop less. It reports false when the packet has no hop left.
func readdress(w wire, src, dst mac) bool {
	b := w.frame()
	copy(b[0:6], dst[:])
	copy(b[6:12], src[:])
	h := header.IPv4(b[header.EthernetMinimumSize:])
	if h.TTL() <= 1 {
		return false
	}
	h.SetTTL(h.TTL() - 1)
	h.SetChecksum(0)
	h.SetChecksum(^h.CalculateChecksum())
	return true
}

// length is the length of the IPv4 packet in a frame, without padding.
func (w wire) length() int {
	return int(binary.BigEndian.Uint16(w.frame()[header.EthernetMinimumSize+2:]))
}
