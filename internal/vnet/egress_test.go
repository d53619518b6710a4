package vnet_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"origami/internal/vnet"
)

// outside is a world that consists of one TCP and one UDP echo service.
type outside struct {
	tcp net.Listener
	udp net.PacketConn

	mu    sync.Mutex // guards asked
	asked []string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close(); pc.Close() })
	go serveEcho(ln, "outside")
	go func() {
		b := make([]byte, 1500)
		for {
			k, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo(append([]byte("outside:"), b[:k]...), from)
		}
	}()
	return &outside{tcp: ln, udp: pc}
}

// dial reaches the service, whatever the address, and notes what was asked.
func (o *outside) dial(ctx context.Context, network, address string) (net.Conn, error) {
	o.mu.Lock()
	o.asked = append(o.asked, network+" "+address)
	o.mu.Unlock()
	to := o.tcp.Addr()
	if network == "udp4" {
		to = o.udp.LocalAddr()
	}
	return new(net.Dialer).DialContext(ctx, to.Network(), to.String())
}

func (o *outside) dialed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.asked...)
}

func TestEgress(t *testing.T) {
	t.Parallel()
	world := newOutside(t)
	allowed := netip.MustParseAddr("198.51.100.7")
	n := newNetwork(t, func(c *vnet.Config) {
		c.Egress = vnet.Egress{Dial: world.dial, Allow: func(dst netip.AddrPort) bool {
			return dst.Addr() != netip.MustParseAddr("198.51.100.8")
		}}
	})
	g, _ := newBooted(t, n, 10)

	c, err := g.dial("198.51.100.7:80")
	wantEcho(t, c, err, "outside")
	u := g.dialUDP(netip.AddrPortFrom(allowed, 123).String())
	for _, word := range []string{"one", "two"} {
		if _, err := u.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		u.SetDeadline(time.Now().Add(patience))
		b := make([]byte, 100)
		k, err := u.Read(b)
		if got, want := string(b[:k]), "outside:"+word; got != want || err != nil {
			t.Errorf("UDP: got %q, %v, want %q", got, err, want)
		}
	}
	if got, want := len(world.dialed()), 2; got != want {
		t.Fatalf("dialed %q, want one connection and one exchange", world.dialed())
	}

	// Whatever the policy says, these do not leave.
	for _, to := range []string{
		"198.51.100.8:80", "169.254.169.254:8080", "169.254.1.1:80", "10.7.0.1:80", "10.7.0.200:80",
		"127.0.0.1:80", "0.0.0.1:80", "240.0.0.1:80", "255.255.255.255:80", "224.0.0.1:80",
	} {
		if c, err := g.dialFor(to, 100*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("%s was reached", to)
		}
	}
	u = g.dialUDP("198.51.100.8:53")
	u.Write([]byte("x"))
	c, err = g.dial("198.51.100.7:81") // arrives after the datagram
	wantEcho(t, c, err, "outside")
	if got, want := len(world.dialed()), 3; got != want {
		t.Errorf("dialed %q, want nothing that is denied", world.dialed())
	}
}

func TestEgressRefusedOutside(t *testing.T) {
	t.Parallel()
	n := newNetwork(t, func(c *vnet.Config) {
		c.Egress.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	})
	g, _ := newBooted(t, n, 10)
	c, err := g.dial("198.51.100.7:80")
	if err == nil {
		c.Close()
		t.Fatal("connected to nothing")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("the refusal was not passed on")
	}
}

// The outside hangs; a guest that tries it often leaves room for the others,
// and Close ends the attempts.
func TestEgressHangs(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 100)
	n := newNetwork(t, func(c *vnet.Config) {
		c.Egress.MaxFlows = 8
		c.Egress.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			began <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	greedy, _ := newBooted(t, n, 10)
	for range 2 {
		go func() {
			if c, err := greedy.dialFor("198.51.100.7:80", patience); err == nil {
				c.Close()
			}
		}()
		<-began
	}
	if c, err := greedy.dial("198.51.100.7:80"); err == nil {
		c.Close()
		t.Error("connected to nothing")
	}
	if len(began) != 0 {
		t.Error("a guest has more attempts than its share")
	}
	modest, _ := newBooted(t, n, 11)
	go func() {
		if c, err := modest.dialFor("198.51.100.7:80", patience); err == nil {
			c.Close()
		}
	}()
	<-began
	n.Close()
}

// A guest that dials into the void by the hundred leaves attempts for the others.
func TestEgressFlood(t *testing.T) {
	t.Parallel()
	var greedyDials atomic.Int64
	begun := make(chan struct{})
	n := newNetwork(t, func(c *vnet.Config) {
		c.Egress.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			if address == "198.51.100.8:80" {
				close(begun)
			} else {
				greedyDials.Add(1)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	})
	greedy, at := newBooted(t, n, 10)
	void, gateway := netip.MustParseAddrPort("198.51.100.7:80"), net.HardwareAddr{0xfe, 0, 10, 7, 0, 1}
	for port := range uint16(300) {
		syn := udpFrame(greedy.mac, gateway, netip.AddrPortFrom(greedy.ip, 1024+port), void, make([]byte, 12))
		syn[14+9], syn[14+20+12], syn[14+20+13] = 6, 5<<4, 2
		at.Inject(syn)
	}
	modest, _ := newBooted(t, n, 11)
	go func() {
		if c, err := modest.dialFor("198.51.100.8:80", patience); err == nil {
			c.Close()
		}
	}()
	<-begun
	if got := greedyDials.Load(); got == 0 || got > 64 {
		t.Errorf("a guest has %d of 256 attempts, want a quarter at most", got)
	}
	n.Close()
}

func TestDefaultPolicies(t *testing.T) {
	t.Parallel()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	notHost, public := vnet.NotHost(), vnet.PublicOnly()
	for _, a := range own {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if to := netip.AddrPortFrom(ip.Unmap(), 22); notHost(to) || public(to) {
			t.Errorf("the host's own address %v is allowed", to)
		}
	}
	for to, want := range map[string]bool{
		"198.51.100.7:80": true, "8.8.8.8:53": true,
		"10.255.255.1:80": false, "172.31.255.1:80": false, "192.168.255.1:80": false, "100.64.0.1:80": false,
	} {
		if got := public(netip.MustParseAddrPort(to)); got != want {
			t.Errorf("PublicOnly(%s) = %v, want %v", to, got, want)
		}
		if !notHost(netip.MustParseAddrPort(to)) {
			t.Errorf("NotHost(%s) = false, want true", to)
		}
	}
}

// By default, a guest does not reach what listens on the host.
func TestHostServiceDenied(t *testing.T) {
	t.Parallel()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(t)
	g, _ := newBooted(t, n, 10)
	tried := 0
	for _, a := range own {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if ip = ip.Unmap(); !ip.Is4() {
			continue
		}
		ln, err := net.Listen("tcp", netip.AddrPortFrom(ip, 0).String())
		if err != nil {
			continue
		}
		go serveEcho(ln, "host")
		tried++
		if c, err := g.dialFor(ln.Addr().String(), 200*time.Millisecond); err == nil {
			c.Close()
			t.Errorf("a service of the host at %v was reached", ln.Addr())
		}
		ln.Close()
	}
	if tried == 0 {
		t.Skip("the host has no address to listen on")
	}
}
