package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// ModifyInstanceMetadataOptions changes how the metadata service serves an
// instance. The answer says that the change is pending, as EC2's does; the
// guest's next request meets it.
func (s *Server) ModifyInstanceMetadataOptions(ctx context.Context, who origami.Caller, in *ec2api.ModifyInstanceMetadataOptionsInput) (*ec2api.ModifyInstanceMetadataOptionsOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	asked := origami.MetadataOptions{
		Endpoint: deref(in.HttpEndpoint), Tokens: deref(in.HttpTokens), HopLimit: int(deref(in.HttpPutResponseHopLimit)),
		InstanceTags: deref(in.InstanceMetadataTags), IPv6: deref(in.HttpProtocolIpv6),
	}
	if in.HttpPutResponseHopLimit != nil && asked.HopLimit == 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (0) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.")
	}
	if asked == (origami.MetadataOptions{}) {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "No metadata options specified.")
	}
	now, err := s.instances.ModifyMetadata(ctx, who, id, asked)
	if err != nil {
		return nil, err
	}
	out := &ec2api.ModifyInstanceMetadataOptionsOutput{InstanceId: text(id), InstanceMetadataOptions: wireMetadataOptions(now)}
	out.InstanceMetadataOptions.State = ptr("pending")
	return out, nil
}
