package vnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// Router joins the subnets of one VPC: packets for a guest of another subnet
// go there, and packets for an address of the VPC that nobody has go nowhere,
// rather than out to whatever the host's network has at that address.
//
// It does what the implicit router of a VPC does and no more: it sends no ICMP
// errors. A nil Router joins nothing.
type Router struct {
	vpc []netip.Prefix

	mu      sync.RWMutex // guards subnets
	subnets []*Network
}

// NewRouter returns the router of a VPC with the given address blocks.
func NewRouter(vpc ...netip.Prefix) *Router { return &Router{vpc: slices.Clone(vpc)} }

// join adds a subnet, which must lie in the VPC and overlap with no other.
func (r *Router) join(n *Network) error {
	if r == nil {
		return nil
	}
	if !slices.ContainsFunc(r.vpc, func(p netip.Prefix) bool {
		return p.Overlaps(n.subnet) && p.Bits() <= n.subnet.Bits()
	}) {
		return errors.New("subnet is not inside its VPC")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.subnets {
		if other.subnet.Overlaps(n.subnet) {
			return fmt.Errorf("subnet overlaps with %v", other.subnet)
		}
	}
	r.subnets = append(r.subnets, n)
	return nil
}

func (r *Router) leave(n *Network) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subnets = slices.DeleteFunc(r.subnets, func(m *Network) bool { return m == n })
}

// contains reports whether an address belongs to the VPC.
func (r *Router) contains(a netip.Addr) bool {
	return r != nil && slices.ContainsFunc(r.vpc, func(p netip.Prefix) bool { return p.Contains(a) })
}

// all returns the subnets that are joined now.
func (r *Router) all() []*Network {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.subnets)
}

// subnet returns the subnet that an address lies in, or nil.
func (r *Router) subnet(a netip.Addr) *Network {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, n := range r.subnets {
		if n.subnet.Contains(a) {
			return n
		}
	}
	return nil
}

// route passes a packet from one subnet to another, and reports whether there
// was a way.
func (r *Router) route(from *Network, f *frame, w wire) bool {
	dst := f.ip.Dst.Addr()
	to := r.subnet(dst)
	if to == nil || to == from || w.length() > to.mtu {
		return false
	}
	p := to.guest(dst)
	if p == nil || !readdress(w, to.mac, p.mac) {
		return false
	}
	p.deliver(f.ip, w)
	return true
}
