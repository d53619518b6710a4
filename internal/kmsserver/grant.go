package kmsserver

import (
	"context"
	"time"

	"origami"
	"origami/internal/awsjson"
	"origami/internal/kms"
	"origami/internal/optional"
)

type grantConstraints struct {
	Subset map[string]string `json:"EncryptionContextSubset"`
	Equals map[string]string `json:"EncryptionContextEquals"`
	Source awsjson.Present   `json:"SourceArn"`
}

type createGrantInput struct {
	KeyID       *string           `json:"KeyId" valid:"required,min=1,max=2048"`
	Grantee     *string           `json:"GranteePrincipal" valid:"required,min=1,max=256" pattern:"[\\w+=,.@:/-]+"`
	Retiring    *string           `json:"RetiringPrincipal" valid:"min=1,max=256" pattern:"[\\w+=,.@:/-]+"`
	Operations  []string          `json:"Operations" valid:"required" each:"enum=Decrypt|Encrypt|GenerateDataKey|GenerateDataKeyWithoutPlaintext|ReEncryptFrom|ReEncryptTo|Sign|Verify|GetPublicKey|CreateGrant|RetireGrant|DescribeKey|GenerateDataKeyPair|GenerateDataKeyPairWithoutPlaintext|GenerateMac|VerifyMac|DeriveSharedSecret"`
	Constraints *grantConstraints `json:"Constraints"`
	GrantTokens []string          `json:"GrantTokens" valid:"max=10" each:"min=1,max=8192"`
	Name        *string           `json:"Name" valid:"min=1,max=256" pattern:"[a-zA-Z0-9:/_-]+"`
	DryRun      *bool             `json:"DryRun"`

	GranteeService  awsjson.Present `json:"GranteeServicePrincipal"`
	RetiringService awsjson.Present `json:"RetiringServicePrincipal"`
}

type createGrantOutput struct {
	Token *string `json:"GrantToken"`
	ID    *string `json:"GrantId"`
}

func (h *Handler) createGrant(ctx context.Context, a kms.Access, in *createGrantInput) (*createGrantOutput, error) {
	switch {
	case bool(in.GranteeService):
		return nil, unsupported("GranteeServicePrincipal")
	case bool(in.RetiringService):
		return nil, unsupported("RetiringServicePrincipal")
	}
	g := kms.NewGrant{
		Key: *in.KeyID, Name: optional.Value(in.Name), Grantee: *in.Grantee, Retiring: optional.Value(in.Retiring), Operations: in.Operations,
	}
	if c := in.Constraints; c != nil {
		if c.Source {
			return nil, unsupported("Constraints.SourceArn")
		}
		g.ContextSubset, g.ContextEquals = c.Subset, c.Equals
	}
	a.GrantTokens, a.DryRun = in.GrantTokens, optional.Value(in.DryRun)
	id, token, err := h.kms.CreateGrant(ctx, a, g)
	if err != nil {
		return nil, err
	}
	return &createGrantOutput{&token, &id}, nil
}

type grantEntry struct {
	KeyID       *string           `json:"KeyId"`
	ID          *string           `json:"GrantId"`
	Name        *string           `json:"Name"`
	Created     *time.Time        `json:"CreationDate"`
	Grantee     *string           `json:"GranteePrincipal"`
	Retiring    *string           `json:"RetiringPrincipal"`
	Issuer      *string           `json:"IssuingAccount"`
	Operations  []string          `json:"Operations"`
	Constraints *grantConstraints `json:"Constraints"`
}

func entryOf(g *origami.KMSGrant) grantEntry {
	key := (&origami.KMSKey{ID: g.Key, Region: g.Region, Owner: g.Owner}).ARN()
	e := grantEntry{
		KeyID: &key, ID: &g.ID, Name: optional.Text(g.Name), Created: &g.Created, Grantee: &g.Grantee, Retiring: optional.Text(g.Retiring),
		Issuer: new("arn:aws:iam::" + string(g.Issuer) + ":root"), Operations: g.Operations,
	}
	if g.ContextSubset != nil || g.ContextEquals != nil {
		e.Constraints = &grantConstraints{Subset: g.ContextSubset, Equals: g.ContextEquals}
	}
	return e
}

