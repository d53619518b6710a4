package vnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	queueLength = 256                   // frames that wait for a guest
	firstRetry  = 20 * time.Millisecond // before dialing a monitor again,
	lastRetry   = time.Second           // doubled up to this
	maxSocket   = 107                   // bytes in the path of a UNIX socket
)

// Port describes the network card of a guest.
type Port struct {
	MAC net.HardwareAddr
	IP  netip.Addr // an address of the subnet that nobody else has
	// Socket is the UNIX socket on which the monitor listens for us. It need
	// not exist yet.
	Socket string
	// Hostname is the first label of the guest's name in the domain of the
	// network: "ip-10-0-0-5". Empty means no name.
	Hostname string
	// Policy decides about the guest's packets. Nil means [AllowAll].
	Policy Policy
}

// Attachment is a port in use. Its methods may be called concurrently.
type Attachment struct {
	n *Network
	p *port
}

// Stats counts the frames of a port. What was received and not dropped for one
// of the reasons here went on, or was answered by the port itself: DHCP.
type Stats struct {
	Connected bool   // to the monitor, now
	Connects  uint64 // how often the monitor was reached

	Received   uint64 // from the guest, in all
	Malformed  uint64 // of these: dropped as unreadable, or neither IPv4 nor ARP
	Spoofed    uint64 // dropped because the source is not the guest's
	Denied     uint64 // dropped by the policy
	Unroutable uint64 // dropped because the destination does not exist

	Sent          uint64 // to the guest
	IngressDenied uint64 // not sent: dropped by the policy
	Overflow      uint64 // not sent: the guest is away or does not keep up
}

// port is the switch's side of a network card.
type port struct {
	net      *Network
	mac      mac
	ip       netip.Addr
	hostname string
	socket   string
	policy   atomic.Pointer[Policy]

	queue     chan wire
	connected atomic.Bool
	count     struct {
		connects, received, malformed, spoofed, denied, unroutable atomic.Uint64
		sent, ingressDenied, overflow                              atomic.Uint64
	}

	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned
	once   sync.Once     // of detach
}

