package vnet_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"origami/internal/vnet"
)

// loopback returns an address of the host that only this test uses. Hosts
// other than Linux may have 127.0.0.1 only.
func loopback(t *testing.T, last byte) netip.Addr {
	t.Helper()
	a := netip.AddrFrom4([4]byte{127, 77, byte(os.Getpid()), last})
	ln, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
	if err != nil {
		t.Skipf("no loopback address of its own: %v", err)
	}
	ln.Close()
	return a
}

func TestPublicAddress(t *testing.T) {
	t.Parallel()
	host := loopback(t, 1)
	n := newNetwork(t)
	g, at := newBooted(t, n, 10)
	g.echo(2022, "guest")
	g.echo(8080, "web")
	deny := uint16(8080)
	p, err := n.Publish(vnet.Public{Host: host, Guest: g.ip, Ports: []uint16{2022, 8080, 2023},
		Allow: func(client netip.AddrPort, port uint16) bool { return client.Addr().IsLoopback() && port != deny }})
	if err != nil {
		t.Fatal(err)
	}
	dial := func(port uint16) (net.Conn, error) {
		return net.DialTimeout("tcp", netip.AddrPortFrom(host, port).String(), patience)
	}
	c, err := dial(2022)
	wantEcho(t, c, err, "guest")

	wantReset := func(port uint16, why string) {
		t.Helper()
		c, err := dial(port)
		if err == nil {
			c.SetDeadline(time.Now().Add(patience))
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: got %v, want a reset", why, err)
		}
	}
	wantReset(8080, "denied")
	wantReset(2023, "closed in the guest")

	// Ports change while connections live on.
	old, err := dial(2022)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetPorts([]uint16{2023}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.Bindings(), (vnet.Binding{Port: 2023, Listen: netip.AddrPortFrom(host, 2023)}); len(got) != 1 || got[0] != want {
		t.Errorf("bindings: got %v, want %v", got, want)
	}
	if c, err := dial(2022); err == nil {
		c.Close()
		t.Error("a port that was taken away accepts")
	}
	wantEcho(t, old, nil, "guest")

	if err := p.SetPorts([]uint16{2022}); err != nil {
		t.Fatal(err)
	}
	old, err = dial(2022)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(old, make([]byte, len("guest:"))); err != nil {
		t.Fatal(err)
	}
	at.Detach()
	old.SetDeadline(time.Now().Add(patience))
	if _, err := old.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection to a guest that left: got %v, want its end", err)
	}
	wantReset(2022, "no guest")
	p.Close()
	p.Close()
	if c, err := dial(2022); err == nil {
		c.Close()
		t.Error("a closed public address accepts")
	}
	if err := p.SetPorts([]uint16{2022}); err == nil {
		t.Error("a closed public address was given ports")
	}
}

// One port that is taken does not take the others with it.
func TestPublicAddressBusyPort(t *testing.T) {
	t.Parallel()
	host := loopback(t, 2)
	busy, err := net.Listen("tcp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	taken := busy.Addr().(*net.TCPAddr).AddrPort().Port()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 10)
	g.echo(2022, "guest")
	p, err := n.Publish(vnet.Public{Host: host, Guest: g.ip, Ports: []uint16{taken, 2022}})
	if !errors.Is(err, syscall.EADDRINUSE) || p == nil {
		t.Fatalf("got %v, %v, want an address in use and the rest", p, err)
	}
	c, err := net.Dial("tcp", netip.AddrPortFrom(host, 2022).String())
	wantEcho(t, c, err, "guest")
}

func TestPublicAddressPrivileged(t *testing.T) {
	t.Parallel()
	host := loopback(t, 3)
	n := newNetwork(t)
	g, _ := newBooted(t, n, 10)
	g.echo(22, "ssh")
	p, err := n.Publish(vnet.Public{Host: host, Guest: g.ip, Ports: []uint16{22}})
	if err != nil {
		t.Fatal(err)
	}
	b := p.Bindings()
	if len(b) != 1 || b[0].Port != 22 || b[0].Listen.Addr() != host {
		t.Fatalf("bindings: %v", b)
	}
	if at := b[0].Listen.Port(); at != 22 && at != 2222 {
		t.Errorf("port 22 is at %d, want 22 or 2222", at)
	}
	c, err := net.Dial("tcp", b[0].Listen.String())
	wantEcho(t, c, err, "ssh")
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	host, guest := netip.MustParseAddr("127.77.0.9"), netip.MustParseAddr("10.7.0.9")
	for name, c := range map[string]vnet.Public{
		"no host":        {Guest: guest},
		"every address":  {Host: netip.IPv4Unspecified(), Guest: guest},
		"IPv6":           {Host: netip.IPv6Loopback(), Guest: guest},
		"other subnet":   {Host: host, Guest: netip.MustParseAddr("10.8.0.9")},
		"gateway":        {Host: host, Guest: n.Gateway()},
		"port 0":         {Host: host, Guest: guest, Ports: []uint16{0}},
		"too many ports": {Host: host, Guest: guest, Ports: make([]uint16, 1000)},
	} {
		if p, err := n.Publish(c); err == nil {
			p.Close()
			t.Errorf("%s: published", name)
		} else if strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: bad message %q", name, err)
		}
	}
}
