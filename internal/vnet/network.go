package vnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// ErrClosed is wrapped by errors of networks that were closed.
var ErrClosed = errors.New("network is closed")

// Config describes a [Network]. Only Subnet is required.
type Config struct {
	Subnet  netip.Prefix // IPv4, between /8 and /30
	Gateway netip.Addr   // default: the first address of the subnet

	// Domain is the DNS domain of the guests: "ec2.internal" in us-east-1,
	// "REGION.compute.internal" elsewhere. The resolver answers for it with
	// the hostnames of the attached ports. Empty means no domain.
	Domain string

	// Resolvers are asked for all other names. Nil means those of the host's
	// /etc/resolv.conf, read again for each question.
	Resolvers []netip.AddrPort

	MTU    int     // default 1500; at least 576, at most 9001
	Router *Router // joins the subnets of a VPC; nil for a subnet alone
	Egress Egress

	Logger *slog.Logger // default: silence
}

// Network is one subnet. Its methods may be called concurrently.
type Network struct {
	subnet    netip.Prefix
	gateway   netip.Addr
	mac       mac // of the gateway
	domain    string
	resolvers []netip.AddrPort
	mtu       int
	router    *Router
	egress    Egress
	log       *slog.Logger

	stack *stack.Stack
	link  *link
	flows *flows
	dials *flows // connections to the outside that are being made

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // everything but the ports

	mu      sync.RWMutex // guards the following
	byMAC   map[mac]*port
	byIP    map[netip.Addr]*port
	byName  map[string]*port
	closers map[io.Closer]struct{} // listeners and public addresses
	closed  bool
}

// New starts a network without guests.
func New(c Config) (*Network, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("network %v: %w", c.Subnet, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &Network{
		subnet:    c.Subnet,
		gateway:   c.Gateway,
		mac:       gatewayMAC(c.Gateway),
		domain:    canonicalDomain(c.Domain),
		resolvers: c.Resolvers,
		mtu:       c.MTU,
		router:    c.Router,
		egress:    c.Egress,
		log:       c.Logger.With("subnet", c.Subnet.String()),
		flows:     newFlows(c.Egress.MaxFlows),
		dials:     newFlows(min(maxHalfOpen, c.Egress.MaxFlows)),
		ctx:       ctx,
		cancel:    cancel,
		byMAC:     make(map[mac]*port),
		byIP:      make(map[netip.Addr]*port),
		byName:    make(map[string]*port),
		closers:   make(map[io.Closer]struct{}),
	}
	if err := n.start(); err != nil {
		n.Close()
		return nil, fmt.Errorf("network %v: %w", c.Subnet, err)
	}
	return n, nil
}

func (n *Network) start() error {
	if err := n.startStack(); err != nil {
		return err
	}
	n.startEgress()
	if err := n.startDNS(); err != nil {
		return err
	}
	return n.router.join(n)
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	if !c.Subnet.IsValid() || !c.Subnet.Addr().Is4() || c.Subnet.Bits() < 8 || c.Subnet.Bits() > 30 {
		return errors.New("subnet is not an IPv4 prefix between /8 and /30")
	}
	c.Subnet = c.Subnet.Masked()
	if !usable(c.Subnet.Addr()) {
		return errors.New("subnet is not made of unicast addresses")
	}
	if !c.Gateway.IsValid() {
		c.Gateway = c.Subnet.Addr().Next()
	}
	if !hostAddress(c.Subnet, c.Gateway) {
		return fmt.Errorf("gateway %v is not a host address of the subnet", c.Gateway)
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.MTU < 576 || c.MTU > 9001 {
		return fmt.Errorf("MTU %d is not between 576 and 9001", c.MTU)
	}
	if err := checkDomain(c.Domain); err != nil {
		return err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c.Egress.complete()
}

// hostAddress reports whether a is an address of the prefix that a host may
// have: neither the first nor the last.
func hostAddress(p netip.Prefix, a netip.Addr) bool {
	return p.Contains(a) && a != p.Addr() && a != lastAddr(p)
}

// lastAddr is the broadcast address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(a)
}

// gatewayMAC makes a locally administered hardware address that is the same
// whenever the network is started again: guests remember it.
func gatewayMAC(a netip.Addr) mac {
	b := a.As4()
	return mac{0xfe, 0x00, b[0], b[1], b[2], b[3]}
}

// Subnet is the prefix of the network.
func (n *Network) Subnet() netip.Prefix { return n.subnet }

// Gateway is the address of the gateway and resolver.
func (n *Network) Gateway() netip.Addr { return n.gateway }

// Close detaches all ports, ends all connections and waits until nothing runs
// any more. Closing twice is harmless.
func (n *Network) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	ports := make([]*port, 0, len(n.byMAC))
	for _, p := range n.byMAC {
		ports = append(ports, p)
	}
	closers := n.closers
	n.closers = nil
	n.mu.Unlock()

	n.router.leave(n)
	n.cancel()
	for c := range closers {
		c.Close()
	}
	for _, p := range ports {
		n.detach(p)
	}
	n.flows.abortAll()
	n.dials.abortAll()
	n.wg.Wait()
	if n.stack != nil {
		n.stack.Destroy()
	}
	return nil
}

// begin announces work that Close waits for, or reports false when the network
// is closed. The work ends with n.wg.Done.
func (n *Network) begin() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !n.closed {
		n.wg.Add(1)
	}
	return !n.closed
}

// own registers something to be closed with the network. It fails when the
// network is closed already.
func (n *Network) own(c io.Closer) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	n.closers[c] = struct{}{}
	return nil
}

func (n *Network) disown(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.closers, c)
}

// guest returns the port that owns the address.
func (n *Network) guest(a netip.Addr) *port {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byIP[a]
}

// guestByMAC returns the port with the hardware address.
func (n *Network) guestByMAC(m mac) *port {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.byMAC[m]
}

// parseHardwareAddr converts a hardware address that a guest can have.
func parseHardwareAddr(a net.HardwareAddr) (mac, error) {
	if len(a) != 6 {
		return mac{}, fmt.Errorf("hardware address %q is not 6 bytes long", a.String())
	}
	m := mac(a)
	if m[0]&1 != 0 || m == (mac{}) {
		return mac{}, fmt.Errorf("hardware address %v is not a unicast address", m)
	}
	return m, nil
}
