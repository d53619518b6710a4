package kmsserver

import (
	"context"

	"origami/internal/kms"
	"origami/internal/optional"
)

type getKeyPolicyInput struct {
	KeyID *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Name  *string `json:"PolicyName" valid:"min=1,max=128" pattern:"[\\w]+"`
}

type getKeyPolicyOutput struct {
	Policy *string `json:"Policy"`
	Name   *string `json:"PolicyName"`
}

func (h *Handler) getKeyPolicy(ctx context.Context, a kms.Access, in *getKeyPolicyInput) (*getKeyPolicyOutput, error) {
	text, err := h.kms.GetKeyPolicy(ctx, a, *in.KeyID, optional.Value(in.Name))
	if err != nil {
		return nil, err
	}
	return &getKeyPolicyOutput{&text, new(kms.PolicyName)}, nil
}

type putKeyPolicyInput struct {
	KeyID  *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Name   *string `json:"PolicyName" valid:"min=1,max=128" pattern:"[\\w]+"`
	Policy *string `json:"Policy" valid:"required,min=1,max=131072" pattern:"[\\x09\\x0a\\x0d\\x20-\\x{ff}]+"`
	Bypass *bool   `json:"BypassPolicyLockoutSafetyCheck"`
}

func (h *Handler) putKeyPolicy(ctx context.Context, a kms.Access, in *putKeyPolicyInput) (*nothing, error) {
	return &nothing{}, h.kms.PutKeyPolicy(ctx, a, *in.KeyID, optional.Value(in.Name), *in.Policy, optional.Value(in.Bypass))
}

type listKeyPoliciesInput struct {
	KeyID  *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Limit  *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker *string `json:"Marker" valid:"min=1,max=1024"`
}

type listKeyPoliciesOutput struct {
	Names     []string `json:"PolicyNames"`
	Truncated *bool    `json:"Truncated"`
}

// listKeyPolicies never gives a marker: there is one policy.
func (h *Handler) listKeyPolicies(ctx context.Context, a kms.Access, in *listKeyPoliciesInput) (*listKeyPoliciesOutput, error) {
	if _, err := parseMarker("policies", in.Marker); err != nil {
		return nil, err
	}
	if err := h.kms.ListKeyPolicies(ctx, a, *in.KeyID); err != nil {
		return nil, err
	}
	return &listKeyPoliciesOutput{[]string{kms.PolicyName}, new(false)}, nil
}
