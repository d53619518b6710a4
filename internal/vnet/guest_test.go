package vnet_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"origami/internal/sockettest"
	"origami/internal/vnet"
)

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// guest is a machine and its monitor: a TCP/IP stack behind a UNIX socket that
// speaks QEMU's stream framing.
type guest struct {
	t      testing.TB
	mac    net.HardwareAddr
	socket string
	ip     netip.Addr // after boot
	stack  *stack.Stack
	link   *channel.Endpoint
	seen   chan []byte // every frame that arrives; lossy
	paused atomic.Bool // the monitor does not read its socket
	resume chan struct{}

	mu   sync.Mutex // guards the following
	ln   net.Listener
	conn net.Conn
}

// newGuest starts a monitor that listens on a socket of its own.
func newGuest(t testing.TB, last byte) *guest {
	t.Helper()
	mac := net.HardwareAddr{0x0a, 0, 0, 0, 0, last}
	g := &guest{
		t: t, mac: mac, socket: filepath.Join(sockettest.Dir(t), "n"),
		link:   channel.New(1024, 1500+header.EthernetMinimumSize, tcpip.LinkAddress(mac)),
		seen:   make(chan []byte, 4096),
		resume: make(chan struct{}),
	}
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	if err := g.stack.CreateNIC(1, ethernet.New(g.link)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			pkt := g.link.ReadContext(ctx)
			if pkt == nil {
				return
			}
			v := pkt.ToView()
			g.send(append([]byte(nil), v.AsSlice()...))
			v.Release()
			pkt.DecRef()
		}
	}()
	g.listen()
	t.Cleanup(func() {
		cancel()
		g.shut()
		g.stack.Close()
	})
	return g
}

// listen makes the monitor listen; shut makes it hang up and go away.
func (g *guest) listen() {
	ln, err := net.Listen("unix", g.socket)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.ln = ln
	g.mu.Unlock()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.conn = c
			g.mu.Unlock()
			g.receive(c)
		}
	}()
}

func (g *guest) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ln.Close()
	if g.conn != nil {
		g.conn.Close()
	}
}

func (g *guest) receive(c net.Conn) {
	for {
		if g.paused.Load() {
			<-g.resume
		}
		var n [4]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		select {
		case g.seen <- b:
		default:
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
		g.link.InjectInbound(0, pkt)
		pkt.DecRef()
	}
}

// send puts a frame on the wire, whatever it says.
func (g *guest) send(frame []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn != nil {
		g.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...))
	}
}

// boot asks for an address by DHCP, as init would, and configures the stack.
func (g *guest) boot() *dhcpv4.DHCPv4 {
	g.t.Helper()
	discover, err := dhcpv4.NewDiscovery(g.mac)
	if err != nil {
		g.t.Fatal(err)
	}
	offer := g.dhcp(discover)
	if got, want := offer.MessageType(), dhcpv4.MessageTypeOffer; got != want {
		g.t.Fatalf("answer to DISCOVER is %v, want %v", got, want)
	}
	request, err := dhcpv4.NewRequestFromOffer(offer)
	if err != nil {
		g.t.Fatal(err)
	}
	ack := g.dhcp(request)
	if got, want := ack.MessageType(), dhcpv4.MessageTypeAck; got != want {
		g.t.Fatalf("answer to REQUEST is %v, want %v", got, want)
	}
	ip, _ := netip.AddrFromSlice(ack.YourIPAddr.To4())
	ones, _ := ack.SubnetMask().Size()
	router, _ := netip.AddrFromSlice(ack.Router()[0].To4())
	g.configure(netip.PrefixFrom(ip, ones), router)
	return ack
}

func (g *guest) configure(p netip.Prefix, router netip.Addr) {
	g.t.Helper()
	g.ip = p.Addr()
	own := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(p.Addr().As4()), PrefixLen: p.Bits()}
	if err := g.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber, AddressWithPrefix: own}, stack.AddressProperties{}); err != nil {
		g.t.Fatal(err)
	}
	g.stack.SetRouteTable([]tcpip.Route{
		{Destination: own.Subnet(), NIC: 1},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4(router.As4()), NIC: 1},
	})
}

