package vnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"time"

	"github.com/miekg/dns"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
)

const (
	dnsPort        = 53
	dnsTTL         = 60 // seconds, of names of guests
	dnsConcurrent  = 64 // questions that wait for the host's resolvers
	dnsTimeout     = 5 * time.Second
	dnsConnIdle    = 10 * time.Second
	dnsPayload     = 1232 // largest answer by UDP, without fragments
	resolvConf     = "/etc/resolv.conf"
	inAddrArpa     = ".in-addr.arpa"
	maxDNSMessages = 128 // questions on one TCP connection
)

// resolver answers the guests' DNS questions: those about the domain of the
// network itself, all others by asking the host's resolvers. Questions beyond
// its capacity go unanswered, and the guest asks again.
type resolver struct {
	n *Network

	mu      sync.Mutex // guards the following
	waiting map[netip.Addr]int
	total   int
}

// begin counts a question that goes to the host's resolvers. It reports false
// when there are too many, of all guests or of this one.
func (r *resolver) begin(guest netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.total >= dnsConcurrent || r.waiting[guest] >= dnsConcurrent/4 {
		return false
	}
	r.total++
	r.waiting[guest]++
	return true
}

// end is the opposite of begin.
func (r *resolver) end(guest netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.waiting[guest]--; r.waiting[guest] == 0 {
		delete(r.waiting, guest)
	}
}

// startDNS serves the resolver by UDP and TCP.
func (n *Network) startDNS() error {
	r := &resolver{n: n, waiting: make(map[netip.Addr]int)}
	for _, a := range [...]netip.Addr{n.gateway, ResolverAddr} {
		at := netip.AddrPortFrom(a, dnsPort)
		local := fullAddress(at)
		pc, err := gonet.DialUDP(n.stack, &local, nil, ipv4.ProtocolNumber)
		if err != nil {
			return fmt.Errorf("listen for DNS on %v: %w", a, err)
		}
		ln, err := n.Listen(at.String())
		if err != nil {
			pc.Close()
			return err
		}
		context.AfterFunc(n.ctx, func() {
			pc.SetDeadline(time.Unix(1, 0))
			pc.Close()
		})
		n.wg.Go(func() { r.serveUDP(pc) })
		n.wg.Go(func() { r.serveTCP(ln) })
	}
	return nil
}

func (r *resolver) serveUDP(pc net.PacketConn) {
	b := make([]byte, dns.MaxMsgSize)
	for r.n.ctx.Err() == nil {
		k, from, err := pc.ReadFrom(b)
		if err != nil {
			continue // only the end of the network ends this socket
		}
		q := new(dns.Msg)
		if q.Unpack(b[:k]) != nil || q.Response {
			continue
		}
		reply := func(m *dns.Msg) {
			m.Truncate(udpSize(q))
			if out, err := m.Pack(); err == nil {
				pc.WriteTo(out, from)
			}
		}
		if m := r.answer(q); m != nil {
			reply(m)
			continue
		}
		guest := from.(*net.UDPAddr).AddrPort().Addr().Unmap()
		if !r.begin(guest) {
			continue
		}
		r.n.wg.Go(func() {
			defer r.end(guest)
			reply(r.forward("udp", q))
		})
	}
}

// udpSize is the longest answer that the asker takes by UDP.
func udpSize(q *dns.Msg) int {
	if opt := q.IsEdns0(); opt != nil {
		return max(dns.MinMsgSize, min(int(opt.UDPSize()), dnsPayload))
	}
	return dns.MinMsgSize
}

func (r *resolver) serveTCP(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		r.n.wg.Go(func() {
			defer c.Close()
			defer context.AfterFunc(r.n.ctx, func() { c.Close() })()
			r.serveConn(c, c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
		})
	}
}

// serveConn answers the questions on one connection, one after the other.
func (r *resolver) serveConn(c net.Conn, guest netip.Addr) {
	for range maxDNSMessages {
		c.SetDeadline(time.Now().Add(dnsConnIdle))
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(b) != nil || q.Response {
			return
		}
		m := r.answer(q)
		if m == nil {
			if !r.begin(guest) {
				return
			}
			m = r.forward("tcp", q)
			r.end(guest)
		}
		out, err := m.Pack()
		if err != nil || len(out) > dns.MaxMsgSize {
			return
		}
		out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)
		c.SetDeadline(time.Now().Add(dnsConnIdle))
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// answer answers a question that needs nobody else, and returns nil for others.
func (r *resolver) answer(q *dns.Msg) *dns.Msg {
	m := newReply(q)
	switch {
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
	case !r.local(m, q.Question[0]):
		return nil
	}
	return m
}

func newReply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	return m
}

// forward answers a question by asking the host's resolvers. The answer always
// belongs to the guest's question, whatever they say.
func (r *resolver) forward(network string, q *dns.Msg) *dns.Msg {
	m := newReply(q)
	up, err := r.ask(network, q)
	if err != nil {
		r.n.log.Debug("resolve", "name", q.Question[0].Name, "error", err)
		m.Rcode = dns.RcodeServerFailure
		return m
	}
	m.Rcode, m.Truncated, m.AuthenticatedData = up.Rcode, up.Truncated, up.AuthenticatedData
	m.Answer, m.Ns, m.Extra = up.Answer, up.Ns, up.Extra
	return m
}

