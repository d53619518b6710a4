package vnet

import "net/netip"

// Direction is the way of a packet as the guest sees it.
type Direction int

// The two directions.
const (
	ToGuest   Direction = iota // ingress
	FromGuest                  // egress
)

// Policy decides which packets pass a port. Security groups are policies.
//
// Allow is called for every IPv4 packet to or from the guest, whether the other
// end is a guest of this subnet, of another subnet, the outside, or the host:
// connections made with [Network.DialContext], and so those to a public
// address, come from the gateway's address. It is not called for what EC2
// exempts as well: ARP, DHCP, and traffic with the metadata service and the
// resolver. Packets arrive after the source was found to be genuine.
//
// Allow runs on the path of every frame, from several goroutines at once, and
// must not block or call the network.
type Policy interface {
	Allow(dir Direction, p *Packet) bool
}

// PolicyFunc is a function that is a [Policy].
type PolicyFunc func(dir Direction, p *Packet) bool

// Allow calls f.
func (f PolicyFunc) Allow(dir Direction, p *Packet) bool { return f(dir, p) }

// AllowAll is the [Policy] of a port for which none was given.
var AllowAll Policy = PolicyFunc(func(Direction, *Packet) bool { return true })

// Addresses that answer in every subnet, as in a VPC.
var (
	// MetadataAddr is where instances look for the metadata service.
	MetadataAddr = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	// ResolverAddr is the second address of the resolver; the first is the
	// gateway's.
	ResolverAddr = netip.AddrFrom4([4]byte{169, 254, 169, 253})
)

// exempt reports whether a packet is none of a policy's business: one end is
// the metadata service or the resolver.
func (n *Network) exempt(p *Packet) bool {
	for _, end := range [...]netip.AddrPort{p.Src, p.Dst} {
		switch end.Addr() {
		case MetadataAddr, ResolverAddr:
			return true
		case n.gateway:
			if end.Port() == dnsPort {
				return true
			}
		}
	}
	return false
}