// dhcp sends a message until it is answered. A request, which has the number of
// the discovery before it, is not answered by one more offer.
func (g *guest) dhcp(m *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	g.t.Helper()
	deadline := time.After(patience)
	for {
		g.send(udpFrame(g.mac, broadcast, netip.AddrPortFrom(netip.IPv4Unspecified(), 68),
			netip.MustParseAddrPort("255.255.255.255:67"), m.ToBytes()))
		again := time.After(50 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case f := <-g.seen:
				r := dhcpReply(f)
				if r == nil || r.TransactionID != m.TransactionID {
					continue
				}
				if m.MessageType() != dhcpv4.MessageTypeRequest || r.MessageType() != dhcpv4.MessageTypeOffer {
					return r
				}
			case <-again:
				waiting = false
			case <-deadline:
				g.t.Fatal("no answer to DHCP")
			}
		}
	}
}

// dhcpReply returns the DHCP message in a frame from a server, if it is one
// with sound checksums.
func dhcpReply(f []byte) *dhcpv4.DHCPv4 {
	if len(f) < 42 || header.Ethernet(f).Type() != header.IPv4ProtocolNumber {
		return nil
	}
	ip := header.IPv4(f[14:])
	if !ip.IsValid(len(ip)) || !ip.IsChecksumValid() || ip.Protocol() != 17 {
		return nil
	}
	u := header.UDP(ip.Payload())
	if u.SourcePort() != 67 || !u.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(u.Payload(), 0)) {
		return nil
	}
	m, err := dhcpv4.FromBytes(u.Payload())
	if err != nil {
		return nil
	}
	return m
}

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// udpFrame makes a whole frame, true or not.
func udpFrame(srcMAC, dstMAC net.HardwareAddr, src, dst netip.AddrPort, payload []byte) []byte {
	b := make([]byte, 14+20+8+len(payload))
	header.Ethernet(b).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(srcMAC), DstAddr: tcpip.LinkAddress(dstMAC), Type: header.IPv4ProtocolNumber})
	ip := header.IPv4(b[14:])
	ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(ip)), TTL: 64, Protocol: 17,
		SrcAddr: tcpip.AddrFrom4(src.Addr().As4()), DstAddr: tcpip.AddrFrom4(dst.Addr().As4())})
	ip.SetChecksum(^ip.CalculateChecksum())
	u := header.UDP(ip[20:])
	u.Encode(&header.UDPFields{SrcPort: src.Port(), DstPort: dst.Port(), Length: uint16(len(u))})
	copy(u[8:], payload)
	sum := header.PseudoHeaderChecksum(17, ip.SourceAddress(), ip.DestinationAddress(), uint16(len(u)))
	u.SetChecksum(^u.CalculateChecksum(checksum.Checksum(payload, sum)))
	return b
}

// arpFrame makes an ARP frame that can be recognised.
func arpFrame(op header.ARPOp, ethSrc, sender net.HardwareAddr, senderIP, target netip.Addr) []byte {
	b := make([]byte, 14+header.ARPSize)
	header.Ethernet(b).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(ethSrc), DstAddr: tcpip.LinkAddress(broadcast), Type: header.ARPProtocolNumber})
	h := header.ARP(b[14:])
	h.SetIPv4OverEthernet()
	h.SetOp(op)
	copy(h.HardwareAddressSender(), sender)
	copy(h.ProtocolAddressSender(), senderIP.AsSlice())
	copy(h.HardwareAddressTarget(), "forged")
	copy(h.ProtocolAddressTarget(), target.AsSlice())
	return b
}

// dial connects from inside the guest.
func (g *guest) dial(address string) (net.Conn, error) { return g.dialFor(address, patience) }

// dialUDP makes a connected UDP socket inside the guest.
func (g *guest) dialUDP(address string) net.Conn {
	g.t.Helper()
	a := netip.MustParseAddrPort(address)
	c, err := gonet.DialUDP(g.stack, nil, &tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}, ipv4.ProtocolNumber)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// echo serves an echo service that sends back what it gets after its name.
