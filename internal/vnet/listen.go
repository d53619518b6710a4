package vnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	backlog      = 128
	keepaliveGap = 30 * time.Second
)

// Conn is a TCP connection with a guest.
type Conn struct {
	*gonet.TCPConn
	ep   tcpip.Endpoint // nil for connections that were dialed
	flow *flow
	once sync.Once
}

// SetTTL sets the time to live of the packets sent from now on: how many
// routers they may pass. It serves the hop limit of the metadata service.
func (c *Conn) SetTTL(hops int) error {
	if c.ep == nil || hops < 1 || hops > 255 {
		return fmt.Errorf("set TTL %d: %w", hops, errors.ErrUnsupported)
	}
	if err := c.ep.SetSockOptInt(tcpip.IPv4TTLOption, hops); err != nil {
		return stackError("set TTL", err)
	}
	return nil
}

// Close ends the connection, and reads and writes that wait for it.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.SetDeadline(time.Unix(1, 0))
		c.TCPConn.Close()
		c.flow.done()
	})
	return nil
}

// Abort closes the connection by a reset where it can.
func (c *Conn) Abort() {
	c.once.Do(func() {
		c.SetDeadline(time.Unix(1, 0))
		if c.ep != nil {
			c.ep.Abort()
		} else {
			c.TCPConn.Close()
		}
		c.flow.done()
	})
}

// newConn wraps an endpoint that is connected to a guest, or aborts it and
// returns nil if the guest may have no more connections.
func (n *Network) newConn(guest netip.Addr, ep tcpip.Endpoint, wq *waiter.Queue) *Conn {
	c := &Conn{TCPConn: gonet.NewTCPConn(wq, ep), ep: ep}
	if !n.track(c, guest) {
		ep.Abort()
		return nil
	}
	keepAlive(ep)
	return c
}

// track enters a connection in the flows of a guest.
func (n *Network) track(c *Conn, guest netip.Addr) bool {
	ready := make(chan struct{})
	c.flow = n.flows.open(guest, func() { <-ready; c.Abort() })
	close(ready)
	return c.flow != nil
}

// keepAlive lets a connection end when its guest does not answer any more.
func keepAlive(ep tcpip.Endpoint) {
	idle, interval := tcpip.KeepaliveIdleOption(2*keepaliveGap), tcpip.KeepaliveIntervalOption(keepaliveGap)
	ep.SetSockOpt(&idle)
	ep.SetSockOpt(&interval)
	ep.SocketOptions().SetKeepAlive(true)
}

// listener accepts connections from guests. It implements [net.Listener].
type listener struct {
	n      *Network
	addr   netip.AddrPort
	ep     tcpip.Endpoint
	wq     *waiter.Queue
	closed chan struct{}
	once   sync.Once
}

// Listen listens for TCP connections of guests to an address, which may be any
// that guests send to the gateway: its own, or 169.254.169.254:80, the metadata
// service's. The accepted connections are of type [*Conn]; their remote
// address is that of the guest and can be trusted. Connections of a guest that
// has too many open are reset instead.
func (n *Network) Listen(address string) (net.Listener, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Is4() {
		return nil, fmt.Errorf("listen on %q: not an IPv4 address and port", address)
	}
	l := &listener{n: n, addr: a, wq: new(waiter.Queue), closed: make(chan struct{})}
	ep, terr := n.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, l.wq)
	if terr != nil {
		return nil, stackError("listen on "+address, terr)
	}
	l.ep = ep
	if terr = ep.Bind(fullAddress(a)); terr == nil {
		terr = ep.Listen(backlog)
	}
	if terr != nil {
		ep.Close()
		return nil, stackError("listen on "+address, terr)
	}
	if err := n.own(l); err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	entry, ready := waiter.NewChannelEntry(waiter.ReadableEvents)
	l.wq.EventRegister(&entry)
	defer l.wq.EventUnregister(&entry)
	for {
		var remote tcpip.FullAddress
		ep, wq, err := l.ep.Accept(&remote)
		switch err.(type) {
		case nil:
			if c := l.n.newConn(addr(remote.Addr), ep, wq); c != nil {
				return c, nil
			}
			continue
		case *tcpip.ErrWouldBlock:
			select {
			case <-ready:
				continue
			case <-l.closed:
			}
		}
		select {
		case <-l.closed:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		default:
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: errors.New(err.String())}
		}
	}
}

// Close ends the listener; connections that were accepted live on.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.ep.Close()
		l.n.disown(l)
	})
	return nil
}

// Addr is the address that was listened on.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// DialContext connects to a port of a guest, from the gateway's address. The
// network must be "tcp" or "tcp4", the address that of an attached guest.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %q: not an IP address and port", address)
	}
	if network != "tcp" && network != "tcp4" {
		return nil, fmt.Errorf("dial %s: %w", address, net.UnknownNetworkError(network))
	}
	if n.guest(a.Addr()) == nil {
		return nil, fmt.Errorf("dial %s: no such guest in %v", address, n.subnet)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	tc, err := gonet.DialContextTCP(ctx, n.stack, fullAddress(a), ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	c := &Conn{TCPConn: tc}
	if !n.track(c, a.Addr()) {
		tc.Close()
		return nil, fmt.Errorf("dial %s: guest is gone or has too many connections", address)
	}
	return c, nil
}
