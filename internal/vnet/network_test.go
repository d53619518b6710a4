package vnet_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"origami/internal/vnet"
)

func TestLease(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	newBooted(t, n, 10) // the network lives before the guest under test arrives
	g := newGuest(t, 77)
	attach(t, n, g, 77)
	ack := g.boot()

	type lease struct {
		IP, Mask, Router, DNS, Broadcast, Server string
		Host, Domain                             string
		Search                                   []string
		MTU                                      []byte
		Seconds                                  float64
	}
	got := lease{
		IP: ack.YourIPAddr.String(), Mask: net.IP(ack.SubnetMask()).String(),
		Router: ack.Router()[0].String(), DNS: ack.DNS()[0].String(),
		Broadcast: ack.BroadcastAddress().String(), Server: ack.ServerIdentifier().String(),
		Host: ack.HostName(), Domain: ack.DomainName(), Search: ack.DomainSearch().Labels,
		MTU: ack.Options.Get(dhcpv4.OptionInterfaceMTU), Seconds: ack.IPAddressLeaseTime(0).Seconds(),
	}
	want := lease{
		IP: "10.7.0.77", Mask: "255.255.255.0", Router: "10.7.0.1", DNS: "10.7.0.1",
		Broadcast: "10.7.0.255", Server: "10.7.0.1", Host: "ip-10-7-0-77", Domain: "ec2.internal",
		Search: []string{"ec2.internal"}, MTU: []byte{1500 >> 8, 1500 & 0xff}, Seconds: 3600,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("lease: got %+v, want %+v", got, want)
	}

	wrong, err := dhcpv4.New(dhcpv4.WithHwAddr(g.mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IPv4(10, 7, 0, 10))))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := g.dhcp(wrong).MessageType(), dhcpv4.MessageTypeNak; got != want {
		t.Errorf("answer to a request for another's address is %v, want %v", got, want)
	}
}

func TestMetadataListener(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	ln, err := n.Listen("169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		io.WriteString(w, "you are "+host)
	}))
	for _, last := range []byte{5, 6} {
		g, _ := newBooted(t, n, last)
		client := http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(_ context.Context, _, addr string) (net.Conn, error) { return g.dial(addr) },
		}}
		resp, err := client.Get("http://169.254.169.254/")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "you are " + g.ip.String(); string(b) != want || err != nil {
			t.Errorf("got %q, %v, want %q", b, err, want)
		}
	}
	// Nobody listens on other ports there, and nothing goes further.
	g, _ := newBooted(t, n, 7)
	if c, err := g.dial("169.254.169.254:8080"); err == nil {
		c.Close()
		t.Error("a port of the metadata address without a listener accepted")
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	a, _ := newBooted(t, n, 11)
	b, _ := newBooted(t, n, 12)
	b.echo(22, "b")

	t.Run("guest to guest", func(t *testing.T) {
		c, err := a.dial("10.7.0.12:22")
		wantEcho(t, c, err, "b")
	})
	t.Run("host to guest", func(t *testing.T) {
		c, err := n.DialContext(t.Context(), "tcp", "10.7.0.12:22")
		wantEcho(t, c, err, "b")
	})
	t.Run("host to closed port", func(t *testing.T) {
		if c, err := n.DialContext(t.Context(), "tcp", "10.7.0.12:23"); err == nil {
			c.Close()
			t.Error("a closed port accepted")
		}
	})
	t.Run("host to nobody", func(t *testing.T) {
		for _, to := range []string{"10.7.0.99:22", "10.7.0.1:53", "192.0.2.1:80", "127.0.0.1:22"} {
			if c, err := n.DialContext(t.Context(), "tcp", to); err == nil || !strings.Contains(err.Error(), "no such guest") {
				t.Errorf("dial %s: got %v, %v, want no such guest", to, c, err)
			}
		}
	})
	t.Run("gateway port without listener", func(t *testing.T) {
		if c, err := a.dial("10.7.0.1:8773"); err == nil {
			c.Close()
			t.Error("accepted")
		}
	})
}

func TestPingGateway(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 3)
	for to, want := range map[string]bool{"10.7.0.1": true, "192.0.2.1": false} {
		if got := g.ping(netip.MustParseAddr(to), !want); got != want {
			t.Errorf("ping %s: answered %v, want %v", to, got, want)
		}
	}
}

func TestDetach(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, a := newBooted(t, n, 20)
	g.echo(22, "first")
	c, err := n.DialContext(t.Context(), "tcp", "10.7.0.20:22")
	if err != nil {
		t.Fatal(err)
	}
	a.Detach()
	a.Detach()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a connection survived its guest")
	}
	if _, err := n.DialContext(t.Context(), "tcp", "10.7.0.20:22"); err == nil {
		t.Error("a guest answers after it was detached")
	}
	// Both addresses are free again.
	next := newGuest(t, 20)
	attach(t, n, next, 20)
	next.boot()
	next.echo(22, "second")
	c, err = n.DialContext(t.Context(), "tcp", "10.7.0.20:22")
	wantEcho(t, c, err, "second")
}

