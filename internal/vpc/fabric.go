package vpc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
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
	egress   func(netip.AddrPort) bool
	log      *slog.Logger

	mu       sync.Mutex // guards the following
	routers  map[origami.VPCID]*vnet.Router
	networks map[origami.SubnetID]*vnet.Network
}

func newFabric(c Config) *fabric {
	return &fabric{
		db:       c.DB,
		metadata: c.Metadata,
		egress:   c.Egress,
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
		Egress: vnet.Egress{Allow: f.egress},
		Logger: f.log.With("network", string(id)),
	})
	if err != nil {
		return nil, err
	}
	if f.metadata != nil {
		l, err := n.Listen(netip.AddrPortFrom(vnet.MetadataAddr, 80).String())
		if err != nil {
			n.Close()
			return nil, fmt.Errorf("listen for the metadata service: %w", err)
		}
		f.metadata(sub, l)
	}
	f.networks[id] = n
	return n, nil
}

// dropSubnet closes the network of a subnet that is gone, which has no
// instances: another may take its addresses.
func (f *fabric) dropSubnet(id origami.SubnetID) {
	f.mu.Lock()
	n := f.networks[id]
	delete(f.networks, id)
	f.mu.Unlock()
	if n != nil {
		n.Close()
	}
}

// dropVPC forgets a VPC that is gone, which has no subnets.
func (f *fabric) dropVPC(id origami.VPCID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.routers, id)
}

// close closes all networks.
func (f *fabric) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.networks {
		n.Close()
	}
	clear(f.networks)
	return nil
}
