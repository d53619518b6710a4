package vnet_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"origami/internal/vnet"
)

// hears reports whether a frame marked "forged" reaches a guest before
// an honest datagram that was sent after it.
func hears(t *testing.T, from, to *guest, frames ...[]byte) bool {
	t.Helper()
	for len(to.seen) > 0 {
		<-to.seen
	}
	for _, f := range frames {
		from.send(f)
	}
	from.send(udpFrame(from.mac, to.mac, netip.AddrPortFrom(from.ip, 1), netip.AddrPortFrom(to.ip, 2), []byte("honest")))
	deadline := time.After(patience)
	for heard := false; ; {
		select {
		case f := <-to.seen:
			switch string(f[max(0, len(f)-6):]) {
			case "honest":
				return heard
			case "forged":
				heard = true
			default:
				// arpFrame's mark is in a field that means nothing in a request.
				heard = heard || len(f) >= 38 && string(f[32:38]) == "forged"
			}
		case <-deadline:
			t.Fatal("an honest datagram was lost")
		}
	}
}

func TestSpoofing(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, at := newBooted(t, n, 41)
	b, _ := newBooted(t, n, 42)
	c, _ := newBooted(t, n, 43)
	from := func(g *guest) netip.AddrPort { return netip.AddrPortFrom(g.ip, 9) }
	to := netip.AddrPortFrom(b.ip, 9)
	forged := []byte("forged")
	vlan := udpFrame(a.mac, b.mac, from(a), to, forged)
	binary.BigEndian.PutUint16(vlan[12:], 0x8100)
	ip6 := udpFrame(a.mac, b.mac, from(a), to, forged)
	binary.BigEndian.PutUint16(ip6[12:], 0x86dd)
	short := udpFrame(a.mac, b.mac, from(a), to, forged)
	binary.BigEndian.PutUint16(short[16:], 2000) // total length
	gateway := net.HardwareAddr{0xfe, 0, 10, 7, 0, 1}
	offer, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer))
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name    string
		frame   []byte
		counted func(vnet.Stats) uint64
	}{
		{"hardware address", udpFrame(c.mac, b.mac, from(a), to, forged), spoofed},
		{"gateway's hardware address", udpFrame(gateway, b.mac, from(a), to, forged), spoofed},
		{"IP address", udpFrame(a.mac, b.mac, from(c), to, forged), spoofed},
		{"gateway's IP address", udpFrame(a.mac, b.mac, netip.MustParseAddrPort("10.7.0.1:53"), to, forged), spoofed},
		{"metadata address", udpFrame(a.mac, b.mac, netip.MustParseAddrPort("169.254.169.254:80"), to, forged), spoofed},
		{"no IP address", udpFrame(a.mac, b.mac, netip.MustParseAddrPort("0.0.0.0:9"), to, forged), spoofed},
		{"ARP sender IP", arpFrame(header.ARPRequest, a.mac, a.mac, c.ip, b.ip), spoofed},
		{"ARP sender hardware address", arpFrame(header.ARPRequest, a.mac, c.mac, a.ip, b.ip), spoofed},
		{"ARP reply as another", arpFrame(header.ARPReply, a.mac, a.mac, c.ip, b.ip), spoofed},
		{"VLAN tag", vlan, malformed},
		{"IPv6", ip6, malformed},
		{"cut short", short, malformed},
		{"runt", []byte("forged"), malformed},
		{"giant", append(make([]byte, 3000), forged...), malformed},
		{"broadcast", udpFrame(a.mac, broadcast, from(a), netip.MustParseAddrPort("10.7.0.255:9"), forged), unroutable},
		{"multicast", udpFrame(a.mac, net.HardwareAddr{1, 0, 0x5e, 0, 0, 1}, from(a), netip.MustParseAddrPort("224.0.0.1:9"), forged), unroutable},
		{"for a third", udpFrame(a.mac, b.mac, from(a), from(c), forged), unroutable},
		{"DHCP server", udpFrame(a.mac, b.mac, netip.AddrPortFrom(a.ip, 67), netip.AddrPortFrom(b.ip, 68), offer.ToBytes()), unroutable},
		{"ARP announcement", arpFrame(header.ARPRequest, a.mac, a.mac, a.ip, a.ip), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := at.Stats()
			if hears(t, a, b, tt.frame) {
				t.Error("it arrived")
			}
			if tt.counted != nil {
				if got, want := tt.counted(at.Stats()), tt.counted(before)+1; got != want {
					t.Errorf("counted %d, want %d", got, want)
				}
			}
		})
	}
	// The instrument works: what is honest is heard.
	if !hears(t, a, b, udpFrame(a.mac, b.mac, from(a), to, forged)) {
		t.Error("an honest frame did not arrive")
	}
	if !hears(t, a, b, arpFrame(header.ARPRequest, a.mac, a.mac, a.ip, b.ip)) {
		t.Error("an honest ARP request did not arrive")
	}
}

