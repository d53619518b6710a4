package ec2server

import (
	"context"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// interfaceProperties are the filters of DescribeNetworkInterfaces.
var interfaceProperties = properties[instanceView]{
	"addresses.association.public-ip":  func(v instanceView) []string { return one(addr(v.PublicIP)) },
	"addresses.primary":                func(instanceView) []string { return boolean(true) },
	"addresses.private-ip-address":     func(v instanceView) []string { return one(addr(v.PrivateIP)) },
	"association.allocation-id":        func(v instanceView) []string { return one(v.Allocation) },
	"association.public-ip":            func(v instanceView) []string { return one(addr(v.PublicIP)) },
	"attachment.attachment-id":         func(v instanceView) []string { return one(*wireInterface(v).Attachment.AttachmentId) },
	"attachment.delete-on-termination": func(instanceView) []string { return boolean(true) },
	"attachment.device-index":          func(instanceView) []string { return number(0) },
	"attachment.instance-id":           func(v instanceView) []string { return one(v.ID) },
	"attachment.instance-owner-id":     func(v instanceView) []string { return one(v.Owner) },
	"attachment.status":                func(instanceView) []string { return one("attached") },
	"availability-zone":                func(v instanceView) []string { return one(v.Zone) },
	"availability-zone-id":             func(v instanceView) []string { return one(zoneID(v.Region, v.Zone)) },
	"description":                      func(instanceView) []string { return []string{""} },
	"group-id":                         ofGroups(func(g *origami.SecurityGroup) string { return string(g.ID) }),
	"group-name":                       ofGroups(func(g *origami.SecurityGroup) string { return g.Name }),
	"interface-type":                   func(instanceView) []string { return one("interface") },
	"mac-address":                      func(v instanceView) []string { return one(v.MAC) },
	"network-interface-id":             func(v instanceView) []string { return one(v.NetworkInterface) },
	"owner-id":                         func(v instanceView) []string { return one(v.Owner) },
	"private-dns-name":                 func(v instanceView) []string { return one(v.privateDNS()) },
	"private-ip-address":               func(v instanceView) []string { return one(addr(v.PrivateIP)) },
	"requester-managed":                func(instanceView) []string { return boolean(false) },
	"source-dest-check":                func(instanceView) []string { return boolean(true) },
	"status":                           func(instanceView) []string { return one("in-use") },
	"subnet-id":                        func(v instanceView) []string { return one(v.Subnet) },
	"vpc-id":                           func(v instanceView) []string { return one(v.VPC) },
}

// DescribeNetworkInterfaces lists the network interfaces of the caller's
// instances: each has one, for as long as it exists.
func (s *Server) DescribeNetworkInterfaces(ctx context.Context, who origami.Caller, in *ec2api.DescribeNetworkInterfacesInput) (*ec2api.DescribeNetworkInterfacesOutput, error) {
	if in.MaxResults != nil && len(in.NetworkInterfaceIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter networkInterfaceIdSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeNetworkInterfaces", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := interfaceProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, id := range in.NetworkInterfaceIds {
		if _, err := origami.ParseNetworkInterfaceID(id); err != nil {
			return nil, err
		}
	}
	all, tags, err := s.interfaces(ctx, who)
	if err != nil {
		return nil, err
	}
	for _, id := range in.NetworkInterfaceIds {
		if !slices.ContainsFunc(all, func(v instanceView) bool { return string(v.NetworkInterface) == id }) {
			return nil, origami.NotFound(origami.NetworkInterfaceID(id))
		}
	}
	keep := func(v instanceView) bool {
		return (len(in.NetworkInterfaceIds) == 0 || slices.Contains(in.NetworkInterfaceIds, string(v.NetworkInterface))) &&
			interfaceProperties.match(filters, v, tags[string(v.NetworkInterface)])
	}
	found, next := pageOf(p, slices.Values(all), func(v instanceView) string { return string(v.NetworkInterface) }, keep)
	out := &ec2api.DescribeNetworkInterfacesOutput{NextToken: next}
	for _, v := range found {
		out.NetworkInterfaces = append(out.NetworkInterfaces, wireNetworkInterface(v, tags[string(v.NetworkInterface)]))
	}
	return out, nil
}

// interfaces are the caller's instances that have an interface, in order of
// the IDs of those, with the tags of these.
func (s *Server) interfaces(ctx context.Context, who origami.Caller) ([]instanceView, map[string]origami.Tags, error) {
	var all []instanceView
	var tags map[string]origami.Tags
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		all = nil
		var ids []string
		for v, err := range views(tx, tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account})) {
			if err != nil {
				return err
			}
			if v.State != origami.InstanceTerminated {
				all = append(all, v)
				ids = append(ids, string(v.NetworkInterface))
			}
		}
		tags, err = tx.Tags(who.Region, who.Account, ids...)
		return err
	})
	slices.SortFunc(all, func(a, b instanceView) int {
		return strings.Compare(string(a.NetworkInterface), string(b.NetworkInterface))
	})
	return all, tags, err
}

// wireNetworkInterface writes the interface of an instance as a thing of its
// own.
func wireNetworkInterface(v instanceView, tags origami.Tags) ec2api.NetworkInterface {
	i := wireInterface(v)
	out := ec2api.NetworkInterface{
		Attachment: &ec2api.NetworkInterfaceAttachment{
			AttachTime: i.Attachment.AttachTime, AttachmentId: i.Attachment.AttachmentId, DeleteOnTermination: ptr(true), DeviceIndex: ptr(int32(0)),
			InstanceId: text(v.ID), InstanceOwnerId: text(v.Owner), NetworkCardIndex: ptr(int32(0)), Status: ptr("attached"),
		},
		AvailabilityZone: text(v.Zone), AvailabilityZoneId: text(zoneID(v.Region, v.Zone)), Description: i.Description, Groups: i.Groups,
		InterfaceType: i.InterfaceType, MacAddress: i.MacAddress, NetworkInterfaceId: i.NetworkInterfaceId, OwnerId: i.OwnerId,
		PrivateDnsName: i.PrivateDnsName, PrivateIpAddress: i.PrivateIpAddress, RequesterManaged: ptr(false), SourceDestCheck: ptr(true),
		Status: ptr("in-use"), SubnetId: i.SubnetId, TagSet: wireTags(tags), VpcId: i.VpcId,
	}
	if i.Association != nil {
		out.Association = &ec2api.NetworkInterfaceAssociation{
			AllocationId: text(v.Allocation), IpOwnerId: i.Association.IpOwnerId, PublicDnsName: i.Association.PublicDnsName, PublicIp: i.Association.PublicIp,
		}
	}
	out.PrivateIpAddresses = []ec2api.NetworkInterfacePrivateIpAddress{{
		Association: out.Association, Primary: ptr(true), PrivateDnsName: out.PrivateDnsName, PrivateIpAddress: out.PrivateIpAddress,
	}}
	return out
}
