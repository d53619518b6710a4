package ec2server

import (
	"cmp"
	"net/netip"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// instanceView is an instance with what an answer shows beside it.
type instanceView struct {
	*origami.Instance
	volumes []*origami.Volume // attached, by slot
	groups  []*origami.SecurityGroup
	named   bool // its VPC gives public names
}

// viewInstance reads what belongs to an instance. A terminated one is no longer
// part of any network.
func viewInstance(tx *metadb.Tx, i *origami.Instance) (instanceView, error) {
	if i.State == origami.InstanceTerminated {
		gone := *i
		gone.VPC, gone.Subnet, gone.SecurityGroups, gone.NetworkInterface, gone.MAC = "", "", nil, "", ""
		i = &gone
	}
	v := instanceView{Instance: i}
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return v, err
	}
	slices.SortFunc(vols, func(a, b *origami.Volume) int {
		return cmp.Compare(attachedTo(a, i.ID).Slot, attachedTo(b, i.ID).Slot)
	})
	v.volumes = vols
	if i.PublicIP.IsValid() {
		vpc, err := tx.VPC(i.Region, i.Owner, i.VPC)
		if err != nil {
			return v, err
		}
		v.named = vpc.DNSHostnames
	}
	for _, id := range i.SecurityGroups {
		g, err := tx.SecurityGroup(i.Region, i.Owner, id)
		if isCode(err, origami.CodeInvalidGroupNotFound) {
			continue
		}
		if err != nil {
			return v, err
		}
		v.groups = append(v.groups, g)
	}
	return v, nil
}

// attachedTo is the attachment of a volume to an instance.
func attachedTo(v *origami.Volume, id origami.InstanceID) origami.Attachment {
	for _, a := range v.Attachments {
		if a.Instance == id {
			return a
		}
	}
	return origami.Attachment{Slot: -1}
}

func (v instanceView) privateDNS() string {
	if !v.PrivateIP.IsValid() {
		return ""
	}
	return vpc.Hostname(v.PrivateIP) + "." + vpc.Domain(v.Region)
}

// publicDNS is the public name. A loopback address has no name in any DNS, so
// the address itself stands for it, which every client can resolve.
func (v instanceView) publicDNS() string {
	if !v.PublicIP.IsValid() || !v.named {
		return ""
	}
	return v.PublicIP.String()
}

func addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// reservation writes instances of one reservation as an answer of their own.
func wireReservation(views []tagged[instanceView]) ec2api.Reservation {
	first := views[0].noun
	r := ec2api.Reservation{OwnerId: text(first.Owner), ReservationId: text(first.Reservation)}
	for _, v := range views {
		r.Instances = append(r.Instances, wireInstance(v.noun, v.tags))
	}
	return r
}

// wireInstance writes an instance.
func wireInstance(v instanceView, tags origami.Tags) ec2api.Instance {
	out := ec2api.Instance{
		AmiLaunchIndex:        ptr(int32(v.LaunchIndex)),
		Architecture:          text(v.Architecture),
		BlockDeviceMappings:   wireAttached(v),
		BootMode:              text(v.BootMode),
		ClientToken:           text(v.ClientToken),
		EbsOptimized:          ptr(v.EBSOptimized),
		EnaSupport:            ptr(v.ENASupport),
		EnclaveOptions:        &ec2api.EnclaveOptions{Enabled: ptr(false)},
		HibernationOptions:    &ec2api.HibernationOptions{Configured: ptr(false)},
		Hypervisor:            text(v.Hypervisor),
		ImageId:               text(v.Image),
		InstanceId:            text(v.ID),
		InstanceType:          text(v.Type),
		KernelId:              text(v.KernelID),
		KeyName:               text(v.KeyName),
		LaunchTime:            ptr(v.Launched),
		MetadataOptions:       wireMetadataOptions(v.Metadata),
		Monitoring:            &ec2api.Monitoring{State: ptr(monitoring(v.Monitoring))},
		Placement:             &ec2api.Placement{AvailabilityZone: text(v.Zone), AvailabilityZoneId: text(zoneID(v.Region, v.Zone)), GroupName: ptr(""), Tenancy: ptr("default")},
		Platform:              text(v.Platform),
		PlatformDetails:       text(v.PlatformDetails),
		PrivateDnsName:        ptr(v.privateDNS()),
		PrivateIpAddress:      text(addr(v.PrivateIP)),
		PublicDnsName:         ptr(v.publicDNS()),
		PublicIpAddress:       text(addr(v.PublicIP)),
		RamdiskId:             text(v.RamdiskID),
		RootDeviceName:        text(v.RootDeviceName),
		RootDeviceType:        text(v.RootDeviceType),
		SriovNetSupport:       text(v.SriovNetSupport),
		State:                 wireState(v.State),
		StateReason:           wireReason(v.StateReason),
		StateTransitionReason: ptr(v.TransitionReason),
		Tags:                  wireTags(tags),
		TpmSupport:            text(v.TPMSupport),
		UsageOperation:        text(v.UsageOperation),
		VirtualizationType:    text(v.VirtualizationType),
	}
	if v.Profile != "" {
		out.IamInstanceProfile = &ec2api.IamInstanceProfile{Arn: text(v.Profile), Id: text(v.ProfileID)}
	}
	if t, err := instance.TypeByName(v.Type); err == nil {
		threads := 1
		if t.VCPUs%2 == 0 && v.Architecture != origami.ARM64 {
			threads = 2
		}
		out.CpuOptions = &ec2api.CpuOptions{CoreCount: ptr(int32(t.VCPUs / threads)), ThreadsPerCore: ptr(int32(threads))}
	}
	for _, mode := range currentBootMode(v) {
		out.CurrentInstanceBootMode = &mode
	}
	if v.State == origami.InstanceTerminated {
		return out // no network any more
	}
	out.PrivateDnsNameOptions = &ec2api.PrivateDnsNameOptionsResponse{
		HostnameType: ptr("ip-name"), EnableResourceNameDnsARecord: ptr(false), EnableResourceNameDnsAAAARecord: ptr(false),
	}
	out.SourceDestCheck = ptr(true)
	out.SubnetId, out.VpcId = text(v.Subnet), text(v.VPC)
	out.SecurityGroups = wireGroups(v.groups)
	out.NetworkInterfaces = []ec2api.InstanceNetworkInterface{wireInterface(v)}
	return out
}

