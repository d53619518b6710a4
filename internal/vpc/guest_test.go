package vpc_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"origami"

	"origami/internal/sockettest"
)

// patience is how long a test waits for what must happen, and silence for what
// must not.
const (
	patience = 2 * time.Minute
	silence  = 300 * time.Millisecond
)

// guest is a machine behind the socket of its monitor: a TCP/IP stack whose
// frames travel in QEMU's framing.
type guest struct {
	t      testing.TB
	i      *origami.Instance
	socket string
	stack  *stack.Stack
	link   *channel.Endpoint
	reads  chan struct{} // whose token the monitor needs to read on

	mu   sync.Mutex // guards conn
	conn net.Conn
}

// boot starts the guest of an instance. Its monitor listens before the
// instance is plugged.
func boot(t testing.TB, i *origami.Instance, subnet netip.Prefix) *guest {
	t.Helper()
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{
		t: t, i: i, socket: filepath.Join(sockettest.Dir(t), "n"),
		link:  channel.New(1024, 1500+header.EthernetMinimumSize, tcpip.LinkAddress(mac)),
		reads: make(chan struct{}, 1),
	}
	g.reads <- struct{}{}
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := g.stack.CreateNIC(1, ethernet.New(g.link)); err != nil {
		t.Fatal(err)
	}
	own := tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(i.PrivateIP.As4()), PrefixLen: subnet.Bits()}
	if err := g.stack.AddProtocolAddress(1, tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: own}, stack.AddressProperties{}); err != nil {
		t.Fatal(err)
	}
	g.stack.SetRouteTable([]tcpip.Route{
		{Destination: own.Subnet(), NIC: 1},
		{Destination: header.IPv4EmptySubnet, Gateway: tcpip.AddrFrom4(subnet.Addr().Next().As4()), NIC: 1},
	})
	ln, err := net.Listen("unix", g.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go g.accept(ln)
	go g.transmit(ctx)
	t.Cleanup(func() {
		cancel()
		ln.Close()
		g.stack.Close()
	})
	return g
}

func (g *guest) accept(ln net.Listener) {
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
}

func (g *guest) receive(c net.Conn) {
	for {
		g.reads <- <-g.reads
		var n [4]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(n[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
		g.link.InjectInbound(0, pkt)
		pkt.DecRef()
	}
}

func (g *guest) transmit(ctx context.Context) {
	for {
		pkt := g.link.ReadContext(ctx)
		if pkt == nil {
			return
		}
		v := pkt.ToView()
		frame := append(binary.BigEndian.AppendUint32(nil, uint32(v.Size())), v.AsSlice()...)
		v.Release()
		pkt.DecRef()
		g.mu.Lock()
		if g.conn != nil {
			g.conn.Write(frame)
		}
		g.mu.Unlock()
	}
}

// serve answers each connection to a port with its own name.
func (g *guest) serve(port uint16) {
	g.t.Helper()
	ln, err := gonet.ListenTCP(g.stack, tcpip.FullAddress{NIC: 1, Port: port}, ipv4.ProtocolNumber)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(ln.Shutdown)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
}

// dial connects to a port of an address, within d.
func (g *guest) dial(to netip.Addr, port uint16, d time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	c, err := gonet.DialContextTCP(ctx, g.stack, tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(to.As4()), Port: port}, ipv4.ProtocolNumber)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// datagrams makes a UDP socket of the guest, bound to a port.
func (g *guest) datagrams(port uint16) *gonet.UDPConn {
	g.t.Helper()
	c, err := gonet.DialUDP(g.stack, &tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFrom4(g.i.PrivateIP.As4()), Port: port}, nil, ipv4.ProtocolNumber)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// echoes checks that a connection carries bytes there and back.
func echoes(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatalf("write: %v", err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Fatalf("echo: got %q, %v", b, err)
	}
}

// reaches checks that a guest can connect to a port of another.
func (g *guest) reaches(other *guest, port uint16) net.Conn {
	g.t.Helper()
	c, err := g.dial(other.i.PrivateIP, port, patience)
	if err != nil {
		g.t.Fatalf("%s cannot connect to port %d of %s: %v", g.i.ID, port, other.i.ID, err)
	}
	g.t.Cleanup(func() { c.Close() })
	echoes(g.t, c)
	return c
}

// barred checks that a guest cannot connect to a port of another.
func (g *guest) barred(other *guest, port uint16) {
	g.t.Helper()
	if c, err := g.dial(other.i.PrivateIP, port, silence); err == nil {
		c.Close()
		g.t.Errorf("%s can connect to port %d of %s", g.i.ID, port, other.i.ID)
	}
}