func spoofed(s vnet.Stats) uint64    { return s.Spoofed }
func malformed(s vnet.Stats) uint64  { return s.Malformed }
func unroutable(s vnet.Stats) uint64 { return s.Unroutable }

// A lease is for the port, whoever a message says it is from.
func TestDHCPForAnother(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, _ := newBooted(t, n, 51)
	b, _ := newBooted(t, n, 52)
	stolen, err := dhcpv4.NewDiscovery(b.mac)
	if err != nil {
		t.Fatal(err)
	}
	for len(a.seen) > 0 {
		<-a.seen
	}
	any, all := netip.AddrPortFrom(netip.IPv4Unspecified(), 68), netip.MustParseAddrPort("255.255.255.255:67")
	a.send(udpFrame(a.mac, broadcast, any, all, stolen.ToBytes()))
	own, err := dhcpv4.NewDiscovery(a.mac)
	if err != nil {
		t.Fatal(err)
	}
	a.send(udpFrame(a.mac, broadcast, any, all, own.ToBytes()))
	deadline := time.After(patience)
	for {
		select {
		case f := <-a.seen:
			if r := dhcpReply(f); r != nil {
				if r.TransactionID != own.TransactionID {
					t.Error("a guest got an answer in the name of another")
				}
				return
			}
		case <-deadline:
			t.Fatal("no answer to its own message")
		}
	}
}

func TestPausedGuest(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, _ := newBooted(t, n, 61)
	b, _ := newBooted(t, n, 62)
	asleep, at := newBooted(t, n, 63)
	b.echo(7, "b")
	asleep.echo(7, "asleep")

	asleep.paused.Store(true)
	payload := make([]byte, 1400)
	flood := udpFrame(a.mac, asleep.mac, netip.AddrPortFrom(a.ip, 1), netip.AddrPortFrom(asleep.ip, 2), payload)
	for at.Stats().Overflow == 0 {
		a.send(flood) // until the socket and the queue are full
	}
	for range 100 {
		a.send(flood)
		c, err := b.dial("10.7.0.1:53") // the gateway and the other guests
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	c, err := a.dial("10.7.0.62:7")
	wantEcho(t, c, err, "b")
	c, err = n.DialContext(t.Context(), "tcp", "10.7.0.62:7")
	wantEcho(t, c, err, "b")

	asleep.paused.Store(false)
	close(asleep.resume)
	c, err = a.dial("10.7.0.63:7")
	wantEcho(t, c, err, "asleep")
}

func TestRedial(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, a := newBooted(t, n, 71)
	g.echo(22, "again")
	for i := uint64(1); i <= 3; i++ {
		c, err := n.DialContext(t.Context(), "tcp", "10.7.0.71:22")
		wantEcho(t, c, err, "again")
		g.shut()
		eventually(t, "disconnected", func() bool { return !a.Stats().Connected })
		g.listen()
		eventually(t, "connected again", func() bool { s := a.Stats(); return s.Connected && s.Connects == i+1 })
	}
	c, err := n.DialContext(t.Context(), "tcp", "10.7.0.71:22")
	wantEcho(t, c, err, "again")
}

// A second network, as after a restart of the process, finds the guest as the
// first one left it.
func TestRestart(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 72)
	g.echo(22, "still here")
	n.Close()
	n = newNetwork(t)
	a := attach(t, n, g, 72)
	eventually(t, "connected", func() bool { return a.Stats().Connected })
	c, err := n.DialContext(t.Context(), "tcp", "10.7.0.72:22")
	wantEcho(t, c, err, "still here")
}

