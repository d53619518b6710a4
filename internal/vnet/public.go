package vnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	maxPublicPorts = 256
	maxPublicConns = 256 // at once, of one public address
	guestTimeout   = 5 * time.Second
)

// Public describes the public address of a guest.
type Public struct {
	// Host is an address of the host, a loopback address of the guest's own:
	// 127.10.0.5.
	Host netip.Addr
	// Guest is the private address behind it.
	Guest netip.Addr
	// Ports are the TCP ports to pass on. [PublicAddress.SetPorts] changes them.
	Ports []uint16
	// Allow decides about each client of a port; it is where security groups
	// are asked, since the guest sees the gateway as the client. A refused
	// client gets a reset. Nil allows all.
	Allow func(client netip.AddrPort, port uint16) bool
}

// Binding is a port of a public address that is served.
type Binding struct {
	Port uint16 // of the guest
	// Listen is where clients connect. Its port is the guest's, unless this
	// process may not bind privileged ports: then it is 2222 for 22, and
	// 8000 more for others.
	Listen netip.AddrPort
}

// PublicAddress forwards connections to an address of the host to a guest. Its
// methods may be called concurrently.
type PublicAddress struct {
	n     *Network
	c     Public
	slots chan struct{} // a semaphore of connections
	wg    sync.WaitGroup
	ctx   context.Context // ends at Close
	stop  context.CancelFunc

	mu     sync.Mutex // guards the following
	ports  map[uint16]*net.TCPListener
	closed bool
}

// Publish gives a guest a public address until it is closed, or the network
// is. The guest need not be attached, or even exist; clients of an absent guest
// are reset. When some of the ports cannot be bound, both results are valid:
// the error says which, and the rest is served.
func (n *Network) Publish(c Public) (*PublicAddress, error) {
	if !c.Host.Is4() || c.Host.IsUnspecified() || c.Host.IsMulticast() {
		return nil, fmt.Errorf("publish %v: %v is not an IPv4 address of the host", c.Guest, c.Host)
	}
	if !hostAddress(n.subnet, c.Guest) || c.Guest == n.gateway {
		return nil, fmt.Errorf("publish %v: not an address for guests of %v", c.Guest, n.subnet)
	}
	if err := checkPorts(c.Ports); err != nil {
		return nil, fmt.Errorf("publish %v: %w", c.Host, err)
	}
	ctx, stop := context.WithCancel(n.ctx)
	a := &PublicAddress{
		n: n, c: c, ctx: ctx, stop: stop,
		slots: make(chan struct{}, maxPublicConns),
		ports: make(map[uint16]*net.TCPListener),
	}
	if err := n.own(a); err != nil {
		stop()
		return nil, fmt.Errorf("publish %v: %w", c.Guest, err)
	}
	return a, a.SetPorts(c.Ports)
}

// SetPorts replaces the ports that are passed on. Ports that stay are not
// interrupted, and connections live on when their port goes. Every port is
// tried; the error joins those that could not be bound.
func (a *PublicAddress) SetPorts(ports []uint16) error {
	if err := checkPorts(ports); err != nil {
		return fmt.Errorf("publish %v: %w", a.c.Host, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return fmt.Errorf("publish %v: %w", a.c.Host, net.ErrClosed)
	}
	for port, ln := range a.ports {
		if !slices.Contains(ports, port) {
			ln.Close()
			delete(a.ports, port)
		}
	}
	var errs []error
	for _, port := range ports {
		if a.ports[port] != nil {
			continue
		}
		ln, err := a.bind(port)
		if err != nil {
			errs = append(errs, fmt.Errorf("publish %v: %w", netip.AddrPortFrom(a.c.Host, port), err))
			continue
		}
		a.ports[port] = ln
		a.wg.Go(func() { a.serve(ln, port) })
	}
	return errors.Join(errs...)
}

// checkPorts says why a list of ports cannot be published.
func checkPorts(ports []uint16) error {
	if len(ports) > maxPublicPorts {
		return fmt.Errorf("%d ports are more than %d", len(ports), maxPublicPorts)
	}
	if slices.Contains(ports, 0) {
		return errors.New("there is no port 0")
	}
	return nil
}

// bind listens on a port, or on its substitute where it is privileged and this
// process is not.
func (a *PublicAddress) bind(port uint16) (*net.TCPListener, error) {
	listen := func(p uint16) (*net.TCPListener, error) {
		return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.c.Host, p)))
	}
	ln, err := listen(port)
	if errors.Is(err, syscall.EACCES) {
		if second, err2 := listen(substitute(port)); err2 == nil {
			return second, nil
		}
	}
	return ln, err
}

// substitute is the port that stands in for a privileged one.
func substitute(port uint16) uint16 {
	if port == 22 {
		return 2222
	}
	return 8000 + port
}

// Bindings returns the ports that are served now, in ascending order.
func (a *PublicAddress) Bindings() []Binding {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Binding, 0, len(a.ports))
	for port, ln := range a.ports {
		list = append(list, Binding{port, ln.Addr().(*net.TCPAddr).AddrPort()})
	}
	slices.SortFunc(list, func(x, y Binding) int { return int(x.Port) - int(y.Port) })
	return list
}

// Close stops listening, cuts all connections and waits for them to end.
func (a *PublicAddress) Close() error {
	a.mu.Lock()
	a.closed = true
	for port, ln := range a.ports {
		ln.Close()
		delete(a.ports, port)
	}
	a.mu.Unlock()
	a.stop()
	a.wg.Wait()
	a.n.disown(a)
	return nil
}

// serve accepts the clients of one port.
func (a *PublicAddress) serve(ln *net.TCPListener, port uint16) {
	for {
		c, err := ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, or a client that went away: the listener
			// itself is sound.
			a.n.log.Warn("public address: accept", "address", ln.Addr().String(), "error", err)
			select {
			case <-a.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		client := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		if a.c.Allow != nil && !a.c.Allow(client, port) {
			abortConn(c)
			continue
		}
		select {
		case a.slots <- struct{}{}:
			a.wg.Go(func() {
				defer func() { <-a.slots }()
				a.carry(c, port)
			})
		default:
			abortConn(c)
		}
	}
}

// carry passes one client on to the guest.
func (a *PublicAddress) carry(c net.Conn, port uint16) {
	ctx, cancel := context.WithTimeout(a.ctx, guestTimeout)
	defer cancel()
	dst := netip.AddrPortFrom(a.c.Guest, port)
	g, err := a.n.DialContext(ctx, "tcp4", dst.String())
	if err != nil {
		a.n.log.Debug("public address: guest does not answer", "guest", dst, "error", err)
		abortConn(c)
		return
	}
	defer context.AfterFunc(a.ctx, func() { abortConn(c); abortConn(g) })()
	a.n.pump(g, c)
}