func (g *guest) echo(port uint16, name string) {
	g.t.Helper()
	ln, err := gonet.ListenTCP(g.stack, tcpip.FullAddress{NIC: 1, Port: port}, ipv4.ProtocolNumber)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(ln.Shutdown)
	go serveEcho(ln, name)
}

func serveEcho(ln net.Listener, name string) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.WriteString(c, name+":")
			io.Copy(c, c)
		}()
	}
}

// ask sends a line to an echo service and returns all that comes back.
func ask(c net.Conn, line string) (string, error) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, line); err != nil {
		return "", err
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

// wantEcho checks that a dialed connection reaches the named echo service.
func wantEcho(t testing.TB, c net.Conn, err error, name string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ask(c, "hello")
	if want := name + ":hello"; got != want || err != nil {
		t.Fatalf("echo: got %q, %v; want %q", got, err, want)
	}
}

// newNetwork starts a network of the tests' subnet.
func newNetwork(t testing.TB, change ...func(*vnet.Config)) *vnet.Network {
	t.Helper()
	c := vnet.Config{
		Subnet:    netip.MustParsePrefix("10.7.0.0/24"),
		Domain:    "ec2.internal",
		Resolvers: []netip.AddrPort{},
	}
	for _, f := range change {
		f(&c)
	}
	n, err := vnet.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

// attach attaches a guest to the address that ends in last.
func attach(t testing.TB, n *vnet.Network, g *guest, last byte) *vnet.Attachment {
	t.Helper()
	a, err := n.Attach(port(n, g, last))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func port(n *vnet.Network, g *guest, last byte) vnet.Port {
	b := n.Subnet().Addr().As4()
	b[3] = last
	return vnet.Port{
		MAC: g.mac, IP: netip.AddrFrom4(b), Socket: g.socket,
		Hostname: fmt.Sprintf("ip-%d-%d-%d-%d", b[0], b[1], b[2], b[3]),
	}
}

// newBooted returns a guest that is attached and has its address.
func newBooted(t testing.TB, n *vnet.Network, last byte) (*guest, *vnet.Attachment) {
	t.Helper()
	g := newGuest(t, last)
	a := attach(t, n, g, last)
	g.boot()
	return g, a
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// ping sends an echo request and reports whether a reply came. A silent
// address is told from a slow one by a ping of the gateway that follows.
func (g *guest) ping(to netip.Addr, fence bool) bool {
	g.t.Helper()
	c := g.dialPing(to)
	if fence {
		f := g.dialPing(netip.AddrFrom4([4]byte{g.ip.As4()[0], g.ip.As4()[1], g.ip.As4()[2], 1}))
		f.SetDeadline(time.Now().Add(patience))
		if _, err := f.Read(make([]byte, 64)); err != nil {
			g.t.Fatalf("ping the gateway: %v", err)
		}
		c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	} else {
		c.SetDeadline(time.Now().Add(patience))
	}
	_, err := c.Read(make([]byte, 64))
	return err == nil
}

// dialPing sends an echo request and returns the socket where replies arrive.
func (g *guest) dialPing(to netip.Addr) net.Conn {
	g.t.Helper()
	var wq waiter.Queue
	ep, err := g.stack.NewEndpoint(icmp.ProtocolNumber4, ipv4.ProtocolNumber, &wq)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := ep.Connect(tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(to.As4())}); err != nil {
		g.t.Fatal(err)
	}
	c := gonet.NewUDPConn(&wq, ep)
	g.t.Cleanup(func() { c.Close() })
	req := header.ICMPv4(make([]byte, header.ICMPv4MinimumSize+8))
	req.SetType(header.ICMPv4Echo)
	if _, err := c.Write(req); err != nil {
		g.t.Fatal(err)
	}
	return c
}

// dialFor is dial with less patience, for what must not answer.
func (g *guest) dialFor(address string, d time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return g.dialContext(ctx, address)
}

// dialContext connects from inside the guest before ctx ends.
func (g *guest) dialContext(ctx context.Context, address string) (net.Conn, error) {
	a := netip.MustParseAddrPort(address)
	c, err := gonet.DialContextTCP(ctx, g.stack, tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}, ipv4.ProtocolNumber)
	if err != nil {
		return nil, err
	}
	return c, nil
}
