package vnet_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"origami/internal/vnet"
)

// exchange asks the resolver at an address from inside a guest.
func (g *guest) exchange(network, server string, q *dns.Msg) *dns.Msg {
	g.t.Helper()
	c := net.Conn(nil)
	if network == "udp" {
		c = g.dialUDP(server)
	} else {
		var err error
		if c, err = g.dial(server); err != nil {
			g.t.Fatal(err)
		}
		defer c.Close()
	}
	client := &dns.Client{Net: network, Timeout: patience}
	var conn net.Conn = c
	if network == "udp" {
		conn = packetConn{c, c.(net.PacketConn)}
	}
	m, _, err := client.ExchangeWithConn(q, &dns.Conn{Conn: conn, UDPSize: dns.MaxMsgSize})
	if err != nil {
		g.t.Fatal(err)
	}
	return m
}

// packetConn makes the DNS client send datagrams.
type packetConn struct {
	net.Conn
	net.PacketConn
}

func (p packetConn) Close() error                       { return p.Conn.Close() }
func (p packetConn) LocalAddr() net.Addr                { return p.Conn.LocalAddr() }
func (p packetConn) SetDeadline(t time.Time) error      { return p.Conn.SetDeadline(t) }
func (p packetConn) SetReadDeadline(t time.Time) error  { return p.Conn.SetReadDeadline(t) }
func (p packetConn) SetWriteDeadline(t time.Time) error { return p.Conn.SetWriteDeadline(t) }

// listenBoth listens on a port that is free for UDP and for TCP.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var errs []error
	for range 100 { // somebody may have the one that the system chose, by TCP
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, ln
		}
		pc.Close()
		errs = append(errs, err)
	}
	t.Fatalf("no port is free for both: %v", errors.Join(errs...))
	return nil, nil
}

// upstream is the host's resolver: it knows one name, and a long answer.
func upstream(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, ln := listenBoth(t)
	at := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		switch name := q.Question[0].Name; name {
		case "example.com.":
			m.Answer = []dns.RR{&dns.AAAA{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 9}, AAAA: net.ParseIP("2001:db8::1")}}
		case "long.example.com.":
			for range 40 {
				m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{strings.Repeat("x", 100)}})
			}
			m.Truncate(size(w))
		default:
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})
	u, s := &dns.Server{PacketConn: pc, Handler: handler}, &dns.Server{Listener: ln, Handler: handler}
	go u.ActivateAndServe()
	go s.ActivateAndServe()
	t.Cleanup(func() { pc.Close(); ln.Close() })
	return at
}

func size(w dns.ResponseWriter) int {
	if w.RemoteAddr().Network() == "tcp" {
		return dns.MaxMsgSize
	}
	return dns.MinMsgSize
}

func TestDNS(t *testing.T) {
	t.Parallel()
	up := upstream(t)
	r := vnet.NewRouter(netip.MustParsePrefix("10.7.0.0/16"))
	n := newNetwork(t, func(c *vnet.Config) { c.Resolvers, c.Router = []netip.AddrPort{up}, r })
	far := newNetwork(t, func(c *vnet.Config) {
		c.Router, c.Subnet = r, netip.MustParsePrefix("10.7.9.0/24")
	})
	g, _ := newBooted(t, n, 10)
	_, leaving := newBooted(t, n, 11)
	newBooted(t, far, 12)

	tests := []struct {
		name  string
		qtype uint16
		rcode int
		want  string // last field of the first answer
	}{
		{"ip-10-7-0-10.ec2.internal.", dns.TypeA, dns.RcodeSuccess, "10.7.0.10"},
		{"IP-10-7-0-11.EC2.internal.", dns.TypeA, dns.RcodeSuccess, "10.7.0.11"},
		{"ip-10-7-9-12.ec2.internal.", dns.TypeA, dns.RcodeSuccess, "10.7.9.12"},
		{"ip-10-7-0-10.ec2.internal.", dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"ip-10-7-0-99.ec2.internal.", dns.TypeA, dns.RcodeNameError, ""},
		{"ec2.internal.", dns.TypeA, dns.RcodeSuccess, ""},
		{"11.0.7.10.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "ip-10-7-0-11.ec2.internal."},
		{"12.9.7.10.in-addr.arpa.", dns.TypePTR, dns.RcodeSuccess, "ip-10-7-9-12.ec2.internal."},
		{"99.0.7.10.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, ""},
		{"example.com.", dns.TypeAAAA, dns.RcodeSuccess, "2001:db8::1"},
		{"nowhere.example.", dns.TypeA, dns.RcodeNameError, ""},
	}
	for _, server := range []string{"10.7.0.1:53", "169.254.169.253:53"} {
		for _, network := range []string{"udp", "tcp"} {
			for _, tt := range tests {
				m := g.exchange(network, server, new(dns.Msg).SetQuestion(tt.name, tt.qtype))
				got := ""
				if len(m.Answer) > 0 {
					f := strings.Fields(m.Answer[0].String())
					got = f[len(f)-1]
				}
				if m.Rcode != tt.rcode || got != tt.want {
					t.Errorf("%s %s %s: got %s %q, want %s %q", network, server, tt.name,
						dns.RcodeToString[m.Rcode], got, dns.RcodeToString[tt.rcode], tt.want)
				}
			}
		}
	}

	leaving.Detach()
	if m := g.exchange("udp", "10.7.0.1:53", new(dns.Msg).SetQuestion("ip-10-7-0-11.ec2.internal.", dns.TypeA)); m.Rcode != dns.RcodeNameError {
		t.Errorf("the name of a guest that left: got %s, want NXDOMAIN", dns.RcodeToString[m.Rcode])
	}
	q := new(dns.Msg).SetQuestion("long.example.com.", dns.TypeTXT)
	if m := g.exchange("udp", "10.7.0.1:53", q); !m.Truncated {
		t.Error("a long answer by UDP is not marked as truncated")
	}
	if m := g.exchange("tcp", "10.7.0.1:53", q); len(m.Answer) != 40 {
		t.Errorf("a long answer by TCP has %d records, want 40", len(m.Answer))
	}
	q = new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	q.Opcode = dns.OpcodeUpdate
	if m := g.exchange("udp", "10.7.0.1:53", q); m.Rcode != dns.RcodeNotImplemented {
		t.Errorf("an update: got %s, want NOTIMP", dns.RcodeToString[m.Rcode])
	}
}

func TestDNSWithoutResolver(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 10)
	if m := g.exchange("udp", "10.7.0.1:53", new(dns.Msg).SetQuestion("example.com.", dns.TypeA)); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %s, want SERVFAIL", dns.RcodeToString[m.Rcode])
	}
}
