package vnet

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/rfc1035label"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	dhcpServerPort = 67
	dhcpClientPort = 68
	leaseTime      = time.Hour
)

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// answerDHCP answers a DHCP message of the guest (RFC 2131), or returns nil.
// Each port is the server of its own guest: there is one address to lease, the
// port's, whatever the message asks for, and no other guest sees any of it.
func (p *port) answerDHCP(f *frame) wire {
	if dst := f.ip.Dst.Addr(); dst != limitedBroadcast && dst != p.net.gateway {
		return nil
	}
	m, err := dhcpv4.FromBytes(f.payload)
	if err != nil || m.OpCode != dhcpv4.OpcodeBootRequest || !m.GatewayIPAddr.IsUnspecified() ||
		!bytes.Equal(m.ClientHWAddr, p.mac[:]) {
		return nil
	}
	reply, err := p.reply(m)
	if err != nil || reply == nil {
		return nil
	}
	to := limitedBroadcast
	if ci, ok := netip.AddrFromSlice(m.ClientIPAddr.To4()); ok && ci == p.ip && !reply.YourIPAddr.IsUnspecified() {
		to = p.ip // a renewal: the guest uses its address
	}
	return p.datagram(to, reply.ToBytes())
}

// reply makes the answer to a message, or none where the protocol has none.
func (p *port) reply(m *dhcpv4.DHCPv4) (*dhcpv4.DHCPv4, error) {
	server := net.IP(p.net.gateway.AsSlice())
	if id := m.ServerIdentifier(); id != nil && !id.Equal(server) {
		return nil, nil // the guest speaks to another server
	}
	with := []dhcpv4.Modifier{dhcpv4.WithOption(dhcpv4.OptServerIdentifier(server))}
	if id := m.Options.Get(dhcpv4.OptionClientIdentifier); id != nil {
		with = append(with, dhcpv4.WithOption(dhcpv4.OptClientIdentifier(id))) // RFC 6842
	}
	switch m.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		with = append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), p.withLease)
	case dhcpv4.MessageTypeRequest:
		asked := m.RequestedIPAddress()
		if asked == nil {
			asked = m.ClientIPAddr
		}
		if !asked.Equal(net.IP(p.ip.AsSlice())) {
			with = append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeNak))
			break
		}
		with = append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), p.withLease)
	case dhcpv4.MessageTypeInform:
		with = append(with, dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), p.withOptions)
	default:
		return nil, nil
	}
	return dhcpv4.NewReplyFromRequest(m, with...)
}

// withLease offers or grants the address of the port.
func (p *port) withLease(d *dhcpv4.DHCPv4) {
	d.YourIPAddr = p.ip.AsSlice()
	d.UpdateOption(dhcpv4.OptIPAddressLeaseTime(leaseTime))
	d.UpdateOption(dhcpv4.OptRenewTimeValue(leaseTime / 2))
	d.UpdateOption(dhcpv4.OptRebindingTimeValue(leaseTime * 7 / 8))
	p.withOptions(d)
}

// withOptions tells what the guest needs to know about its network.
func (p *port) withOptions(d *dhcpv4.DHCPv4) {
	n := p.net
	gateway := net.IP(n.gateway.AsSlice())
	d.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(n.subnet.Bits(), 32)))
	d.UpdateOption(dhcpv4.OptBroadcastAddress(lastAddr(n.subnet).AsSlice()))
	d.UpdateOption(dhcpv4.OptRouter(gateway))
	d.UpdateOption(dhcpv4.OptDNS(gateway))
	d.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionInterfaceMTU, dhcpv4.Uint16(n.mtu).ToBytes()))
	if p.hostname != "" {
		d.UpdateOption(dhcpv4.OptHostName(p.hostname))
	}
	if n.domain != "" {
		d.UpdateOption(dhcpv4.OptDomainName(n.domain))
		d.UpdateOption(dhcpv4.OptDomainSearch(&rfc1035label.Labels{Labels: []string{n.domain}}))
	}
}

// datagram makes the frame of a DHCP message to the guest.
func (p *port) datagram(to netip.Addr, payload []byte) wire {
	length := header.UDPMinimumSize + len(payload)
	w := newWire(header.EthernetMinimumSize + header.IPv4MinimumSize + length)
	b := w.frame()
	dst := p.mac
	if to == limitedBroadcast {
		dst = broadcastMAC
	}
	header.Ethernet(b).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(p.net.mac[:]),
		DstAddr: tcpip.LinkAddress(dst[:]),
		Type:    header.IPv4ProtocolNumber,
	})
	src := address(p.net.gateway)
	ip := header.IPv4(b[header.EthernetMinimumSize:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(header.IPv4MinimumSize + length),
		TTL:         64,
		Protocol:    UDP,
		SrcAddr:     src,
		DstAddr:     address(to),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	udp := header.UDP(ip[header.IPv4MinimumSize:])
	udp.Encode(&header.UDPFields{SrcPort: dhcpServerPort, DstPort: dhcpClientPort, Length: uint16(length)})
	copy(udp[header.UDPMinimumSize:], payload)
	sum := header.PseudoHeaderChecksum(UDP, src, address(to), uint16(length))
	udp.SetChecksum(^udp.CalculateChecksum(checksum.Checksum(payload, sum)))
	return w
}
