package imds

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"origami"
)

// Instance is an instance with everything around it that the service tells.
// Empty values have no entry in the tree.
type Instance struct {
	origami.Instance

	ZoneID       string // "use1-az1"
	SubnetCIDR   netip.Prefix
	VPCCIDRs     []netip.Prefix
	GroupNames   []string // of the security groups
	PrivateDNS   string   // "ip-10-0-0-5.ec2.internal"
	PublicDNS    string
	ManifestPath string            // of an image in instance store; empty for EBS
	Ancestors    []origami.ImageID // of an image in instance store
	ProductCodes []string
	Volumes      []string     // device names of the attached volumes: "/dev/sda1"
	Tags         origami.Tags // served if the instance's options say so
	ProfileGone  bool         // its instance profile was deleted
	Role         *Role        // that its profile hands it, or nil

	delivery string // version of the service that answers: "1.0" or "2.0"
}

// tree builds what is below a version, as far as a path leads there: signing
// takes a millisecond, the rest next to nothing. It is built anew for every
// request, so that it is never stale.
func (s *Server) tree(i *Instance, path []string) (*node, error) {
	root := new(node)
	root.list = "dynamic\nmeta-data"
	if len(i.UserData) > 0 {
		root.list += "\nuser-data"
	}
	i.identity(root.at("meta-data"))
	i.network(root.at("meta-data"))
	i.blockDevices(root.at("meta-data", "block-device-mapping"))
	if i.Metadata.InstanceTags == "enabled" {
		i.tags(root.at("meta-data"))
	}
	if err := i.role(root.at("meta-data"), path); err != nil {
		return nil, err
	}
	root.put("disabled", "dynamic", "fws", "instance-monitoring")
	if i.Monitoring {
		root.put("enabled", "dynamic", "fws", "instance-monitoring")
	}
	if len(path) > 1 && path[1] == "dynamic" {
		return root, s.document(i, root.at("dynamic", "instance-identity"))
	}
	return root, nil
}

// identity tells what the instance is and where it came from.
func (i *Instance) identity(m *node) {
	m.put(string(i.Image), "ami-id")
	m.put(strconv.Itoa(i.LaunchIndex), "ami-launch-index")
	m.put("(unknown)", "ami-manifest-path")
	m.putSome(i.ManifestPath, "ami-manifest-path")
	m.putSome(lines(i.Ancestors), "ancestor-ami-ids")
	m.put("none", "instance-action")
	m.put(string(i.ID), "instance-id")
	m.put("on-demand", "instance-life-cycle")
	m.put(i.Type, "instance-type")
	m.putSome(i.KernelID, "kernel-id")
	m.putSome(i.RamdiskID, "ramdisk-id")
	m.putSome(lines(i.ProductCodes), "product-codes")
	m.put("default-hvm", "profile")
	if i.VirtualizationType == origami.Paravirtual {
		m.put("default-paravirtual", "profile")
	}
	m.putSome(string(i.Reservation), "reservation-id")
	m.put(i.Zone, "placement", "availability-zone")
	m.putSome(i.ZoneID, "placement", "availability-zone-id")
	m.put(string(i.Region), "placement", "region")
	m.put("amazonaws.com", "services", "domain")
	m.put("aws", "services", "partition")
	if i.PublicKey != "" {
		m.put(strings.TrimRight(i.PublicKey, "\r\n")+"\n", "public-keys", "0", "openssh-key")
		m.at("public-keys").list = "0=" + i.KeyName
	}
}

// network tells the names, the addresses and the only interface.
func (i *Instance) network(m *node) {
	address, public := addrText(i.PrivateIP), addrText(i.PublicIP)
	m.putSome(i.PrivateDNS, "hostname")
	m.putSome(i.PrivateDNS, "local-hostname")
	m.putSome(address, "local-ipv4")
	m.putSome(i.PublicDNS, "public-hostname")
	m.putSome(public, "public-ipv4")
	m.putSome(lines(i.GroupNames), "security-groups")
	mac := strings.ToLower(i.MAC)
	if mac == "" {
		return
	}
	m.put(mac, "mac")
	n := m.at("network", "interfaces", "macs", mac)
	n.put("0", "device-number")
	n.putSome(string(i.NetworkInterface), "interface-id")
	n.putSome(i.PrivateDNS, "local-hostname")
	n.putSome(address, "local-ipv4s")
	n.put(mac, "mac")
	n.put(string(i.Owner), "owner-id")
	n.putSome(i.PublicDNS, "public-hostname")
	if public != "" {
		n.put(public, "public-ipv4s")
		n.put(address, "ipv4-associations", public)
	}
	n.putSome(lines(i.SecurityGroups), "security-group-ids")
	n.putSome(lines(i.GroupNames), "security-groups")
	n.putSome(string(i.Subnet), "subnet-id")
	n.putSome(prefixText(i.SubnetCIDR), "subnet-ipv4-cidr-block")
	n.putSome(string(i.VPC), "vpc-id")
	if len(i.VPCCIDRs) > 0 {
		n.put(i.VPCCIDRs[0].String(), "vpc-ipv4-cidr-block")
		n.put(lines(i.VPCCIDRs), "vpc-ipv4-cidr-blocks")
	}
}

// blockDevices tells the names that the disks had at launch.
func (i *Instance) blockDevices(b *node) {
	root := i.RootDeviceName
	b.put(root, "root")
	b.put(root, "ami")
	if strings.HasPrefix(root, "/dev/sd") {
		b.put(strings.TrimPrefix(root, "/dev/"), "ami")
	}
	count := 0
	for _, v := range i.Volumes {
		if v != root {
			count++
			b.put(strings.TrimPrefix(v, "/dev/"), "ebs"+strconv.Itoa(count))
		}
	}
	for _, d := range i.InstanceStores {
		if isSegment(d.VirtualName) {
			b.put(strings.TrimPrefix(d.DeviceName, "/dev/"), d.VirtualName)
		}
	}
}

// tags tells the instance's tags. Keys that cannot be a name in a path are
// left out; EC2 does not let such tags be made while this is on.
func (i *Instance) tags(m *node) {
	for k, v := range i.Tags {
		if isSegment(k) && k != "_index" {
			m.put(v, "tags", "instance", k)
		}
	}
}

// isSegment reports whether a string can be a name in a path, and a line.
func isSegment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/ \t\r\n")
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// lines joins values, one a line.
func lines[T any](list []T) string {
	s := make([]string, len(list))
	for i, v := range list {
		s[i] = fmt.Sprint(v)
	}
	return strings.Join(s, "\n")
}
