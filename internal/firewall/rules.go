package firewall

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"origami/internal/vnet"
)

// AnyProtocol is the Protocol of rules about all protocols.
const AnyProtocol = -1

// Any matches every ICMP type or code.
const Any = -1

// Rule allows traffic with one remote end. For TCP and UDP, From and To are
// the range of the destination's ports; for ICMP they are a type and a code,
// each [Any] or one value; for other protocols they mean nothing.
type Rule struct {
	Protocol int // IP protocol number or [AnyProtocol]
	From, To int

	// The remote end is in Prefix, or a member of Group if that is not nil.
	Prefix netip.Prefix
	Group  *Group
}

// Group is a set of addresses that rules refer to. It may change at any time.
type Group struct {
	mu      sync.Mutex // held by writers
	members atomic.Pointer[map[netip.Addr]struct{}]
}

// Add makes an address a member.
func (g *Group) Add(a netip.Addr) { g.change(func(m map[netip.Addr]struct{}) { m[a] = struct{}{} }) }

// Remove makes an address no member.
func (g *Group) Remove(a netip.Addr) { g.change(func(m map[netip.Addr]struct{}) { delete(m, a) }) }

func (g *Group) change(f func(map[netip.Addr]struct{})) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := make(map[netip.Addr]struct{})
	if old := g.members.Load(); old != nil {
		maps.Copy(next, *old)
	}
	f(next)
	g.members.Store(&next)
}

// Contains reports whether an address is a member.
func (g *Group) Contains(a netip.Addr) bool {
	m := g.members.Load()
	if m == nil {
		return false
	}
	_, ok := (*m)[a]
	return ok
}

// Rules are compiled rules. They do not change. The zero value allows nothing.
type Rules struct {
	ingress, egress table
}

// table holds the rules of one direction by what they are about. Rules about
// all protocols are in each list, so that a packet looks at one list only.
type table struct {
	tcp, udp, icmp []Rule
	other          []Rule
}

// Compile makes rules for use.
func Compile(ingress, egress []Rule) *Rules {
	return &Rules{ingress: compile(ingress), egress: compile(egress)}
}

func compile(rules []Rule) table {
	var t table
	for _, r := range rules {
		switch r.Protocol {
		case AnyProtocol:
			wide := r
			wide.From, wide.To = 0, 65535
			t.tcp, t.udp = append(t.tcp, wide), append(t.udp, wide)
			wide.From, wide.To = Any, Any
			t.icmp, t.other = append(t.icmp, wide), append(t.other, wide)
		case vnet.TCP:
			t.tcp = append(t.tcp, r)
		case vnet.UDP:
			t.udp = append(t.udp, r)
		case vnet.ICMP:
			t.icmp = append(t.icmp, r)
		default:
			t.other = append(t.other, r)
		}
	}
	return t
}

// allows reports whether a rule allows a packet, dir being its direction.
func (r *Rules) allows(dir vnet.Direction, p *vnet.Packet) bool {
	t, remote := &r.ingress, p.Src.Addr()
	if dir == vnet.FromGuest {
		t, remote = &r.egress, p.Dst.Addr()
	}
	switch p.Protocol {
	case vnet.TCP:
		return ported(t.tcp, remote, p.Dst.Port())
	case vnet.UDP:
		return ported(t.udp, remote, p.Dst.Port())
	case vnet.ICMP:
		for i := range t.icmp {
			if r := &t.icmp[i]; is(r.From, p.ICMPType) && is(r.To, p.ICMPCode) && r.remote(remote) {
				return true
			}
		}
	default:
		for i := range t.other {
			if r := &t.other[i]; (r.Protocol == AnyProtocol || r.Protocol == int(p.Protocol)) && r.remote(remote) {
				return true
			}
		}
	}
	return false
}

// Admits reports whether the rules let a TCP client connect to a port of the
// guest.
func (r *Rules) Admits(client netip.Addr, port uint16) bool {
	return ported(r.ingress.tcp, client, port)
}

func ported(rules []Rule, remote netip.Addr, port uint16) bool {
	for i := range rules {
		if r := &rules[i]; int(port) >= r.From && int(port) <= r.To && r.remote(remote) {
			return true
		}
	}
	return false
}

func is(want int, got uint8) bool { return want == Any || want == int(got) }

func (r *Rule) remote(a netip.Addr) bool {
	if r.Group != nil {
		return r.Group.Contains(a)
	}
	return r.Prefix.Contains(a)
}