// Attach adds a network card to the network, and reserves its addresses. It
// does not wait for the monitor: the port dials until it is detached.
func (n *Network) Attach(c Port) (*Attachment, error) {
	p, err := n.newPort(c)
	if err != nil {
		return nil, fmt.Errorf("attach %v: %w", c.IP, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if err := n.addPort(p); err != nil {
		cancel()
		close(p.done)
		return nil, fmt.Errorf("attach %v: %w", c.IP, err)
	}
	go p.run(ctx)
	return &Attachment{n, p}, nil
}

func (n *Network) newPort(c Port) (*port, error) {
	m, err := parseHardwareAddr(c.MAC)
	if err != nil {
		return nil, err
	}
	if m == n.mac {
		return nil, errors.New("hardware address is the gateway's")
	}
	if !hostAddress(n.subnet, c.IP) || c.IP == n.gateway {
		return nil, fmt.Errorf("not an address for guests of %v", n.subnet)
	}
	if c.Socket == "" || len(c.Socket) > maxSocket {
		return nil, fmt.Errorf("socket path must have 1 to %d bytes", maxSocket)
	}
	if c.Hostname != "" {
		if err := checkLabel(c.Hostname); err != nil {
			return nil, err
		}
	}
	p := &port{
		net: n, mac: m, ip: c.IP, hostname: canonicalDomain(c.Hostname), socket: c.Socket,
		queue: make(chan wire, queueLength),
		done:  make(chan struct{}),
	}
	p.setPolicy(c.Policy)
	return p, nil
}

// addPort enters a port in the tables of the network. What it tells the stack
// it tells without the lock, for the stack may send at once.
func (n *Network) addPort(p *port) error {
	n.mu.Lock()
	err := n.checkPort(p)
	if err == nil {
		n.flows.admit(p.ip)
		n.dials.admit(p.ip)
		n.byIP[p.ip], n.byMAC[p.mac] = p, p
		if p.hostname != "" {
			n.byName[p.hostname] = p
		}
	}
	n.mu.Unlock()
	if err != nil {
		return err
	}
	if err := n.addNeighbor(p); err != nil {
		n.removePort(p)
		return err
	}
	return nil
}

// checkPort says why a port cannot be added. The lock must be held.
func (n *Network) checkPort(p *port) error {
	switch {
	case n.closed:
		return ErrClosed
	case n.byIP[p.ip] != nil:
		return errors.New("address is in use")
	case n.byMAC[p.mac] != nil:
		return fmt.Errorf("hardware address %v is in use", p.mac)
	case p.hostname != "" && n.byName[p.hostname] != nil:
		return fmt.Errorf("hostname %q is in use", p.hostname)
	}
	return nil
}

// removePort is the opposite of addPort. The addresses become free last, when
// nothing is left that could reach their next owner.
func (n *Network) removePort(p *port) {
	n.flows.expel(p.ip)
	n.dials.expel(p.ip)
	n.removeNeighbor(p)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byIP, p.ip)
	delete(n.byMAC, p.mac)
	if p.hostname != "" {
		delete(n.byName, p.hostname)
	}
}

// detach is the opposite of Attach. When it returns, nothing of the guest is
// left: no frame of its can arrive any more, and its connections are gone.
func (n *Network) detach(p *port) {
	p.once.Do(func() {
		p.cancel()
		<-p.done
		n.removePort(p)
	})
}

// Detach removes the network card, aborts its connections, and frees its
// addresses. Detaching twice is harmless.
func (a *Attachment) Detach() { a.n.detach(a.p) }

// SetPolicy replaces the policy from the next packet on. Nil means [AllowAll].
func (a *Attachment) SetPolicy(policy Policy) { a.p.setPolicy(policy) }

// Stats returns the counters of the port.
func (a *Attachment) Stats() Stats {
	c := &a.p.count
	return Stats{
		Connected:     a.p.connected.Load(),
		Connects:      c.connects.Load(),
		Received:      c.received.Load(),
		Malformed:     c.malformed.Load(),
		Spoofed:       c.spoofed.Load(),
		Denied:        c.denied.Load(),
		Unroutable:    c.unroutable.Load(),
		Sent:          c.sent.Load(),
		IngressDenied: c.ingressDenied.Load(),
		Overflow:      c.overflow.Load(),
	}
}

func (p *port) setPolicy(policy Policy) {
	if policy == nil {
		policy = AllowAll
	}
	p.policy.Store(&policy)
}

func (p *port) allow(dir Direction, pk *Packet) bool { return (*p.policy.Load()).Allow(dir, pk) }

// deliver queues an IPv4 packet for the guest if the policy allows it.
func (p *port) deliver(pk *Packet, w wire) {
	if !p.net.exempt(pk) && !p.allow(ToGuest, pk) {
		p.count.ingressDenied.Add(1)
		return
	}
	p.enqueue(w)
}

// enqueue queues a frame for the guest, or drops it: it never waits, whatever
// the guest does.
func (p *port) enqueue(w wire) {
	if p.connected.Load() {
		select {
		case p.queue <- w:
			return
		default:
		}
	}
	p.count.overflow.Add(1)
}

// run keeps the port connected to its monitor until the context ends.
func (p *port) run(ctx context.Context) {
	defer close(p.done)
	log := p.net.log.With("address", p.ip.String())
	wait := firstRetry
	for ctx.Err() == nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", p.socket)
		if err == nil {
			log.Debug("port connected", "socket", p.socket)
			received := p.count.received.Load()
			err = p.serve(ctx, conn)
			if p.count.received.Load() != received {
				wait = firstRetry // the monitor was there, and meant us
			}
			log.Debug("port disconnected", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait = min(2*wait, lastRetry)
		}
	}
}

// serve exchanges frames over a connection until it fails or the context ends.
func (p *port) serve(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()

	p.drain()
	p.connected.Store(true)
	p.count.connects.Add(1)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer p.connected.Store(false)
	defer cancel()
	writer.Go(func() { defer cancel(); p.writeFrames(ctx, conn) })
	return p.readFrames(conn)
}

// drain drops the frames that were left over from an earlier connection.
func (p *port) drain() {
	for {
		select {
		case <-p.queue:
			p.count.overflow.Add(1)
		default:
			return
		}
	}
}

func (p *port) readFrames(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	skipped := func() {
		p.count.received.Add(1)
		p.count.malformed.Add(1)
	}
	for {
		w, err := readWire(r, p.net.mtu+header.EthernetMinimumSize, skipped)
		if err != nil {
			return err
		}
		p.count.received.Add(1)
		p.net.fromGuest(p, w)
	}
}

func (p *port) writeFrames(ctx context.Context, conn net.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-p.queue:
			if _, err := conn.Write(w); err != nil {
				return
			}
			p.count.sent.Add(1)
		}
	}
}
