package firewall_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"origami/internal/firewall"
	"origami/internal/vnet"
)

const (
	syn    = 0x02
	ack    = 0x10
	synAck = syn | ack
	fin    = 0x01
	rst    = 0x04
	in     = vnet.ToGuest
	out    = vnet.FromGuest
)

var (
	gateway  = netip.MustParseAddr("10.0.0.1")
	guest    = netip.MustParseAddr("10.0.0.5")
	peer     = netip.MustParseAddr("10.0.0.9")
	stranger = netip.MustParseAddr("203.0.113.7")
)

func from(prefix string, protocol, from, to int) firewall.Rule {
	return firewall.Rule{Protocol: protocol, From: from, To: to, Prefix: netip.MustParsePrefix(prefix)}
}

var everywhere = from("0.0.0.0/0", firewall.AnyProtocol, 0, 0)

func tcp(dir vnet.Direction, remote netip.Addr, rport, lport uint16, flags uint8) *vnet.Packet {
	p := &vnet.Packet{Protocol: vnet.TCP, Src: netip.AddrPortFrom(remote, rport), Dst: netip.AddrPortFrom(guest, lport), TCPFlags: flags}
	if dir == out {
		p.Src, p.Dst = p.Dst, p.Src
	}
	return p
}

func udp(dir vnet.Direction, remote netip.Addr, rport, lport uint16) *vnet.Packet {
	p := tcp(dir, remote, rport, lport, 0)
	p.Protocol = vnet.UDP
	return p
}

func icmp(dir vnet.Direction, remote netip.Addr, kind, code uint8, id uint16) *vnet.Packet {
	p := tcp(dir, remote, 0, 0, 0)
	p.Protocol, p.ICMPType, p.ICMPCode, p.ICMPID = vnet.ICMP, kind, code, id
	return p
}

// want checks what a guard says about a packet.
func want(t *testing.T, g *firewall.Guard, dir vnet.Direction, p *vnet.Packet, want bool, what string) {
	t.Helper()
	if got := g.Allow(dir, p); got != want {
		t.Errorf("%s: allowed %v, want %v", what, got, want)
	}
}

// handshake passes the three segments that open a connection.
func handshake(t *testing.T, g *firewall.Guard, opener vnet.Direction, remote netip.Addr, rport, lport uint16) {
	t.Helper()
	other := in + out - opener
	want(t, g, opener, tcp(opener, remote, rport, lport, syn), true, "SYN")
	want(t, g, other, tcp(other, remote, rport, lport, synAck), true, "SYN ACK")
	want(t, g, opener, tcp(opener, remote, rport, lport, ack), true, "ACK")
}

