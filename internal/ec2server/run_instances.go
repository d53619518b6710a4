package ec2server

import (
	"context"
	"encoding/base64"
	"net/netip"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// RunInstances launches instances from an image.
func (s *Server) RunInstances(ctx context.Context, who origami.Caller, in *ec2api.RunInstancesInput) (*ec2api.RunInstancesOutput, error) {
	whole, from := in, (*origami.LaunchTemplateVersion)(nil)
	var profile *origami.InstanceProfile
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if whole, from, err = s.applyTemplate(tx, who, in); err != nil {
			return err
		}
		profile, err = findProfile(tx, who, whole.IamInstanceProfile)
		return err
	})
	if err != nil {
		return nil, err
	}
	l, err := parseLaunch(whole)
	if err != nil {
		return nil, err
	}
	if profile != nil {
		l.Profile, l.ProfileID = profile.ARN(), profile.ID
	}
	if from != nil {
		l.Template, l.TemplateVersion = from.Template, from.Number
	}
	l.Fingerprint = fingerprint(in)
	launched, err := s.instances.Run(ctx, who, l)
	if err != nil {
		return nil, err
	}
	var found []tagged[instanceView]
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, i := range launched {
			v, err := viewInstance(tx, i)
			if err != nil {
				return err
			}
			tags, err := tx.Tags(who.Region, who.Account, string(i.ID))
			if err != nil {
				return err
			}
			found = append(found, tagged[instanceView]{v, tags[string(i.ID)]})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := ec2api.RunInstancesOutput(wireReservation(found))
	return &out, nil
}

// parseLaunch reads the request.
func parseLaunch(in *ec2api.RunInstancesInput) (instance.Launch, error) {
	l := instance.Launch{
		Type:               deref(in.InstanceType),
		Min:                int(deref(in.MinCount)),
		Max:                int(deref(in.MaxCount)),
		KeyName:            deref(in.KeyName),
		GroupNames:         in.SecurityGroups,
		ShutdownBehavior:   deref(in.InstanceInitiatedShutdownBehavior),
		DisableTermination: deref(in.DisableApiTermination),
		DisableStop:        deref(in.DisableApiStop),
		EBSOptimized:       deref(in.EbsOptimized),
		ClientToken:        deref(in.ClientToken),
	}
	if in.CreditSpecification != nil {
		l.CPUCredits = deref(in.CreditSpecification.CpuCredits)
	}
	var err error
	if in.ImageId == nil {
		return l, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter ImageId")
	}
	if l.Image, err = origami.ParseImageID(*in.ImageId); err != nil {
		return l, err
	}
	if in.UserData != nil {
		if l.UserData, err = base64.StdEncoding.DecodeString(*in.UserData); err != nil {
			return l, origami.Errorf(origami.CodeInvalidUserDataMalformed, "Invalid BASE64 encoding of user data.")
		}
	}
	if l.BlockDevices, err = parseMapping(in.BlockDeviceMappings); err != nil {
		return l, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "instance", "volume", "network-interface")
	if err != nil {
		return l, err
	}
	l.InstanceTags, l.VolumeTags, l.InterfaceTags = tags["instance"], tags["volume"], tags["network-interface"]
	if in.Monitoring != nil {
		l.Monitoring = deref(in.Monitoring.Enabled)
	}
	if l.Metadata, err = parseMetadataOptions(in.MetadataOptions); err != nil {
		return l, err
	}
	return l, parsePlacement(in, &l)
}

// parseMetadataOptions reads how the metadata service shall serve. A hop limit
// that is not given is 0 in the outcome.
func parseMetadataOptions(in *ec2api.InstanceMetadataOptionsRequest) (origami.MetadataOptions, error) {
	if in == nil {
		return origami.MetadataOptions{}, nil
	}
	if n := in.HttpPutResponseHopLimit; n != nil && (*n < 1 || *n > 64) {
		return origami.MetadataOptions{}, origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%d) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.", *n)
	}
	return origami.MetadataOptions{
		Endpoint: deref(in.HttpEndpoint), Tokens: deref(in.HttpTokens), HopLimit: int(deref(in.HttpPutResponseHopLimit)),
		InstanceTags: deref(in.InstanceMetadataTags), IPv6: deref(in.HttpProtocolIpv6),
	}, nil
}

// parsePlacement reads where the instances go.
func parsePlacement(in *ec2api.RunInstancesInput, l *instance.Launch) error {
	if in.Placement != nil {
		l.Zone = deref(in.Placement.AvailabilityZone)
	}
	subnet, private, groups := in.SubnetId, in.PrivateIpAddress, in.SecurityGroupIds
	if len(in.NetworkInterfaces) > 0 {
		if subnet != nil || private != nil || len(groups) > 0 || len(in.SecurityGroups) > 0 {
			return origami.Errorf(origami.CodeInvalidParameterCombination,
				"Network interfaces and an instance-level subnet ID, private IP address or security groups may not be specified on the same request")
		}
		if len(in.NetworkInterfaces) > 1 || deref(in.NetworkInterfaces[0].DeviceIndex) != 0 {
			return origami.Errorf(origami.CodeUnsupportedOperation, "Instances with more than one network interface are not supported.")
		}
		n := in.NetworkInterfaces[0]
		if n.DeleteOnTermination != nil && !*n.DeleteOnTermination {
			return origami.Errorf(origami.CodeUnsupportedOperation, "Network interfaces that outlive their instance are not supported.")
		}
		subnet, private, groups, l.PublicIP = n.SubnetId, n.PrivateIpAddress, n.Groups, n.AssociatePublicIpAddress
	}
	if subnet != nil {
		id, err := origami.ParseSubnetID(*subnet)
		if err != nil {
			return err
		}
		l.Subnet = id
	}
	if private != nil {
		a, err := netip.ParseAddr(*private)
		if err != nil || !a.Is4() {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter privateIpAddress is invalid. Invalid IPv4 address.", *private)
		}
		l.PrivateIP = a
	}
	for _, g := range groups {
		id, err := origami.ParseSecurityGroupID(g)
		if err != nil {
			return err
		}
		l.SecurityGroups = append(l.SecurityGroups, id)
	}
	return nil
}
