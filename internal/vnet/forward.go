package vnet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	maxHalfOpen = 256 // connection attempts of all guests that wait for an answer
	dialTimeout = 10 * time.Second
	udpIdle     = 2 * time.Minute // RFC 4787, REQ-5
	maxDatagram = 65507
)

// permitted decides about a destination outside the network.
func (n *Network) permitted(dst netip.AddrPort) bool {
	a := dst.Addr()
	return usable(a) && !n.subnet.Contains(a) && !n.router.contains(a) && n.egress.Allow(dst)
}

// startEgress lets the stack hand over what no listener of ours takes.
func (n *Network) startEgress() {
	t := tcp.NewForwarder(n.stack, tcpBuffer, maxHalfOpen, n.forwardTCP)
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, t.HandlePacket)
	u := udp.NewForwarder(n.stack, n.forwardUDP)
	n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, u.HandlePacket)
}

// forwardTCP carries one connection of a guest to the outside. It runs in a
// goroutine of its own, and answers the guest only when the outside has.
func (n *Network) forwardTCP(r *tcp.ForwarderRequest) {
	if !n.begin() {
		r.Complete(false)
		return
	}
	defer n.wg.Done()
	id := r.ID()
	guest := addr(id.RemoteAddress)
	dst := netip.AddrPortFrom(addr(id.LocalAddress), id.LocalPort)
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	// Nobody can use up all the attempts by dialing into the void.
	attempt := n.dials.open(guest, cancel)
	if attempt == nil {
		r.Complete(true)
		return
	}
	if !n.permitted(dst) {
		attempt.done()
		r.Complete(true)
		return
	}
	out, err := n.egress.Dial(ctx, "tcp4", dst.String())
	attempt.done()
	if err != nil {
		n.log.Debug("egress refused", "guest", guest, "destination", dst, "error", err)
		r.Complete(true)
		return
	}
	var wq waiter.Queue
	ep, terr := r.CreateEndpoint(&wq)
	r.Complete(terr != nil)
	if terr != nil {
		out.Close()
		return
	}
	if c := n.newConn(guest, ep, &wq); c != nil {
		n.pump(c, out)
		return
	}
	out.Close()
}

// abortConn closes a connection so that its peer sees that it was cut.
func abortConn(c net.Conn) {
	switch c := c.(type) {
	case *Conn:
		c.Abort()
		return
	case interface{ SetLinger(int) error }:
		c.SetLinger(0)
	}
	c.Close()
}

// pump copies between two connections until both directions have ended. The
// end of one is passed on as a half-close; an error ends both at once.
func (n *Network) pump(a, b net.Conn) {
	stop := context.AfterFunc(n.ctx, func() { abortConn(a); abortConn(b) })
	defer stop()
	var both sync.WaitGroup
	oneWay := func(dst, src net.Conn) {
		_, err := io.Copy(dst, src)
		if half, ok := dst.(interface{ CloseWrite() error }); ok && err == nil {
			err = half.CloseWrite()
		}
		if err != nil {
			abortConn(a)
			abortConn(b)
		}
	}
	both.Go(func() { oneWay(a, b) })
	oneWay(b, a)
	both.Wait()
	a.Close()
	b.Close()
}

// forwardUDP starts one UDP exchange of a guest with the outside. The stack
// calls it for the first datagram, on the path of the guest's frames, so it
// does not wait.
func (n *Network) forwardUDP(r *udp.ForwarderRequest) {
	id := r.ID()
	guest := addr(id.RemoteAddress)
	dst := netip.AddrPortFrom(addr(id.LocalAddress), id.LocalPort)
	if !n.permitted(dst) {
		return
	}
	ctx, cancel := context.WithCancel(n.ctx)
	fl := n.flows.open(guest, cancel)
	if fl == nil {
		cancel()
		return
	}
	var wq waiter.Queue
	ep, err := r.CreateEndpoint(&wq)
	if err != nil {
		fl.done()
		cancel()
		return
	}
	if !n.begin() {
		ep.Close()
		fl.done()
		cancel()
		return
	}
	go func() {
		defer n.wg.Done()
		defer cancel()
		defer fl.done()
		n.pumpUDP(ctx, gonet.NewUDPConn(&wq, ep), dst)
	}()
}

// pumpUDP copies datagrams both ways until none came for a while.
func (n *Network) pumpUDP(ctx context.Context, in net.Conn, dst netip.AddrPort) {
	defer in.Close()
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	out, err := n.egress.Dial(dialing, "udp4", dst.String())
	if err != nil {
		n.log.Debug("egress refused", "destination", dst, "error", err)
		return
	}
	defer out.Close()
	end := func() {
		in.SetDeadline(time.Unix(1, 0))
		out.SetDeadline(time.Unix(1, 0))
	}
	idle := time.AfterFunc(udpIdle, end)
	defer idle.Stop()
	defer context.AfterFunc(ctx, end)()
	oneWay := func(to, from net.Conn) {
		defer end()
		b := make([]byte, maxDatagram)
		for {
			k, err := from.Read(b)
			if err == nil {
				idle.Reset(udpIdle)
				_, err = to.Write(b[:k])
			}
			// An ICMP error is about one datagram, not about the exchange.
			if err != nil && (ctx.Err() != nil || !isICMP(err)) {
				return
			}
		}
	}
	var back sync.WaitGroup
	back.Go(func() { oneWay(in, out) })
	oneWay(out, in)
	back.Wait()
}

// isICMP reports whether an error of a UDP socket is an ICMP message about an
// earlier datagram.
func isICMP(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EMSGSIZE)
}
