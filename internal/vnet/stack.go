package vnet

import (
	"errors"
	"fmt"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const (
	nic = 1 // the only interface of the gateway's stack
	// tcpBuffer bounds what one connection holds in each direction. The way
	// to a guest has no latency to hide, and a hostile guest can fill as many
	// buffers as it may have connections.
	tcpBuffer = 256 << 10
)

// startStack builds the gateway: a TCP/IP stack whose only link is the switch.
// It accepts packets for any address and may answer from any, which is what
// egress and the listeners on link-local addresses are made of.
func (n *Network) startStack() error {
	link := &link{mac: tcpip.LinkAddress(n.mac[:]), mtu: uint32(n.mtu), send: n.sendFromGateway}
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	n.stack, n.link = s, link
	if err := s.CreateNIC(nic, link); err != nil {
		return stackError("create the interface", err)
	}
	for what, err := range map[string]tcpip.Error{
		"set the address": s.AddProtocolAddress(nic, tcpip.ProtocolAddress{
			Protocol:          ipv4.ProtocolNumber,
			AddressWithPrefix: address(n.gateway).WithPrefix(),
		}, stack.AddressProperties{}),
		"accept every address":  s.SetPromiscuousMode(nic, true),
		"answer from addresses": s.SetSpoofing(nic, true),
		"bound receive buffers": s.SetTransportProtocolOption(tcp.ProtocolNumber, &tcpip.TCPReceiveBufferSizeRangeOption{
			Min: 4 << 10, Default: tcpBuffer, Max: tcpBuffer}),
		"bound send buffers": s.SetTransportProtocolOption(tcp.ProtocolNumber, &tcpip.TCPSendBufferSizeRangeOption{
			Min: 4 << 10, Default: tcpBuffer, Max: tcpBuffer}),
	} {
		if err != nil {
			return stackError(what, err)
		}
	}
	subnet, err := tcpip.NewSubnet(address(n.subnet.Addr()), netmask(n.subnet))
	if err != nil {
		return fmt.Errorf("make the route: %w", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: subnet, NIC: nic}})
	return nil
}

// sendFromGateway sends a frame of the gateway to its guest.
func (n *Network) sendFromGateway(pkt *stack.PacketBuffer) {
	v := pkt.ToView()
	w := newWire(v.Size())
	copy(w.frame(), v.AsSlice())
	v.Release()
	n.fromGateway(w)
}

// toGateway hands a frame to the stack.
func (n *Network) toGateway(w wire) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		Payload: buffer.MakeWithData(w.frame()[header.EthernetMinimumSize:]),
	})
	defer pkt.DecRef()
	n.link.dispatcher.DeliverNetworkPacket(header.Ethernet(w.frame()).Type(), pkt)
}

// addNeighbor tells the stack where an address lives, so that it neither asks
// nor believes anybody.
func (n *Network) addNeighbor(p *port) error {
	err := n.stack.AddStaticNeighbor(nic, ipv4.ProtocolNumber, address(p.ip), tcpip.LinkAddress(p.mac[:]))
	if err != nil {
		return stackError("add the neighbor", err)
	}
	return nil
}

// removeNeighbor is the opposite of addNeighbor. There is no entry to miss.
func (n *Network) removeNeighbor(p *port) {
	n.stack.RemoveNeighbor(nic, ipv4.ProtocolNumber, address(p.ip))
}

func address(a netip.Addr) tcpip.Address { return tcpip.AddrFrom4(a.As4()) }

func addr(a tcpip.Address) netip.Addr { return netip.AddrFrom4(a.As4()) }

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: address(a.Addr()), Port: a.Port()}
}

func netmask(p netip.Prefix) tcpip.AddressMask {
	var m [4]byte
	for i := range p.Bits() {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return tcpip.MaskFromBytes(m[:])
}

// stackError makes an error of one of the stack's.
func stackError(what string, err tcpip.Error) error {
	return fmt.Errorf("%s: %w", what, errors.New(err.String()))
}
