package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// ImportKeyPair keeps a public key that the caller made.
func (s *Server) ImportKeyPair(ctx context.Context, who origami.Caller, in *ec2api.ImportKeyPairInput) (*ec2api.ImportKeyPairOutput, error) {
	tags, err := parseTagSpecifications(in.TagSpecifications, "key-pair")
	if err != nil {
		return nil, err
	}
	k, err := s.instances.ImportKeyPair(ctx, who, deref(in.KeyName), in.PublicKeyMaterial, tags["key-pair"])
	if err != nil {
		return nil, err
	}
	return &ec2api.ImportKeyPairOutput{
		KeyFingerprint: text(k.Fingerprint), KeyName: text(k.Name), KeyPairId: text(k.ID), Tags: wireTags(tags["key-pair"]),
	}, nil
}
