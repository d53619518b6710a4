package vpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

var alice = origami.Caller{Account: "111111111111", Region: "us-east-1", Request: "test"}

// region is a service over a database of its own, and what it stands on.
type region struct {
	*vpc.Service
	t      *testing.T
	db     *metadb.DB
	config vpc.Config
	public byte // last byte of the last public address
	prefix [3]byte
}

// ownPrefix finds 254 loopback addresses that no other test has: who listens at
// the last one has them. Tests that choose theirs by hand do so below 127.100.
func ownPrefix(t *testing.T) [3]byte {
	t.Helper()
	for {
		p := [3]byte{127, byte(100 + rand.N(150)), byte(rand.N(256))}
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(p[0], p[1], p[2], 255), Port: 20773})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return p
	}
}

func newRegion(t *testing.T, change ...func(*vpc.Config)) *region {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	r := &region{t: t, db: db, prefix: ownPrefix(t)}
	r.config = vpc.Config{DB: db, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, f := range change {
		f(&r.config)
	}
	r.Service = vpc.New(r.config)
	t.Cleanup(func() {
		r.Close()
		db.Close()
	})
	if err := r.EnsureDefault(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	return r
}

// launch writes the row of a running instance with groups, or with the
// default one.
func (r *region) launch(subnet origami.SubnetID, groups ...origami.SecurityGroupID) *origami.Instance {
	r.t.Helper()
	r.public++
	i := &origami.Instance{
		ID: origami.NewInstanceID(), Region: alice.Region, Owner: alice.Account, State: origami.InstanceRunning,
		MAC:      fmt.Sprintf("0a:00:00:00:00:%02x", r.public),
		PublicIP: netip.AddrFrom4([4]byte{r.prefix[0], r.prefix[1], r.prefix[2], r.public}),
	}
	err := r.db.Update(r.t.Context(), func(tx *metadb.Tx) error {
		sub, err := r.Place(tx, alice, vpc.Placement{Subnet: subnet, Groups: groups}, i)
		if err != nil {
			return err
		}
		if i.PrivateIP, err = tx.AllocatePrivateIP(sub); err != nil {
			return err
		}
		return tx.PutInstance(i)
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// run launches an instance and boots a guest in it.
func (r *region) run(groups ...origami.SecurityGroupID) (*guest, *vpc.Port) {
	r.t.Helper()
	return r.runIn("", groups...)
}

func (r *region) runIn(subnet origami.SubnetID, groups ...origami.SecurityGroupID) (*guest, *vpc.Port) {
	r.t.Helper()
	i := r.launch(subnet, groups...)
	return r.plug(boot(r.t, i, r.cidr(i.Subnet)))
}

func (r *region) cidr(id origami.SubnetID) (p netip.Prefix) {
	r.t.Helper()
	err := r.db.View(r.t.Context(), func(tx *metadb.Tx) error {
		sub, err := tx.Subnet(alice.Region, alice.Account, id)
		if err == nil {
			p = sub.CIDR
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *region) plug(g *guest) (*guest, *vpc.Port) {
	r.t.Helper()
	port, err := r.Plug(r.t.Context(), g.i, g.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(port.Unplug)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !port.Stats().Connected {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("the network card of %s is not connected", g.i.ID)
		}
	}
	return g, port
}

func (r *region) group(name string) origami.SecurityGroupID {
	r.t.Helper()
	g, err := r.CreateGroup(r.t.Context(), alice, vpc.GroupSpec{Name: name, Description: "of a test"})
	if err != nil {
		r.t.Fatal(err)
	}
	return g.ID
}

// tcpFrom is a rule about ports from a prefix.
func tcpFrom(from, to int32, cidr string) vpc.RuleSpec {
	return vpc.RuleSpec{Protocol: "tcp", From: &from, To: &to, CIDR: cidr}
}

func (r *region) authorize(g origami.SecurityGroupID, egress bool, specs ...vpc.RuleSpec) []*origami.SecurityGroupRule {
	r.t.Helper()
	rules, err := r.Authorize(r.t.Context(), alice, vpc.GroupRef{ID: g}, egress, specs, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return rules
}

func (r *region) revoke(g origami.SecurityGroupID, egress bool, specs ...vpc.RuleSpec) {
	r.t.Helper()
	if _, unknown, err := r.Revoke(r.t.Context(), alice, vpc.GroupRef{ID: g}, egress, specs); err != nil || len(unknown) > 0 {
		r.t.Fatalf("revoke: %v, unknown %v", err, unknown)
	}
}

var allOut = vpc.RuleSpec{Protocol: "-1", CIDR: "0.0.0.0/0"}

// TestBetweenInstances changes rules while guests run: the next connection
// obeys, and those that were open go on.
//
//origami:proves AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress
func TestBetweenInstances(t *testing.T) {
	t.Parallel()
	r := newRegion(t)
	web, user := r.group("web"), r.group("user")
	server, _ := r.run(web)
	client, _ := r.run(user)
	server.serve(80)
	client.serve(80)
	client.barred(server, 80)
	r.authorize(web, false, tcpFrom(80, 80, "172.31.0.0/16"))
	open := client.reaches(server, 80)
	server.barred(client, 80) // the rule lets nothing out the other way
	r.revoke(web, false, tcpFrom(80, 80, "172.31.0.0/16"))
	client.barred(server, 80)
	echoes(t, open)

	// Out of the client.
	r.authorize(web, false, tcpFrom(80, 80, "0.0.0.0/0"))
	client.reaches(server, 80)
	r.revoke(user, true, allOut)
	client.barred(server, 80)
	echoes(t, open)
	r.authorize(user, true, tcpFrom(80, 80, "172.31.0.0/16"))
	client.reaches(server, 80)
}

// TestReferences lets in the members of a group, and nobody else: not before
// they join, and not after they left.
func TestReferences(t *testing.T) {
	t.Parallel()
	r := newRegion(t)
	web, user, other := r.group("web"), r.group("user"), r.group("other")
	r.authorize(web, false, vpc.RuleSpec{Protocol: "tcp", From: new(int32), To: ptr(int32(65535)), Group: user})
	server, _ := r.run(web)
	server.serve(80)
	member, port := r.run(user)
	stranger, _ := r.run(other)
	member.reaches(server, 80)
	stranger.barred(server, 80)

	r.regroup(stranger.i, other, user)
	stranger.reaches(server, 80)
	r.regroup(member.i, other)
	member.barred(server, 80)

	r.regroup(member.i, user)
	member.reaches(server, 80)
	// Another instance with the address of one that is gone is no member.
	port.Unplug()
	heir := *member.i
	heir.ID, heir.SecurityGroups, heir.PublicIP = origami.NewInstanceID(), []origami.SecurityGroupID{other}, netip.Addr{}
	r.update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(alice.Region, member.i.ID, func(i *origami.Instance) error {
			i.State, i.PrivateIP, i.PublicIP = origami.InstanceTerminated, netip.Addr{}, netip.Addr{}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.PutInstance(&heir)
	})
	g, _ := r.plug(boot(t, &heir, r.cidr(heir.Subnet)))
	g.barred(server, 80)

	// The default group refers to itself.
	a, _ := r.run()
	b, _ := r.run()
	b.serve(80)
	a.reaches(b, 80)
	stranger.barred(b, 80)
}

func ptr[T any](v T) *T { return &v }

func (r *region) update(f func(*metadb.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), f); err != nil {
		r.t.Fatal(err)
	}
}

// regroup gives an instance other groups, as the verb of instances does.
func (r *region) regroup(i *origami.Instance, groups ...origami.SecurityGroupID) {
	r.t.Helper()
	r.update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(alice.Region, i.ID, func(i *origami.Instance) error {
			i.SecurityGroups = groups
			return nil
		})
		return err
	})
	if err := r.Regroup(r.t.Context(), alice.Region, i.ID); err != nil {
		r.t.Fatal(err)
	}
}

// TestSubnetsOfVPC filters between subnets, and keeps VPCs apart.
func TestSubnetsOfVPC(t *testing.T) {
	t.Parallel()
	// The networks of this host may have any address too.
	r := newRegion(t, func(c *vpc.Config) { c.Egress = func(netip.AddrPort) bool { return false } })
	ctx := t.Context()
	v, err := r.Create(ctx, alice, "10.0.0.0/16", nil)
	if err != nil {
		t.Fatal(err)
	}
	var subnets []*origami.Subnet
	for _, cidr := range []string{"10.0.1.0/24", "10.0.2.0/24"} {
		sub, err := r.CreateSubnet(ctx, alice, vpc.SubnetSpec{VPC: v.ID, CIDR: cidr})
		if err != nil {
			t.Fatal(err)
		}
		subnets = append(subnets, sub)
	}
	a, _ := r.runIn(subnets[0].ID)
	b, port := r.runIn(subnets[1].ID)
	b.serve(80)
	a.reaches(b, 80)
	outsider, _ := r.run()
	outsider.barred(b, 80)

	// A subnet in the place of one that is gone works like any other.
	port.Unplug()
	r.update(func(tx *metadb.Tx) error { return tx.DeleteInstance(alice.Region, b.i.ID) })
	if err := r.DeleteSubnet(ctx, alice, subnets[1].ID); err != nil {
		t.Fatal(err)
	}
	again, err := r.CreateSubnet(ctx, alice, vpc.SubnetSpec{VPC: v.ID, CIDR: "10.0.2.0/25"})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := r.runIn(again.ID)
	c.serve(80)
	a.reaches(c, 80)
}

// fromHost connects to a port of an instance as a program on this host does.
func fromHost(t *testing.T, p *vpc.Port, port uint16) (net.Conn, error) {
	t.Helper()
	for _, b := range p.Bindings() {
		if b.Port == port {
			c, err := net.Dial("tcp", b.Listen.String())
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return c, err
		}
	}
	return nil, syscall.ECONNREFUSED
}

// TestFromHost reaches instances by their public addresses.
//
//origami:proves S95
func TestFromHost(t *testing.T) {
	t.Parallel()
	r := newRegion(t)
	byDefault, port := r.run()
	byDefault.serve(22)
	c, err := fromHost(t, port, 22)
	if err != nil {
		t.Fatalf("SSH to an instance of the default group: %v", err)
	}
	echoes(t, c)

	web := r.group("web")
	g, port := r.run(web)
	g.serve(2000)
	g.serve(2001)
	if open := port.Bindings(); len(open) != 0 {
		t.Errorf("without rules the public address listens: %v", open)
	}
	r.authorize(web, false, tcpFrom(2000, 2001, "0.0.0.0/0"), tcpFrom(3000, 3000, "203.0.113.0/24"))
	open := ports(port)
	if want := []uint16{2000, 2001}; !slices.Equal(open, want) {
		t.Errorf("the public address listens on %v, want %v", open, want)
	}
	c, err = fromHost(t, port, 2001)
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
	r.revoke(web, false, tcpFrom(2000, 2001, "0.0.0.0/0"))
	if _, err := fromHost(t, port, 2001); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect after revoke: got %v, want a refusal", err)
	}
	echoes(t, c) // what was open goes on

	// A listener is there for 127.0.0.2, and 127.0.0.1 is not let in.
	r.authorize(web, false, tcpFrom(2000, 2000, "127.0.0.2/32"))
	c, err = fromHost(t, port, 2000)
	if err == nil {
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "hello")
		if n, err := c.Read(make([]byte, 5)); err == nil {
			t.Errorf("a client that no rule allows got %d bytes", n)
		}
	}
	for _, b := range port.Bindings() {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := d.Dial("tcp", b.Listen.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		echoes(t, c)
	}

	next := netip.AddrFrom4([4]byte{r.prefix[0], r.prefix[1], r.prefix[2], 200})
	if err := port.SetPublic(next); err != nil {
		t.Fatal(err)
	}
	if b := port.Bindings(); len(b) != 1 || b[0].Listen.Addr() != next {
		t.Errorf("after a new public address: %v, want one port of %v", b, next)
	}
}

func ports(p *vpc.Port) []uint16 {
	var out []uint16
	for _, b := range p.Bindings() {
		out = append(out, b.Port)
	}
	return out
}

// TestOpenPorts is the table of what a public address listens on.
func TestOpenPorts(t *testing.T) {
	t.Parallel()
	known := []uint16{8080, 9090}
	for name, c := range map[string]struct {
		rules []vpc.RuleSpec
		want  []uint16
	}{
		"nothing":        {nil, nil},
		"one":            {[]vpc.RuleSpec{tcpFrom(7000, 7000, "0.0.0.0/0")}, []uint16{7000}},
		"not this host":  {[]vpc.RuleSpec{tcpFrom(7000, 7000, "10.0.0.0/8")}, nil},
		"narrow range":   {[]vpc.RuleSpec{tcpFrom(7000, 7002, "127.0.0.0/8")}, []uint16{7000, 7001, 7002}},
		"wide range":     {[]vpc.RuleSpec{tcpFrom(8000, 9000, "0.0.0.0/0")}, []uint16{8080}},
		"everything":     {[]vpc.RuleSpec{tcpFrom(0, 65535, "0.0.0.0/0")}, known},
		"all protocols":  {[]vpc.RuleSpec{allOut}, known},
		"wide and one":   {[]vpc.RuleSpec{allOut, tcpFrom(7000, 7000, "0.0.0.0/0")}, []uint16{7000, 8080, 9090}},
		"port 0":         {[]vpc.RuleSpec{tcpFrom(0, 0, "0.0.0.0/0")}, nil},
		"other protocol": {[]vpc.RuleSpec{{Protocol: "udp", From: ptr(int32(7000)), To: ptr(int32(7000)), CIDR: "0.0.0.0/0"}}, nil},
		"IPv6":           {[]vpc.RuleSpec{{Protocol: "tcp", From: ptr(int32(7000)), To: ptr(int32(7000)), CIDRv6: "::/0"}}, nil},
		"overlapping":    {[]vpc.RuleSpec{tcpFrom(7000, 7001, "0.0.0.0/0"), tcpFrom(7001, 7002, "127.0.0.1/32")}, []uint16{7000, 7001, 7002}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegion(t, func(c *vpc.Config) { c.PublicPorts = known })
			g := r.group("g")
			if len(c.rules) > 0 {
				r.authorize(g, false, c.rules...)
			}
			_, port := r.run(g)
			if got := ports(port); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestToOutside obeys the groups first and the installation's policy second.
func TestToOutside(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	asked := make(chan netip.AddrPort, 1000)
	r := newRegion(t, func(c *vpc.Config) {
		c.Egress = func(dst netip.AddrPort) bool {
			asked <- dst
			return false
		}
	})
	g := r.group("g")
	inside, _ := r.run(g)
	outside := netip.MustParseAddr("203.0.113.9")
	if _, err := inside.dial(outside, 80, patience); err == nil {
		t.Error("connected against the policy of the installation")
	}
	if got, want := <-asked, netip.AddrPortFrom(outside, 80); got != want {
		t.Errorf("the policy was asked about %v, want %v", got, want)
	}
	r.revoke(g, true, allOut)
	if _, err := inside.dial(outside, 81, silence); err == nil {
		t.Error("connected against the rules of its group")
	}
	for len(asked) > 0 {
		// A slow guest may have asked for the first one again.
		if dst := <-asked; dst.Port() != 80 {
			t.Errorf("the policy was asked about %v, which the group does not let out", dst)
		}
	}
}

// TestRestart builds the service again over the same rows: rules and members
// are in force at once.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := newRegion(t)
	web, user := r.group("web"), r.group("user")
	r.authorize(web, false, vpc.RuleSpec{Protocol: "-1", Group: user})
	server, sp := r.run(web)
	client, cp := r.run(user)
	stranger, xp := r.run(r.group("other"))
	server.serve(80)
	client.reaches(server, 80)
	for _, p := range []*vpc.Port{sp, cp, xp} {
		p.Unplug()
	}
	r.Close()
	r.Service = vpc.New(r.config)
	defer r.Close()
	for _, g := range []*guest{server, client, stranger} {
		r.plug(g)
	}
	client.reaches(server, 80)
	stranger.barred(server, 80)
}

// TestDisturbance floods a server and pauses another guest: a third guest's
// traffic goes on.
func TestDisturbance(t *testing.T) {
	t.Parallel()
	r := newRegion(t)
	server, _ := r.run()
	client, _ := r.run()
	flooder, _ := r.run()
	paused, _ := r.run()
	server.serve(80)
	open := client.reaches(server, 80)

	<-paused.reads
	defer func() { paused.reads <- struct{}{} }()
	ctx, stop := context.WithCancel(t.Context())
	socket := flooder.datagrams(9)
	var sent, flooding = 0, make(chan int)
	targets := []*guest{server, paused}
	go func() {
		defer close(flooding)
		payload := make([]byte, 1000)
		for ctx.Err() == nil {
			to := targets[sent%2].i.PrivateIP
			socket.WriteTo(payload, &net.UDPAddr{IP: to.AsSlice(), Port: 1 + sent%60000})
			sent++
			if sent == 2000 {
				flooding <- sent
			}
		}
	}()
	<-flooding
	for range 20 {
		echoes(t, open)
	}
	client.reaches(server, 80)
	stop()
	<-flooding
}
