package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"origami"
	"origami/internal/imds"
	"origami/internal/instance"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// metadata finds what the metadata service tells the instances of one subnet.
type metadata struct {
	db     *metadb.DB
	roles  *instanceRoles
	subnet origami.SubnetID
	region origami.Region
	vpc    origami.VPCID
}

var _ imds.Source = (*metadata)(nil)

// Instance implements [imds.Source].
func (m *metadata) Instance(ctx context.Context, addr netip.Addr) (*imds.Instance, error) {
	var out *imds.Instance
	err := m.db.View(ctx, func(tx *metadb.Tx) error {
		i, err := tx.InstanceByPrivateIP(m.region, m.vpc, addr)
		if errors.Is(err, metadb.ErrNotFound) || err == nil && i.Subnet != m.subnet {
			return fmt.Errorf("%v: %w", addr, imds.ErrNotFound)
		}
		if err != nil {
			return err
		}
		out, err = describe(tx, i)
		return err
	})
	if err != nil || out.Profile == "" {
		return out, err
	}
	return out, m.roles.find(ctx, out)
}

// describe collects what surrounds an instance.
func describe(tx *metadb.Tx, i *origami.Instance) (*imds.Instance, error) {
	out := &imds.Instance{
		Instance:   *i,
		PrivateDNS: vpc.Hostname(i.PrivateIP) + "." + vpc.Domain(i.Region),
	}
	out.InstanceStores = instance.StoreMapping(i)
	for _, z := range vpc.Zones(i.Region) {
		if z.Name == i.Zone {
			out.ZoneID = z.ID
		}
	}
	sub, err := tx.Subnet(i.Region, metadb.System, i.Subnet)
	if err != nil {
		return nil, err
	}
	vpc, err := tx.VPC(i.Region, metadb.System, i.VPC)
	if err != nil {
		return nil, err
	}
	out.SubnetCIDR, out.VPCCIDRs = sub.CIDR, []netip.Prefix{vpc.CIDR}
	for _, id := range i.SecurityGroups {
		g, err := tx.SecurityGroup(i.Region, metadb.System, id)
		if err != nil {
			return nil, err
		}
		out.GroupNames = append(out.GroupNames, g.Name)
	}
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return nil, err
	}
	for _, v := range vols {
		for _, a := range v.Attachments {
			if a.Instance == i.ID {
				out.Volumes = append(out.Volumes, a.Device)
			}
		}
	}
	tags, err := tx.Tags(i.Region, i.Owner, string(i.ID))
	out.Tags = tags[string(i.ID)]
	return out, err
}

// settingSigner holds the key that signs identity documents, and settingTokens
// the key of metadata and paging tokens.
const (
	settingSigner = "imds-signer"
	settingTokens = "token-key"
)

// metadataServer makes the function that serves the metadata service of a
// subnet. Its keys are kept in the database, so that tokens and signatures
// outlive the process.
func metadataServer(ctx context.Context, s *service) (func(*origami.Subnet, net.Listener), error) {
	pem, err := s.secret(ctx, settingSigner, func() ([]byte, error) {
		signer, err := imds.NewSigner()
		if err != nil {
			return nil, err
		}
		return signer.MarshalPEM()
	})
	if err != nil {
		return nil, err
	}
	signer, err := imds.ParseSigner(pem)
	if err != nil {
		return nil, err
	}
	key, err := s.tokenKey(ctx, "imds")
	if err != nil {
		return nil, err
	}
	roles := &instanceRoles{accounts: s.accounts, now: time.Now, kept: make(map[instanceRole]imds.Credentials)}
	return func(sub *origami.Subnet, l net.Listener) {
		server, err := imds.New(imds.Config{
			Source:   &metadata{db: s.db, roles: roles, subnet: sub.ID, region: sub.Region, vpc: sub.VPC},
			TokenKey: key[:], Signer: signer, Logger: s.log,
		})
		if err != nil {
			panic("metadata service: " + err.Error()) // all of its configuration is ours
		}
		s.background.Go(func() {
			err := server.Serve(s.ctx, l)
			if s.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				s.log.Error("serve metadata", "subnet", sub.ID, "err", err)
			}
		})
	}, nil
}
