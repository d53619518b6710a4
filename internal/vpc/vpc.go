// Package vpc is networks: VPCs, subnets, security groups and their rules,
// where an instance is placed among them, and how packets obey them.
//
// Every account has a default VPC in every region, made when it is first
// looked for. As in EC2 its default security group lets its own members in;
// here it also lets SSH in from the host of the installation, 127.0.0.0/8, by
// a rule like any other: a region on a laptop whose instances nobody can reach
// would be of little use, and who disagrees revokes it.
//
// [Service.Plug] connects the machine of an instance. From then on its packets
// pass a guard (package firewall) with the rules of its groups, its address is
// a member of them, and its public address forwards the TCP ports that they
// open to the host. A change of rules or groups is in force for all machines
// when the verb that made it returns.
package vpc

import (
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"origami"
	"origami/internal/firewall"
	"origami/internal/metadb"
	"origami/internal/vnet"
)

// Limits of one account in one region, those that EC2 begins with or allows to
// be raised to.
const (
	MaxVPCs           = 100
	MaxSubnets        = 200 // of a VPC
	MaxGroups         = 2500
	MaxRules          = 60 // of a group, in each direction
	MaxInstanceGroups = 5
)

// Config is what a [Service] is built of.
type Config struct {
	DB *metadb.DB

	// Metadata serves the instance metadata service to the guests of one
	// subnet until the listener closes. The remote address of a connection is
	// the guest's private address. Nil means that there is none.
	Metadata func(subnet *origami.Subnet, l net.Listener)

	// Egress decides what guests may reach outside their VPC, after their
	// security groups. Nil means everything but the host itself.
	Egress func(netip.AddrPort) bool

	// PublicPorts are the TCP ports that a public address forwards where a
	// rule opens a range that is too wide to listen on every port of it. Nil
	// means [WellKnownPorts].
	PublicPorts []uint16

	Log *slog.Logger
}

// Service has the verbs of networks. Its methods may be called concurrently.
type Service struct {
	Config
	fabric *fabric

	// mu makes what packets obey follow the database: who holds it reads the
	// rows and then changes the guards. It guards the following.
	mu      sync.Mutex
	ports   map[origami.InstanceID]*Port
	members map[origami.SecurityGroupID]*firewall.Group
}

// New builds the service.
func New(c Config) *Service {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.PublicPorts == nil {
		c.PublicPorts = WellKnownPorts()
	}
	if c.Egress == nil {
		c.Egress = vnet.NotHost()
	}
	s := &Service{
		Config:  c,
		ports:   make(map[origami.InstanceID]*Port),
		members: make(map[origami.SecurityGroupID]*firewall.Group),
	}
	s.fabric = newFabric(c)
	return s
}

// Close closes all networks. Nothing may be plugged any more.
func (s *Service) Close() error { return s.fabric.close() }

// all collects what a query yields.
func all[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// own selects what the caller has in its region.
func own(who origami.Caller, filters ...origami.Filter) metadb.Query {
	return metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters}
}

// where is a filter for one value, which must be an ID.
func where[ID ~string](name string, id ID) origami.Filter {
	return origami.Filter{Name: name, Values: []string{string(id)}}
}

// putTags tags what was made.
func putTags(tx *metadb.Tx, who origami.Caller, tags origami.Tags, ids ...string) error {
	if len(tags) == 0 {
		return nil
	}
	if err := tags.Validate(); err != nil {
		return err
	}
	return tx.PutTags(who.Region, who.Account, ids, tags)
}