// Each rule lets pass what it is about, by itself.
func TestRules(t *testing.T) {
	t.Parallel()
	members := new(firewall.Group)
	members.Add(peer)
	rules := firewall.Compile([]firewall.Rule{
		from("203.0.113.0/24", vnet.TCP, 22, 22),
		from("203.0.113.0/24", vnet.UDP, 1000, 2000),
		from("203.0.113.0/24", vnet.ICMP, 8, firewall.Any),
		from("203.0.113.0/24", 47, 0, 0),
		{Protocol: firewall.AnyProtocol, Group: members},
	}, []firewall.Rule{from("198.51.100.0/24", vnet.TCP, 443, 443)})
	proto := func(p *vnet.Packet, n uint8) *vnet.Packet { p.Protocol = n; return p }
	other := netip.MustParseAddr("198.51.100.3")
	for name, c := range map[string]struct {
		dir  vnet.Direction
		p    *vnet.Packet
		want bool
	}{
		"TCP port":                    {in, tcp(in, stranger, 999, 22, syn), true},
		"TCP port below":              {in, tcp(in, stranger, 999, 21, syn), false},
		"TCP port above":              {in, tcp(in, stranger, 999, 23, syn), false},
		"TCP from the port":           {in, tcp(in, stranger, 22, 999, syn), false},
		"TCP of the wrong network":    {in, tcp(in, other, 999, 22, syn), false},
		"UDP first of range":          {in, udp(in, stranger, 9, 1000), true},
		"UDP last of range":           {in, udp(in, stranger, 9, 2000), true},
		"UDP behind range":            {in, udp(in, stranger, 9, 2001), false},
		"UDP on a port of TCP":        {in, udp(in, stranger, 9, 22), false},
		"ICMP type, any code":         {in, icmp(in, stranger, 8, 3, 1), true},
		"ICMP other type":             {in, icmp(in, stranger, 13, 0, 1), false},
		"ICMP reply nobody asked for": {in, icmp(in, stranger, 0, 0, 1), false},
		"other protocol":              {in, proto(udp(in, stranger, 0, 0), 47), true},
		"another other protocol":      {in, proto(udp(in, stranger, 0, 0), 50), false},
		"member, TCP":                 {in, tcp(in, peer, 1, 1, syn), true},
		"member, UDP":                 {in, udp(in, peer, 1, 65535), true},
		"member, ICMP":                {in, icmp(in, peer, 13, 0, 1), true},
		"member, other":               {in, proto(udp(in, peer, 0, 0), 50), true},
		"egress":                      {out, tcp(out, other, 443, 999, syn), true},
		"egress, other port":          {out, tcp(out, other, 444, 999, syn), false},
		"egress, other network":       {out, tcp(out, stranger, 443, 999, syn), false},
		"egress to a member":          {out, tcp(out, peer, 443, 999, syn), false},
	} {
		g := firewall.New(gateway, rules)
		want(t, g, c.dir, c.p, c.want, name)
	}
	members.Remove(peer)
	want(t, firewall.New(gateway, rules), in, tcp(in, peer, 1, 1, syn), false, "member no more")
	want(t, firewall.New(gateway, nil), out, tcp(out, stranger, 1, 1, syn), false, "no rules")
}

func TestReplies(t *testing.T) {
	t.Parallel()
	t.Run("of TCP to the guest", func(t *testing.T) {
		g := firewall.New(gateway, firewall.Compile([]firewall.Rule{from("0.0.0.0/0", vnet.TCP, 80, 80)}, nil))
		handshake(t, g, in, stranger, 5000, 80)
		want(t, g, out, tcp(out, stranger, 5000, 80, ack), true, "data of the guest")
		want(t, g, out, tcp(out, stranger, 5001, 80, synAck), false, "reply to nothing")
		want(t, g, out, tcp(out, stranger, 5000, 80, syn), false, "connection of the guest to where its client is")
	})
	t.Run("of TCP from the guest", func(t *testing.T) {
		g := firewall.New(gateway, firewall.Compile(nil, []firewall.Rule{everywhere}))
		want(t, g, in, tcp(in, stranger, 443, 5000, synAck), false, "reply before the question")
		handshake(t, g, out, stranger, 443, 5000)
		want(t, g, in, tcp(in, stranger, 443, 5000, syn), false, "connection from where a server is")
		want(t, g, in, tcp(in, peer, 443, 5000, ack), false, "somebody else's segment")
	})
	t.Run("of UDP", func(t *testing.T) {
		g := firewall.New(gateway, firewall.Compile(nil, []firewall.Rule{from("0.0.0.0/0", vnet.UDP, 123, 123)}))
		want(t, g, in, udp(in, stranger, 123, 5000), false, "reply before the question")
		want(t, g, out, udp(out, stranger, 123, 5000), true, "question")
		want(t, g, in, udp(in, stranger, 123, 5000), true, "reply")
		want(t, g, in, udp(in, stranger, 124, 5000), false, "reply from another port")
	})
	t.Run("of echoes", func(t *testing.T) {
		g := firewall.New(gateway, firewall.Compile(nil, []firewall.Rule{everywhere}))
		want(t, g, out, icmp(out, stranger, 8, 0, 7), true, "echo request")
		want(t, g, in, icmp(in, stranger, 0, 0, 7), true, "echo reply")
		want(t, g, in, icmp(in, stranger, 0, 0, 8), false, "reply to another's echo")
		want(t, g, in, icmp(in, stranger, 8, 0, 7), false, "echo request the other way")
	})
	t.Run("errors about a flow", func(t *testing.T) {
		g := firewall.New(gateway, firewall.Compile(nil, []firewall.Rule{everywhere}))
		want(t, g, out, udp(out, stranger, 33434, 5000), true, "probe")
		about := func(p *vnet.Packet) *vnet.Packet {
			e := icmp(in, peer, 3, 3, 0) // from a router, say
			e.Quoted = p
			return e
		}
		want(t, g, in, about(udp(out, stranger, 33434, 5000)), true, "error about the probe")
		want(t, g, in, about(udp(out, stranger, 33435, 5000)), false, "error about nothing")
		want(t, g, in, about(nil), false, "error that quotes nothing")
	})
}