func TestAttachRefuses(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	g, _ := newBooted(t, n, 30)
	ok := port(n, &guest{mac: net.HardwareAddr{0x0a, 1, 2, 3, 4, 5}, socket: "/nowhere"}, 31)
	tests := []struct {
		name   string
		change func(*vnet.Port)
	}{
		{"used address", func(p *vnet.Port) { p.IP = g.ip }},
		{"used hardware address", func(p *vnet.Port) { p.MAC = g.mac }},
		{"used hostname", func(p *vnet.Port) { p.Hostname = "IP-10-7-0-30" }},
		{"gateway", func(p *vnet.Port) { p.IP = n.Gateway() }},
		{"network address", func(p *vnet.Port) { p.IP = n.Subnet().Addr() }},
		{"broadcast address", func(p *vnet.Port) { p.IP = netip.MustParseAddr("10.7.0.255") }},
		{"other subnet", func(p *vnet.Port) { p.IP = netip.MustParseAddr("10.8.0.4") }},
		{"no address", func(p *vnet.Port) { p.IP = netip.Addr{} }},
		{"multicast hardware address", func(p *vnet.Port) { p.MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} }},
		{"short hardware address", func(p *vnet.Port) { p.MAC = net.HardwareAddr{2, 0} }},
		{"gateway's hardware address", func(p *vnet.Port) { p.MAC = net.HardwareAddr{0xfe, 0, 10, 7, 0, 1} }},
		{"no socket", func(p *vnet.Port) { p.Socket = "" }},
		{"long socket", func(p *vnet.Port) { p.Socket = "/" + strings.Repeat("x", 107) }},
		{"bad hostname", func(p *vnet.Port) { p.Hostname = "a.b" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := ok
			tt.change(&p)
			if a, err := n.Attach(p); err == nil {
				a.Detach()
				t.Error("attached")
			}
		})
	}
	a, err := n.Attach(ok)
	if err != nil {
		t.Fatalf("the port that the cases change: %v", err)
	}
	a.Detach()
	n.Close()
	if _, err := n.Attach(ok); err == nil {
		t.Error("attached to a closed network")
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	p := netip.MustParsePrefix
	for name, c := range map[string]vnet.Config{
		"no subnet":       {},
		"IPv6":            {Subnet: p("fd00::/64")},
		"too small":       {Subnet: p("10.0.0.0/31")},
		"loopback":        {Subnet: p("127.0.0.0/16")},
		"link-local":      {Subnet: p("169.254.0.0/16")},
		"foreign gateway": {Subnet: p("10.0.0.0/24"), Gateway: netip.MustParseAddr("10.0.1.1")},
		"MTU":             {Subnet: p("10.0.0.0/24"), MTU: 100},
		"domain":          {Subnet: p("10.0.0.0/24"), Domain: "a..b"},
		"outside its VPC": {Subnet: p("10.0.0.0/24"), Router: vnet.NewRouter(p("10.1.0.0/16"))},
	} {
		t.Run(name, func(t *testing.T) {
			if n, err := vnet.New(c); err == nil {
				n.Close()
				t.Error("accepted")
			}
		})
	}
}

func TestSetTTL(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	ln, err := n.Listen("169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	g, _ := newBooted(t, n, 10)
	go func() {
		c, err := g.dial("169.254.169.254:80")
		if err == nil {
			defer c.Close()
			io.ReadAll(c)
		}
	}()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, hops := range []int{0, 256} {
		if err := c.(*vnet.Conn).SetTTL(hops); err == nil {
			t.Errorf("TTL %d was accepted", hops)
		}
	}
	for hops := 1; hops <= 3; hops++ {
		if err := c.(*vnet.Conn).SetTTL(hops); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte{'t', byte('0' + hops)}); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(patience)
	for want := byte(1); want <= 3; {
		select {
		case f := <-g.seen:
			if len(f) < 54 || f[len(f)-2] != 't' {
				continue
			}
			if got := f[14+8]; got != want || f[len(f)-1] != '0'+want {
				t.Errorf("packet %d has TTL %d", want, got)
			}
			want++
		case <-deadline:
			t.Fatal("packets are missing")
		}
	}
}

// A megabyte each way, through the gateway, between guests and from the host.
func TestBulk(t *testing.T) {
	t.Parallel()
	world := newOutside(t)
	n := newNetwork(t, func(c *vnet.Config) {
		c.Egress = vnet.Egress{Dial: world.dial, Allow: func(netip.AddrPort) bool { return true }}
	})
	a, _ := newBooted(t, n, 10)
	b, _ := newBooted(t, n, 11)
	b.echo(7, "outside")
	for name, dial := range map[string]func() (net.Conn, error){
		"outside": func() (net.Conn, error) { return a.dial("198.51.100.7:7") },
		"guest":   func() (net.Conn, error) { return a.dial("10.7.0.11:7") },
		"host":    func() (net.Conn, error) { return n.DialContext(t.Context(), "tcp", "10.7.0.11:7") },
	} {
		c, err := dial()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := strings.Repeat("0123456789abcdef", 1<<16)
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, want)
			if err == nil {
				err = c.(interface{ CloseWrite() error }).CloseWrite()
			}
			sent <- err
		}()
		c.SetDeadline(time.Now().Add(patience))
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "outside:"+want {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(want)+len("outside:"))
		}
		if err := <-sent; err != nil {
			t.Errorf("%s: send: %v", name, err)
		}
		c.Close()
	}
}
