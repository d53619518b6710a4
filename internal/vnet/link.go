package vnet

import (
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link is the gateway's Ethernet card: what joins its stack to the switch. The
// stack takes every address for its own, so that it can stand for the world; it
// is the switch that lets it hear only of those for which it shall.
type link struct {
	mac        tcpip.LinkAddress
	mtu        uint32
	send       func(*stack.PacketBuffer) // takes a frame; the packet stays the caller's
	dispatcher stack.NetworkDispatcher
}

var _ stack.LinkEndpoint = (*link)(nil)

// WritePackets sends frames of the stack.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for _, p := range pkts.AsSlice() {
		l.write(p)
	}
	return pkts.Len(), nil
}

func (l *link) write(p *stack.PacketBuffer) {
	src := l.mac
	if p.EgressRoute.LocalLinkAddress != "" {
		src = p.EgressRoute.LocalLinkAddress
	}
	header.Ethernet(p.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		Type: p.NetworkProtocolNumber, SrcAddr: src, DstAddr: p.EgressRoute.RemoteLinkAddress,
	})
	l.send(p)
}

// Attach sets where packets for the stack go.
func (l *link) Attach(d stack.NetworkDispatcher) { l.dispatcher = d }

// IsAttached reports whether there is a stack.
func (l *link) IsAttached() bool { return l.dispatcher != nil }

// Capabilities says that the stack has to find hardware addresses, and need not
// check what comes from memory.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired | stack.CapabilityRXChecksumOffload
}

// ARPHardwareType is Ethernet.
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// MaxHeaderLength is what the stack leaves in front of packets.
func (l *link) MaxHeaderLength() uint16 { return header.EthernetMinimumSize }

// LinkAddress is the gateway's hardware address.
func (l *link) LinkAddress() tcpip.LinkAddress { return l.mac }

// MTU is the largest packet in bytes.
func (l *link) MTU() uint32 { return l.mtu }

// The rest of the contract is about cards that change, wait or write headers
// apart from packets; this one does not.

// SetLinkAddress implements stack.LinkEndpoint.
func (l *link) SetLinkAddress(tcpip.LinkAddress) {}

// SetMTU implements stack.LinkEndpoint.
func (l *link) SetMTU(uint32) {}

// AddHeader implements stack.LinkEndpoint.
func (l *link) AddHeader(*stack.PacketBuffer) {}

// ParseHeader implements stack.LinkEndpoint.
func (l *link) ParseHeader(*stack.PacketBuffer) bool { return true }

// Wait implements stack.LinkEndpoint.
func (l *link) Wait() {}

// Close implements stack.LinkEndpoint.
func (l *link) Close() {}

// SetOnCloseAction implements stack.LinkEndpoint.
func (l *link) SetOnCloseAction(func()) {}