// A rule that goes stops what is new and what is one-sided, and nothing that
// was established.
func TestRevoke(t *testing.T) {
	t.Parallel()
	open := firewall.Compile([]firewall.Rule{everywhere}, []firewall.Rule{everywhere})
	g := firewall.New(gateway, open)
	handshake(t, g, in, stranger, 5000, 80)
	want(t, g, in, tcp(in, stranger, 5001, 80, syn), true, "half a handshake")
	want(t, g, out, tcp(out, stranger, 5001, 80, synAck), true, "half a handshake")
	want(t, g, in, udp(in, stranger, 6000, 53), true, "datagram without answer")
	want(t, g, in, udp(in, stranger, 6001, 53), true, "datagram")
	want(t, g, out, udp(out, stranger, 6001, 53), true, "its answer")
	want(t, g, in, icmp(in, stranger, 8, 0, 7), true, "echo")
	want(t, g, out, icmp(out, stranger, 0, 0, 7), true, "its reply")

	g.SetRules(nil)
	want(t, g, in, tcp(in, stranger, 5000, 80, ack), true, "established connection")
	want(t, g, out, tcp(out, stranger, 5000, 80, ack), true, "established connection, the other way")
	want(t, g, in, tcp(in, stranger, 5000, 80, syn), false, "new connection from the same port")
	want(t, g, in, tcp(in, stranger, 5001, 80, ack), false, "end of the handshake")
	want(t, g, in, tcp(in, stranger, 5002, 80, syn), false, "new connection")
	want(t, g, in, udp(in, stranger, 6000, 53), false, "datagrams that nobody answered")
	want(t, g, in, udp(in, stranger, 6001, 53), true, "datagrams that were answered")
	want(t, g, in, icmp(in, stranger, 8, 0, 7), false, "the next echo")
	want(t, g, out, udp(out, stranger, 9, 9), false, "new datagram of the guest")

	g.SetRules(open)
	want(t, g, in, tcp(in, stranger, 5002, 80, syn), true, "after the rule is back")
}

func TestGateway(t *testing.T) {
	t.Parallel()
	g := firewall.New(gateway, nil)
	handshake(t, g, in, gateway, 5000, 22)
	want(t, g, in, udp(in, gateway, 5000, 22), false, "UDP of the gateway")
	want(t, g, out, tcp(out, gateway, 80, 5000, syn), false, "connection to the gateway")
}