// local answers questions about the guests' names and addresses, and reports
// whether the question was one.
func (r *resolver) local(m *dns.Msg, q dns.Question) bool {
	name := canonicalDomain(q.Name)
	hdr := dns.RR_Header{Name: q.Name, Class: dns.ClassINET, Ttl: dnsTTL}
	if a, ok := reverseAddr(name); ok && (r.n.subnet.Contains(a) || r.n.router.contains(a)) {
		m.Authoritative = true
		host := r.n.nameOf(a)
		if host == "" {
			m.Rcode = dns.RcodeNameError
		} else if asks(q, dns.TypePTR) {
			hdr.Rrtype = dns.TypePTR
			m.Answer = append(m.Answer, &dns.PTR{Hdr: hdr, Ptr: dns.Fqdn(host)})
		}
		return true
	}
	domain := r.n.domain
	if domain == "" || name != domain && !strings.HasSuffix(name, "."+domain) {
		return false
	}
	m.Authoritative = true
	host, _ := strings.CutSuffix(name, "."+domain)
	if a := r.n.lookup(host); a.IsValid() {
		if asks(q, dns.TypeA) {
			hdr.Rrtype = dns.TypeA
			m.Answer = append(m.Answer, &dns.A{Hdr: hdr, A: a.AsSlice()})
		}
	} else if name != domain {
		m.Rcode = dns.RcodeNameError
	}
	return true
}

func asks(q dns.Question, t uint16) bool {
	return q.Qclass == dns.ClassINET && (q.Qtype == t || q.Qtype == dns.TypeANY)
}

// peers returns the networks whose guests can be named here.
func (n *Network) peers() []*Network {
	if n.router == nil {
		return []*Network{n}
	}
	return n.router.all()
}

// lookup returns the address of a guest in this network's domain.
func (n *Network) lookup(host string) netip.Addr {
	for _, m := range n.peers() {
		if m.domain != n.domain {
			continue
		}
		m.mu.RLock()
		p := m.byName[host]
		m.mu.RUnlock()
		if p != nil {
			return p.ip
		}
	}
	return netip.Addr{}
}

// nameOf returns the full name of a guest, "" if there is none.
func (n *Network) nameOf(a netip.Addr) string {
	for _, m := range n.peers() {
		if p := m.guest(a); p != nil && p.hostname != "" && m.domain != "" {
			return p.hostname + "." + m.domain
		}
	}
	return ""
}

// reverseAddr parses "5.0.0.10.in-addr.arpa".
func reverseAddr(name string) (netip.Addr, bool) {
	s, ok := strings.CutSuffix(name, inAddrArpa)
	if !ok {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, false
	}
	b := a.As4()
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]}), true
}

// ask asks the host's resolvers in turn.
func (r *resolver) ask(network string, q *dns.Msg) (*dns.Msg, error) {
	servers, err := r.upstream()
	if err != nil {
		return nil, err
	}
	up := new(dns.Msg)
	up.Id = dns.Id()
	up.RecursionDesired = q.RecursionDesired
	up.CheckingDisabled = q.CheckingDisabled
	up.Question = q.Question
	if opt := q.IsEdns0(); opt != nil {
		up.SetEdns0(dnsPayload, opt.Do())
	}
	ctx, cancel := context.WithTimeout(r.n.ctx, dnsTimeout)
	defer cancel()
	client := &dns.Client{Net: network, Timeout: dnsTimeout / 2}
	err = errors.New("no resolver is known")
	for _, s := range servers {
		var m *dns.Msg
		if m, _, err = client.ExchangeContext(ctx, up, s); err == nil {
			return m, nil
		}
	}
	return nil, err
}

// upstream returns the addresses of the resolvers to ask.
func (r *resolver) upstream() ([]string, error) {
	var servers []string
	if r.n.resolvers != nil {
		for _, a := range r.n.resolvers {
			servers = append(servers, a.String())
		}
		return servers, nil
	}
	c, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("read the host's resolvers: %w", err)
	}
	for _, s := range c.Servers {
		servers = append(servers, net.JoinHostPort(s, c.Port))
	}
	return servers, nil
}

// canonicalDomain is the form in which names are compared.
func canonicalDomain(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// checkDomain says why a name cannot be the domain of a network.
func checkDomain(s string) error {
	if s == "" {
		return nil
	}
	if len(s) > 200 {
		return errors.New("domain is longer than 200 bytes")
	}
	for label := range strings.SplitSeq(canonicalDomain(s), ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel says why a string cannot be a label of a hostname.
func checkLabel(s string) error {
	bad := func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if s == "" || len(s) > 63 || strings.ContainsFunc(s, bad) || s[0] == '-' || s[len(s)-1] == '-' {
		return fmt.Errorf("%q is not a label of a hostname", s)
	}
	return nil
}
