package kmsserver

import (
	"context"

	"origami"
	"origami/internal/kms"
	"origami/internal/optional"
)

type replicateKeyInput struct {
	KeyID       *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Region      *string `json:"ReplicaRegion" valid:"required,min=1,max=32" pattern:"([a-z]+-){2,3}\\d+"`
	Policy      *string `json:"Policy" valid:"min=1,max=131072" pattern:"[\\x09\\x0a\\x0d\\x20-\\x{ff}]+"`
	Bypass      *bool   `json:"BypassPolicyLockoutSafetyCheck"`
	Description *string `json:"Description" valid:"max=8192"`
	Tags        []tag   `json:"Tags"`
}

type replicateKeyOutput struct {
	Metadata *keyMetadata `json:"ReplicaKeyMetadata"`
	Policy   *string      `json:"ReplicaPolicy"`
	Tags     []tag        `json:"ReplicaTags"`
}

func (h *Handler) replicateKey(ctx context.Context, a kms.Access, in *replicateKeyInput) (*replicateKeyOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	k, family, err := h.kms.ReplicateKey(ctx, a, kms.Replication{
		Key: *in.KeyID, Region: origami.Region(*in.Region), Policy: optional.Value(in.Policy), BypassLockoutCheck: optional.Value(in.Bypass),
		Description: optional.Value(in.Description), Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return &replicateKeyOutput{metadataOf(k, family), &k.Policy, tagList(k.Tags)}, nil
}

type updatePrimaryRegionInput struct {
	KeyID  *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Region *string `json:"PrimaryRegion" valid:"required,min=1,max=32" pattern:"([a-z]+-){2,3}\\d+"`
}

func (h *Handler) updatePrimaryRegion(ctx context.Context, a kms.Access, in *updatePrimaryRegionInput) (*nothing, error) {
	return &nothing{}, h.kms.UpdatePrimaryRegion(ctx, a, *in.KeyID, origami.Region(*in.Region))
}
