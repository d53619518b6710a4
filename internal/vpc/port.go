package vpc

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"origami"
	"origami/internal/firewall"
	"origami/internal/metadb"
	"origami/internal/vnet"
)

// Port is the network of one running machine.
type Port struct {
	s       *Service
	id      origami.InstanceID
	region  origami.Region
	ip      netip.Addr
	network *vnet.Network
	guard   *firewall.Guard

	// The following are guarded by the service's mu.
	groups  []origami.SecurityGroupID
	opened  []uint16 // the ports of a public address
	attach  *vnet.Attachment
	public  *vnet.PublicAddress
	address netip.Addr // of public
}

// Plug connects the machine of an instance, whose monitor listens on socket
// for its network card, and gives it its public address. From now on its rules
// are in force. A public address that lacks some of its ports is logged, and
// no error.
func (s *Service) Plug(ctx context.Context, i *origami.Instance, socket string) (*Port, error) {
	mac, err := net.ParseMAC(i.MAC)
	if err != nil {
		return nil, err
	}
	n, err := s.fabric.network(ctx, i.Region, i.Subnet)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ports[i.ID] != nil {
		return nil, fmt.Errorf("plug %s: it is plugged already", i.ID)
	}
	p := &Port{s: s, id: i.ID, region: i.Region, ip: i.PrivateIP, network: n, guard: firewall.New(n.Gateway(), nil)}
	// The row, not what the caller read of it: groups may have changed.
	err = s.DB.View(ctx, func(tx *metadb.Tx) error {
		row, err := tx.Instance(i.Region, metadb.System, i.ID)
		if err != nil {
			return err
		}
		p.groups = row.SecurityGroups
		return s.reload(tx, p)
	})
	if err != nil {
		return nil, err
	}
	p.attach, err = n.Attach(vnet.Port{MAC: mac, IP: i.PrivateIP, Socket: socket, Hostname: Hostname(i.PrivateIP), Policy: p.guard})
	if err != nil {
		return nil, err
	}
	if err := p.publish(i.PublicIP); err != nil {
		p.attach.Detach()
		return nil, err
	}
	s.ports[i.ID] = p
	for _, g := range p.groups {
		s.membersOf(g).Add(p.ip)
	}
	return p, nil
}

// publish gives the machine a public address, or none. The service's lock is
// held.
func (p *Port) publish(address netip.Addr) error {
	if !address.IsValid() {
		return nil
	}
	var err error
	p.public, err = p.network.Publish(vnet.Public{
		Host: address, Guest: p.ip, Ports: p.opened,
		Allow: func(client netip.AddrPort, port uint16) bool { return p.guard.Rules().Admits(client.Addr(), port) },
	})
	if err != nil && p.public == nil {
		return err
	}
	if err != nil {
		p.s.Log.Warn("public address lacks ports", "instance", p.id, "address", address, "err", err)
	}
	p.address = address
	return nil
}

// SetPublic replaces the public address of the machine, the zero address
// meaning none. Connections to the old one are cut. It fails when the machine
// is unplugged.
func (p *Port) SetPublic(address netip.Addr) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.ports[p.id] != p {
		return fmt.Errorf("set public address of %s: it is not plugged", p.id)
	}
	if address == p.address {
		return nil
	}
	if p.public != nil {
		p.public.Close()
		p.public, p.address = nil, netip.Addr{}
	}
	return p.publish(address)
}

// Bindings returns where the ports of the public address are served.
func (p *Port) Bindings() []vnet.Binding {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.public == nil {
		return nil
	}
	return p.public.Bindings()
}

// Stats returns the counters of the network card.
func (p *Port) Stats() vnet.Stats { return p.attach.Stats() }

// Unplug disconnects the machine. Unplugging twice is harmless.
func (p *Port) Unplug() {
	s := p.s
	s.mu.Lock()
	if s.ports[p.id] == p {
		delete(s.ports, p.id)
		for _, g := range p.groups {
			s.membersOf(g).Remove(p.ip)
		}
	}
	public := p.public
	s.mu.Unlock()
	if public != nil {
		public.Close()
	}
	p.attach.Detach()
}

// enforce makes the machines that have a group obey its rules as they are now.
func (s *Service) enforce(ctx context.Context, region origami.Region, group origami.SecurityGroupID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What is committed must come into force though the client hangs up.
	err := s.DB.View(context.WithoutCancel(ctx), func(tx *metadb.Tx) error {
		for _, p := range s.ports {
			if p.region != region || !slices.Contains(p.groups, group) {
				continue
			}
			if err := s.reload(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("enforce the rules of %s: %w", group, err)
	}
	return nil
}

// Regroup makes the machine of an instance, if it runs, obey the groups that
// its row has now.
func (s *Service) Regroup(ctx context.Context, region origami.Region, id origami.InstanceID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.ports[id]
	if p == nil {
		return nil
	}
	err := s.DB.View(context.WithoutCancel(ctx), func(tx *metadb.Tx) error {
		row, err := tx.Instance(region, metadb.System, id)
		if err != nil {
			return err
		}
		for _, g := range p.groups {
			if !slices.Contains(row.SecurityGroups, g) {
				s.membersOf(g).Remove(p.ip)
			}
		}
		for _, g := range row.SecurityGroups {
			s.membersOf(g).Add(p.ip)
		}
		p.groups = row.SecurityGroups
		return s.reload(tx, p)
	})
	if err != nil {
		return fmt.Errorf("enforce the groups of %s: %w", id, err)
	}
	return nil
}

// reload compiles the rules of a port's groups. The lock is held.
func (s *Service) reload(tx *metadb.Tx, p *Port) error {
	var rules []*origami.SecurityGroupRule
	for _, g := range p.groups {
		of, err := tx.RulesOf(p.region, g)
		if err != nil {
			return err
		}
		rules = append(rules, of...)
	}
	p.guard.SetRules(s.compile(rules))
	p.opened = openPorts(rules, s.PublicPorts)
	if p.public != nil {
		if err := p.public.SetPorts(p.opened); err != nil {
			s.Log.Warn("public address lacks ports", "instance", p.id, "address", p.address, "err", err)
		}
	}
	return nil
}