// A length that no frame can have ends the connection, before anything of that
// length is allocated or read.
func TestImpossibleLength(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, a := newBooted(t, n, 73)
	g.mu.Lock()
	conn := g.conn
	g.mu.Unlock()
	if _, err := conn.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new connection", func() bool { return a.Stats().Connects == 2 })
	g.echo(22, "back")
	c, err := n.DialContext(t.Context(), "tcp", "10.7.0.73:22")
	wantEcho(t, c, err, "back")
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, _ := newBooted(t, n, 81)
	b, at := newBooted(t, n, 82)
	b.echo(22, "ssh")
	b.echo(80, "web")
	a.echo(80, "out")
	at.SetPolicy(vnet.PolicyFunc(func(dir vnet.Direction, p *vnet.Packet) bool {
		if p.Protocol != vnet.TCP {
			return true
		}
		if dir == vnet.ToGuest {
			return p.Dst.Port() != 22
		}
		return p.Dst.Port() != 80
	}))
	open := func(c net.Conn, err error) bool {
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	// denied dials until a packet was counted as denied.
	denied := func(g *guest, to string, count func(vnet.Stats) uint64) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		opened := make(chan bool, 1)
		go func() { opened <- open(g.dialContext(ctx, to)) }()
		eventually(t, "a packet to "+to+" is denied", func() bool { return count(at.Stats()) > 0 })
		cancel()
		if <-opened {
			t.Errorf("%s was reached against the policy", to)
		}
	}
	denied(a, "10.7.0.82:22", func(s vnet.Stats) uint64 { return s.IngressDenied })
	denied(b, "10.7.0.81:80", func(s vnet.Stats) uint64 { return s.Denied })
	c, err := a.dial("10.7.0.82:80")
	wantEcho(t, c, err, "web")
	at.SetPolicy(vnet.PolicyFunc(func(vnet.Direction, *vnet.Packet) bool { return false }))
	if !open(b.dial("10.7.0.1:53")) {
		t.Error("the resolver is subject to the policy")
	}
	b.mustRenew()
	at.SetPolicy(nil)
	c, err = a.dial("10.7.0.82:22")
	wantEcho(t, c, err, "ssh")
}

// mustRenew asks for the lease again.
func (g *guest) mustRenew() {
	g.t.Helper()
	m, err := dhcpv4.NewDiscovery(g.mac)
	if err != nil {
		g.t.Fatal(err)
	}
	if r := g.dhcp(m); r.YourIPAddr.String() != g.ip.String() {
		g.t.Errorf("lease is for %v, want %v", r.YourIPAddr, g.ip)
	}
}

