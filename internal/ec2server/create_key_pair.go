package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// CreateKeyPair makes a key pair and returns its private half, once.
func (s *Server) CreateKeyPair(ctx context.Context, who origami.Caller, in *ec2api.CreateKeyPairInput) (*ec2api.CreateKeyPairOutput, error) {
	tags, err := parseTagSpecifications(in.TagSpecifications, "key-pair")
	if err != nil {
		return nil, err
	}
	kind := deref(in.KeyType)
	if kind == "" {
		kind = "rsa"
	}
	k, private, err := s.instances.CreateKeyPair(ctx, who, deref(in.KeyName), kind, tags["key-pair"])
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateKeyPairOutput{
		KeyFingerprint: text(k.Fingerprint), KeyMaterial: ptr(string(private)),
		KeyName: text(k.Name), KeyPairId: text(k.ID), Tags: wireTags(tags["key-pair"]),
	}, nil
}
