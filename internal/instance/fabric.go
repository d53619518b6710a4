package instance

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vnet"
)

// fabric is the networks of all VPCs, each subnet made when its first instance
// starts.
type fabric struct {
	db       *metadb.DB
	metadata func(*origami.Subnet, net.Listener)
	log      *slog.Logger

	mu       sync.Mutex // guards the following
	routers  map[origami.VPCID]*vnet.Router
	networks map[origami.SubnetID]*vnet.Network
}

func newFabric(c Config) *fabric {
	return &fabric{
		db:       c.DB,
		metadata: c.Metadata,
		log:      c.Log,
		routers:  make(map[origami.VPCID]*vnet.Router),
		networks: make(map[origami.SubnetID]*vnet.Network),
	}
}

// network returns the network of a subnet.
func (f *fabric) network(ctx context.Context, region origami.Region, id origami.SubnetID) (*vnet.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n, ok := f.networks[id]; ok {
		return n, nil
	}
	var sub *origami.Subnet
	var vpc *origami.VPC
	err := f.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if sub, err = tx.Subnet(region, metadb.System, id); err != nil {
			return err
		}
		vpc, err = tx.VPC(region, metadb.System, sub.VPC)
		return err
	})
	if err != nil {
		return nil, err
	}
	router, ok := f.routers[vpc.ID]
	if !ok {
		router = vnet.NewRouter(vpc.CIDR)
		f.routers[vpc.ID] = router
	}
	n, err := vnet.New(vnet.Config{
		Subnet: sub.CIDR,
		Domain: Domain(region),
		Router: router,
		Logger: f.log.With("network", string(id)),
	})
	if err != nil {
		return nil, err
	}
	l, err := n.Listen(netip.AddrPortFrom(vnet.MetadataAddr, 80).String())
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("listen for the metadata service: %w", err)
	}
	f.metadata(sub, l)
	f.networks[id] = n
	return n, nil
}

// Close closes all networks.
func (f *fabric) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.networks {
		n.Close()
	}
	clear(f.networks)
	return nil
}

// Domain is the DNS domain of the instances of a region.
func Domain(r origami.Region) string {
	if r == "us-east-1" {
		return "ec2.internal"
	}
	return string(r) + ".compute.internal"
}

// Hostname is the first label of an instance's private name.
func Hostname(a netip.Addr) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-")
}
