package firewall

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"origami/internal/vnet"
)

// Guard filters the packets of one guest. Its methods may be called
// concurrently.
type Guard struct {
	gateway netip.Addr
	rules   atomic.Pointer[Rules]

	mu    sync.Mutex // guards the following
	flows flows
	frags fragments
}

var _ vnet.Policy = (*Guard)(nil)

// New returns a guard of a guest whose network has the given gateway. Nil
// rules allow nothing.
func New(gateway netip.Addr, rules *Rules) *Guard {
	g := &Guard{gateway: gateway}
	g.flows.known = make(map[key]*flow)
	g.SetRules(rules)
	return g
}

// SetRules replaces the rules from the next packet on.
func (g *Guard) SetRules(r *Rules) {
	if r == nil {
		r = new(Rules)
	}
	g.rules.Store(r)
}

// Rules returns the rules in force.
func (g *Guard) Rules() *Rules { return g.rules.Load() }

// Allow decides about a packet, as [vnet.Policy] says.
func (g *Guard) Allow(dir vnet.Direction, p *vnet.Packet) bool {
	now := clock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.Fragment != 0 {
		return g.frags.passed(dir, p, now)
	}
	ok := g.allow(dir, p, now)
	if ok && p.More {
		g.frags.pass(dir, p, now)
	}
	return ok
}

func (g *Guard) allow(dir vnet.Direction, p *vnet.Packet, now time.Duration) bool {
	if p.Quoted != nil {
		return g.related(dir, p.Quoted, now) || g.rules.Load().allows(dir, p)
	}
	if p.Protocol == vnet.ICMP && p.ICMPType != echoRequest && p.ICMPType != echoReply {
		return g.rules.Load().allows(dir, p)
	}
	k := keyOf(dir, p)
	f := g.flows.find(k, now)
	if f != nil && f.carries(dir, p) {
		g.flows.saw(f, dir, p, now)
		return true
	}
	if !g.opens(dir, p) {
		return false
	}
	if f == nil || f.opener != dir || f.over(p) {
		f = g.flows.open(k, dir, p, now)
	}
	g.flows.saw(f, dir, p, now)
	return true
}

// opens reports whether a packet may open a flow.
func (g *Guard) opens(dir vnet.Direction, p *vnet.Packet) bool {
	if dir == vnet.ToGuest && p.Protocol == vnet.TCP && p.Src.Addr() == g.gateway {
		return true
	}
	return g.rules.Load().allows(dir, p)
}

// related reports whether the packet that an ICMP error quotes is one that the
// receiver of the error sent in a known flow.
func (g *Guard) related(dir vnet.Direction, quoted *vnet.Packet, now time.Duration) bool {
	sent := vnet.FromGuest
	if dir == vnet.FromGuest {
		sent = vnet.ToGuest
	}
	return g.flows.find(keyOf(sent, quoted), now) != nil
}

// start is when this process began to count time. Durations since then are
// cheaper to keep and to compare than times.
var start = time.Now()

func clock() time.Duration { return time.Since(start) }