func monitoring(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func wireGroups(groups []*origami.SecurityGroup) []ec2api.GroupIdentifier {
	var out []ec2api.GroupIdentifier
	for _, g := range groups {
		out = append(out, ec2api.GroupIdentifier{GroupId: text(g.ID), GroupName: text(g.Name)})
	}
	return out
}

func wireMetadataOptions(o origami.MetadataOptions) *ec2api.InstanceMetadataOptionsResponse {
	return &ec2api.InstanceMetadataOptionsResponse{
		HttpEndpoint: text(o.Endpoint), HttpProtocolIpv6: text(o.IPv6), HttpPutResponseHopLimit: ptr(int32(o.HopLimit)),
		HttpTokens: text(o.Tokens), InstanceMetadataTags: text(o.InstanceTags), State: ptr("applied"),
	}
}

func wireAttached(v instanceView) []ec2api.InstanceBlockDeviceMapping {
	var out []ec2api.InstanceBlockDeviceMapping
	for _, vol := range v.volumes {
		a := attachedTo(vol, v.ID)
		state := a.State
		if state == origami.Busy { // which volumes know, and instances do not
			state = origami.Detaching
		}
		out = append(out, ec2api.InstanceBlockDeviceMapping{
			DeviceName: text(a.Device),
			Ebs: &ec2api.EbsInstanceBlockDevice{
				AttachTime: ptr(a.Attached), DeleteOnTermination: ptr(a.DeleteOnTermination),
				Status: text(state), VolumeId: text(vol.ID),
			},
		})
	}
	return out
}

func wireInterface(v instanceView) ec2api.InstanceNetworkInterface {
	out := ec2api.InstanceNetworkInterface{
		Attachment: &ec2api.InstanceNetworkInterfaceAttachment{
			AttachTime: ptr(v.Launched), AttachmentId: ptr("eni-attach-" + string(v.NetworkInterface[len("eni-"):])),
			DeleteOnTermination: ptr(true), DeviceIndex: ptr(int32(0)), NetworkCardIndex: ptr(int32(0)), Status: ptr("attached"),
		},
		Description:        ptr(""),
		Groups:             wireGroups(v.groups),
		InterfaceType:      ptr("interface"),
		MacAddress:         text(v.MAC),
		NetworkInterfaceId: text(v.NetworkInterface),
		OwnerId:            text(v.Owner),
		PrivateDnsName:     text(v.privateDNS()),
		PrivateIpAddress:   text(addr(v.PrivateIP)),
		SourceDestCheck:    ptr(true),
		Status:             ptr("in-use"),
		SubnetId:           text(v.Subnet),
		VpcId:              text(v.VPC),
	}
	if v.PublicIP.IsValid() {
		out.Association = &ec2api.InstanceNetworkInterfaceAssociation{
			IpOwnerId: ptr("amazon"), PublicDnsName: text(v.publicDNS()), PublicIp: text(addr(v.PublicIP)),
		}
	}
	if v.Allocation != "" && out.Association != nil {
		out.Association.IpOwnerId = text(v.Owner)
	}
	out.PrivateIpAddresses = []ec2api.InstancePrivateIpAddress{{
		Association: out.Association, Primary: ptr(true), PrivateDnsName: out.PrivateDnsName, PrivateIpAddress: out.PrivateIpAddress,
	}}
	return out
}
