package vnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Egress says what guests may reach outside their VPC. The zero value lets
// them reach everything but the host itself.
type Egress struct {
	// Allow decides about each new connection and UDP exchange. Nil means
	// [NotHost]. Whatever it says, loopback, link-local, multicast and
	// reserved addresses and those of the VPC are never reached this way: a
	// guest's request for the metadata service cannot end at the host's.
	Allow func(dst netip.AddrPort) bool

	// Dial connects to the outside, network being "tcp4" or "udp4". Nil means
	// the host's own sockets.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// MaxFlows bounds the connections and UDP exchanges of all guests of the
	// network together, to and from anywhere but other guests. One guest may
	// have a quarter. 0 means 4096.
	MaxFlows int
}

func (e *Egress) complete() error {
	if e.Allow == nil {
		e.Allow = NotHost()
	}
	if e.Dial == nil {
		e.Dial = new(net.Dialer).DialContext
	}
	if e.MaxFlows == 0 {
		e.MaxFlows = defaultMaxFlows
	}
	if e.MaxFlows < 0 {
		return errors.New("the limit of flows is negative")
	}
	return nil
}

// usable reports whether an address can be one of a machine on the internet or
// in a private network.
func usable(a netip.Addr) bool {
	first := a.As4()[0]
	return a.IsGlobalUnicast() && first != 0 && first < 224
}

// hostAddrTTL is how long the host's addresses are believed to stay the same.
const hostAddrTTL = 5 * time.Second

// NotHost returns an egress policy that allows everything but the addresses of
// the host's own interfaces. It allows nothing when they cannot be found out.
func NotHost() func(netip.AddrPort) bool {
	var (
		mu    sync.Mutex // guards the following
		until time.Time
		own   map[netip.Addr]bool
	)
	return func(dst netip.AddrPort) bool {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.After(until) {
			own, until = hostAddrs(), now.Add(hostAddrTTL)
		}
		return own != nil && !own[dst.Addr()]
	}
}

// hostAddrs returns the IPv4 addresses of the host's interfaces, nil if they
// cannot be listed.
func hostAddrs() map[netip.Addr]bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	own := make(map[netip.Addr]bool)
	for _, a := range list {
		if ipn, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(ipn.IP); ok {
				own[ip.Unmap()] = true
			}
		}
	}
	return own
}

var sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// PublicOnly returns an egress policy that allows what [NotHost] does, except
// for private networks: guests reach the internet but not what is near the
// host.
func PublicOnly() func(netip.AddrPort) bool {
	notHost := NotHost()
	return func(dst netip.AddrPort) bool {
		a := dst.Addr()
		return !a.IsPrivate() && !sharedAddressSpace.Contains(a) && notHost(dst)
	}
}