func TestRouter(t *testing.T) {
	t.Parallel()
	r := vnet.NewRouter(netip.MustParsePrefix("10.7.0.0/16"))
	join := func(subnet string) *vnet.Network {
		return newNetwork(t, func(c *vnet.Config) {
			c.Subnet, c.Router = netip.MustParsePrefix(subnet), r
			c.Egress = vnet.Egress{Allow: func(netip.AddrPort) bool {
				t.Error("an address of the VPC was looked for outside")
				return false
			}}
		})
	}
	near, far := join("10.7.1.0/24"), join("10.7.2.0/24")
	a, _ := newBooted(t, near, 11)
	b, bt := newBooted(t, far, 12)
	b.echo(22, "far")
	c, err := a.dial("10.7.2.12:22")
	wantEcho(t, c, err, "far")

	// On the way, a packet loses a hop and takes the router's hardware
	// address; without a hop left it gets lost.
	datagram := udpFrame(a.mac, net.HardwareAddr{0xfe, 0, 10, 7, 1, 1}, netip.AddrPortFrom(a.ip, 9), netip.AddrPortFrom(b.ip, 9), []byte("routed"))
	last := slices.Clone(datagram)
	ip := header.IPv4(last[14:])
	ip.SetTTL(1)
	ip.SetChecksum(0)
	ip.SetChecksum(^ip.CalculateChecksum())
	a.send(last)
	a.send(datagram)
	for deadline := time.After(patience); ; {
		var f []byte
		select {
		case f = <-b.seen:
		case <-deadline:
			t.Fatal("a datagram was not routed")
		}
		if !strings.HasSuffix(string(f), "routed") {
			continue
		}
		h := header.IPv4(f[14:])
		src := net.HardwareAddr(header.Ethernet(f).SourceAddress()).String()
		if h.TTL() != 63 || !h.IsChecksumValid() || src != "fe:00:0a:07:02:01" {
			t.Errorf("routed packet: TTL %d, checksum valid %v, from %s", h.TTL(), h.IsChecksumValid(), src)
		}
		break
	}

	bt.SetPolicy(vnet.PolicyFunc(func(_ vnet.Direction, p *vnet.Packet) bool { return p.Src.Addr() != a.ip }))
	if c, err := a.dialFor("10.7.2.12:22", 300*time.Millisecond); err == nil {
		c.Close()
		t.Error("a policy does not see packets from another subnet")
	}
	for _, nobody := range []string{"10.7.2.99:22", "10.7.9.9:22"} {
		if c, err := a.dialFor(nobody, 100*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("%s answered", nobody)
		}
	}
	if n, err := vnet.New(vnet.Config{Subnet: netip.MustParsePrefix("10.7.2.128/25"), Router: r}); err == nil {
		n.Close()
		t.Error("overlapping subnets were joined")
	}
	far.Close()
	if n, err := vnet.New(vnet.Config{Subnet: netip.MustParsePrefix("10.7.2.128/25"), Router: r}); err != nil {
		t.Errorf("the place of a closed subnet is not free: %v", err)
	} else {
		n.Close()
	}
}

// One guest cannot use up the connections of all.
func TestFlowLimit(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, func(c *vnet.Config) { c.Egress.MaxFlows = 8 })
	ln, err := n.Listen("169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	go serveEcho(ln, "metadata")
	greedy, at := newBooted(t, n, 91)
	modest, _ := newBooted(t, n, 92)
	held := func() net.Conn { // until the service has answered
		c, err := greedy.dial("169.254.169.254:80")
		if err != nil {
			return nil
		}
		c.SetDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(c, make([]byte, len("metadata:"))); err != nil {
			c.Close()
			return nil
		}
		return c
	}
	for i := range 2 { // a quarter of the limit
		if c := held(); c == nil {
			t.Fatalf("connection %d was refused", i)
		}
	}
	if held() != nil {
		t.Error("a guest has more than its share")
	}
	c, err := modest.dial("169.254.169.254:80")
	wantEcho(t, c, err, "metadata")
	at.Detach()
	again, _ := newBooted(t, n, 93)
	c, err = again.dial("169.254.169.254:80")
	wantEcho(t, c, err, "metadata")
}

// The gateway answers for itself and for the addresses that guests may believe
// to be on their own link, and for nobody else.
func TestGatewayARP(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 95)
	gateway := net.HardwareAddr{0xfe, 0, 10, 7, 0, 1}
	for len(g.seen) > 0 {
		<-g.seen
	}
	for _, target := range []string{"10.7.0.99", "169.254.1.1", "8.8.8.8", "169.254.169.254", "169.254.169.253", "10.7.0.1"} {
		g.send(arpFrame(header.ARPRequest, g.mac, g.mac, g.ip, netip.MustParseAddr(target)))
	}
	var got []string
	deadline := time.After(patience)
	for len(got) == 0 || got[len(got)-1] != "10.7.0.1" {
		select {
		case f := <-g.seen:
			h := header.ARP(f[14:])
			if header.Ethernet(f).Type() != header.ARPProtocolNumber || h.Op() != header.ARPReply {
				continue
			}
			if mac := net.HardwareAddr(h.HardwareAddressSender()); mac.String() != gateway.String() {
				t.Errorf("answered by %v, want %v", mac, gateway)
			}
			a, _ := netip.AddrFromSlice(h.ProtocolAddressSender())
			got = append(got, a.String())
		case <-deadline:
			t.Fatalf("the gateway does not answer; so far: %v", got)
		}
	}
	if want := []string{"169.254.169.254", "169.254.169.253", "10.7.0.1"}; !slices.Equal(got, want) {
		t.Errorf("answered for %v, want %v", got, want)
	}
}