// Flows end: by what TCP says, and by silence.
func TestEnds(t *testing.T) {
	t.Parallel()
	rules := firewall.Compile(nil, []firewall.Rule{everywhere})
	t.Run("FIN", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := firewall.New(gateway, rules)
			handshake(t, g, out, stranger, 443, 5000)
			want(t, g, out, tcp(out, stranger, 443, 5000, fin|ack), true, "FIN")
			time.Sleep(time.Hour)
			want(t, g, in, tcp(in, stranger, 443, 5000, ack), true, "data after half the end")
			want(t, g, in, tcp(in, stranger, 443, 5000, fin|ack), true, "FIN back")
			want(t, g, out, tcp(out, stranger, 443, 5000, ack), true, "last ACK")
			time.Sleep(11 * time.Second)
			want(t, g, in, tcp(in, stranger, 443, 5000, ack), false, "data after the end")
		})
	})
	t.Run("RST", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := firewall.New(gateway, rules)
			handshake(t, g, out, stranger, 443, 5000)
			want(t, g, in, tcp(in, stranger, 443, 5000, rst), true, "RST")
			time.Sleep(11 * time.Second)
			want(t, g, in, tcp(in, stranger, 443, 5000, ack), false, "data after the reset")
		})
	})
	for name, c := range map[string]struct {
		after  time.Duration
		passes bool
		open   func(t *testing.T, g *firewall.Guard)
		packet *vnet.Packet
	}{
		"TCP, established": {4 * 24 * time.Hour, true, func(t *testing.T, g *firewall.Guard) { handshake(t, g, out, stranger, 443, 5000) }, tcp(in, stranger, 443, 5000, ack)},
		"TCP, too long":    {6 * 24 * time.Hour, false, func(t *testing.T, g *firewall.Guard) { handshake(t, g, out, stranger, 443, 5000) }, tcp(in, stranger, 443, 5000, ack)},
		"TCP, half open": {61 * time.Second, false, func(t *testing.T, g *firewall.Guard) {
			want(t, g, out, tcp(out, stranger, 443, 5000, syn), true, "SYN")
		}, tcp(in, stranger, 443, 5000, synAck)},
		"UDP, asked": {29 * time.Second, true, func(t *testing.T, g *firewall.Guard) {
			want(t, g, out, udp(out, stranger, 53, 5000), true, "question")
		}, udp(in, stranger, 53, 5000)},
		"UDP, asked too long ago": {31 * time.Second, false, func(t *testing.T, g *firewall.Guard) {
			want(t, g, out, udp(out, stranger, 53, 5000), true, "question")
		}, udp(in, stranger, 53, 5000)},
		"UDP, in conversation": {179 * time.Second, true, func(t *testing.T, g *firewall.Guard) {
			want(t, g, out, udp(out, stranger, 53, 5000), true, "question")
			want(t, g, in, udp(in, stranger, 53, 5000), true, "answer")
		}, udp(in, stranger, 53, 5000)},
		"UDP, silent": {181 * time.Second, false, func(t *testing.T, g *firewall.Guard) {
			want(t, g, out, udp(out, stranger, 53, 5000), true, "question")
			want(t, g, in, udp(in, stranger, 53, 5000), true, "answer")
		}, udp(in, stranger, 53, 5000)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := firewall.New(gateway, rules)
				c.open(t, g)
				time.Sleep(c.after)
				want(t, g, in, c.packet, c.passes, "after "+c.after.String())
			})
		})
	}
}

// Later fragments follow the first one.
func TestFragments(t *testing.T) {
	t.Parallel()
	g := firewall.New(gateway, firewall.Compile([]firewall.Rule{from("0.0.0.0/0", vnet.UDP, 53, 53)}, nil))
	first := func(port, id uint16) *vnet.Packet {
		p := udp(in, stranger, 5000, port)
		p.More, p.ID = true, id
		return p
	}
	later := func(remote netip.Addr, id uint16) *vnet.Packet {
		p := udp(in, remote, 0, 0)
		p.Fragment, p.ID = 1480, id
		return p
	}
	want(t, g, in, later(stranger, 1), false, "fragment before the first")
	want(t, g, in, first(53, 1), true, "first fragment")
	want(t, g, in, later(stranger, 1), true, "later fragment")
	want(t, g, in, later(stranger, 2), false, "of another packet")
	want(t, g, in, later(peer, 1), false, "of another sender")
	want(t, g, out, later(stranger, 1), false, "in the other direction")
	want(t, g, in, first(54, 3), false, "first fragment to a closed port")
	want(t, g, in, later(stranger, 3), false, "its later fragment")
}