type listGrantsInput struct {
	Limit   *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker  *string `json:"Marker" valid:"min=1,max=1024"`
	KeyID   *string `json:"KeyId" valid:"required,min=1,max=2048"`
	ID      *string `json:"GrantId" valid:"min=1,max=128"`
	Grantee *string `json:"GranteePrincipal" valid:"min=1,max=256" pattern:"[\\w+=,.@:/-]+"`

	GranteeService awsjson.Present `json:"GranteeServicePrincipal"`
}

type listGrantsOutput struct {
	Grants     []grantEntry `json:"Grants"`
	NextMarker *string      `json:"NextMarker"`
	Truncated  *bool        `json:"Truncated"`
}

func (h *Handler) listGrants(ctx context.Context, a kms.Access, in *listGrantsInput) (*listGrantsOutput, error) {
	if in.GranteeService {
		return nil, unsupported("GranteeServicePrincipal")
	}
	after, err := parseMarker("grants", in.Marker)
	if err != nil {
		return nil, err
	}
	found, more, err := h.kms.ListGrants(ctx, a, *in.KeyID, kms.GrantFilter{ID: optional.Value(in.ID), Grantee: optional.Value(in.Grantee)},
		after, limitOf(in.Limit, defaultShortLimit))
	if err != nil {
		return nil, err
	}
	return pageOfGrants("grants", found, more), nil
}

func pageOfGrants(list string, found []*origami.KMSGrant, more bool) *listGrantsOutput {
	out := &listGrantsOutput{Grants: []grantEntry{}, Truncated: &more}
	after := ""
	for _, g := range found {
		out.Grants = append(out.Grants, entryOf(g))
		after = g.ID
	}
	out.NextMarker = formatMarker(list, after, more)
	return out
}

type listRetirableGrantsInput struct {
	Limit    *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker   *string `json:"Marker" valid:"min=1,max=1024"`
	Retiring *string `json:"RetiringPrincipal" valid:"required,min=1,max=256" pattern:"[\\w+=,.@:/-]+"`

	RetiringService awsjson.Present `json:"RetiringServicePrincipal"`
}

func (h *Handler) listRetirableGrants(ctx context.Context, a kms.Access, in *listRetirableGrantsInput) (*listGrantsOutput, error) {
	if in.RetiringService {
		return nil, unsupported("RetiringServicePrincipal")
	}
	after, err := parseMarker("retirable", in.Marker)
	if err != nil {
		return nil, err
	}
	found, more, err := h.kms.ListRetirableGrants(ctx, a, *in.Retiring, after, limitOf(in.Limit, defaultShortLimit))
	if err != nil {
		return nil, err
	}
	return pageOfGrants("retirable", found, more), nil
}

type revokeGrantInput struct {
	KeyID  *string `json:"KeyId" valid:"required,min=1,max=2048"`
	ID     *string `json:"GrantId" valid:"required,min=1,max=128"`
	DryRun *bool   `json:"DryRun"`
}

func (h *Handler) revokeGrant(ctx context.Context, a kms.Access, in *revokeGrantInput) (*nothing, error) {
	a.DryRun = optional.Value(in.DryRun)
	return &nothing{}, h.kms.RevokeGrant(ctx, a, *in.KeyID, *in.ID)
}

type retireGrantInput struct {
	Token  *string `json:"GrantToken" valid:"min=1,max=8192"`
	KeyID  *string `json:"KeyId" valid:"min=1,max=2048"`
	ID     *string `json:"GrantId" valid:"min=1,max=128"`
	DryRun *bool   `json:"DryRun"`
}

func (h *Handler) retireGrant(ctx context.Context, a kms.Access, in *retireGrantInput) (*nothing, error) {
	a.DryRun = optional.Value(in.DryRun)
	return &nothing{}, h.kms.RetireGrant(ctx, a, optional.Value(in.Token), optional.Value(in.KeyID), optional.Value(in.ID))
}