// A flood from outside takes nothing from what the guest opened, and what was
// established outlives what was not.
func TestFlood(t *testing.T) {
	t.Parallel()
	g := firewall.New(gateway, firewall.Compile([]firewall.Rule{from("0.0.0.0/0", vnet.TCP, 80, 80)}, []firewall.Rule{from("0.0.0.0/0", vnet.TCP, 443, 443)}))
	handshake(t, g, out, peer, 443, 5000)
	handshake(t, g, in, peer, 5000, 80)
	for n := range uint32(3 * firewall.MaxFlows) {
		remote := netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})
		want(t, g, in, tcp(in, remote, 1, 80, syn), true, "SYN of the flood")
	}
	want(t, g, in, tcp(in, peer, 443, 5000, ack), true, "reply to the guest")
	want(t, g, out, tcp(out, peer, 5000, 80, ack), true, "reply of the guest in an established connection")
	for n := range uint32(3 * firewall.MaxFlows) {
		remote := netip.AddrFrom4([4]byte{100, byte(n >> 16), byte(n >> 8), byte(n)})
		want(t, g, out, tcp(out, remote, 443, 1, syn), true, "SYN of the guest")
	}
	want(t, g, in, tcp(in, peer, 443, 5000, ack), true, "reply to the guest, after its own flood")
}

func TestAdmits(t *testing.T) {
	t.Parallel()
	r := firewall.Compile([]firewall.Rule{from("127.0.0.0/8", vnet.TCP, 22, 22)}, nil)
	if !r.Admits(netip.MustParseAddr("127.0.0.1"), 22) {
		t.Error("a client that a rule allows is not admitted")
	}
	if r.Admits(netip.MustParseAddr("127.0.0.1"), 23) || r.Admits(stranger, 22) {
		t.Error("a client that no rule allows is admitted")
	}
}

// Random packets: without rules nothing passes, with all rules all of it.
func TestExtremes(t *testing.T) {
	t.Parallel()
	closed := firewall.New(gateway, nil)
	open := firewall.New(gateway, firewall.Compile([]firewall.Rule{everywhere}, []firewall.Rule{everywhere}))
	for range 20000 {
		remote := netip.AddrFrom4([4]byte{10, 1, 0, byte(rand.N(4))})
		dir := vnet.Direction(rand.N(2))
		p := tcp(dir, remote, uint16(rand.N(3)), uint16(rand.N(3)), uint8(rand.N(64)))
		p.Protocol = []uint8{vnet.TCP, vnet.UDP, vnet.ICMP, 47}[rand.N(4)]
		p.ICMPType, p.ICMPID = uint8(rand.N(14)), uint16(rand.N(2))
		if closed.Allow(dir, p) {
			t.Fatalf("without rules %+v passes", p)
		}
		if !open.Allow(dir, p) {
			t.Fatalf("with all rules %+v does not pass", p)
		}
	}
}

func BenchmarkAllow(b *testing.B) {
	var rules []firewall.Rule
	for n := range 300 { // five groups with all the rules that they may have
		rules = append(rules, from(fmt.Sprintf("10.%d.0.0/16", n%256), vnet.TCP, 1000+n, 1000+n))
	}
	g := firewall.New(gateway, firewall.Compile(rules, rules))
	last := netip.MustParseAddr("10.43.0.1")
	b.Run("established", func(b *testing.B) {
		g.Allow(in, tcp(in, last, 5000, 1299, syn))
		g.Allow(out, tcp(out, last, 5000, 1299, synAck))
		p := tcp(in, last, 5000, 1299, ack)
		if !g.Allow(in, p) {
			b.Fatal("not allowed")
		}
		for b.Loop() {
			g.Allow(in, p)
		}
	})
	b.Run("new", func(b *testing.B) {
		n := 0
		for b.Loop() {
			n++
			g.Allow(in, tcp(in, last, uint16(n), 1299, syn))
		}
	})
	b.Run("denied", func(b *testing.B) {
		p := tcp(in, stranger, 5000, 22, syn)
		for b.Loop() {
			g.Allow(in, p)
		}
	})
}
