package kmsserver

import (
	"context"
	"time"

	"origami/internal/kms"
	"origami/internal/optional"
)

type aliasInput struct {
	Name *string `json:"AliasName" valid:"required,min=1,max=256" pattern:"[a-zA-Z0-9:/_-]+"`
	Key  *string `json:"TargetKeyId" valid:"required,min=1,max=2048"`
}

func (h *Handler) createAlias(ctx context.Context, a kms.Access, in *aliasInput) (*nothing, error) {
	return &nothing{}, h.kms.CreateAlias(ctx, a, *in.Name, *in.Key)
}

func (h *Handler) updateAlias(ctx context.Context, a kms.Access, in *aliasInput) (*nothing, error) {
	return &nothing{}, h.kms.UpdateAlias(ctx, a, *in.Name, *in.Key)
}

type deleteAliasInput struct {
	Name *string `json:"AliasName" valid:"required,min=1,max=256" pattern:"[a-zA-Z0-9:/_-]+"`
}

func (h *Handler) deleteAlias(ctx context.Context, a kms.Access, in *deleteAliasInput) (*nothing, error) {
	return &nothing{}, h.kms.DeleteAlias(ctx, a, *in.Name)
}

type listAliasesInput struct {
	KeyID  *string `json:"KeyId" valid:"min=1,max=2048"`
	Limit  *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker *string `json:"Marker" valid:"min=1,max=1024"`
}

type listAliasesOutput struct {
	Aliases    []aliasEntry `json:"Aliases"`
	NextMarker *string      `json:"NextMarker"`
	Truncated  *bool        `json:"Truncated"`
}

type aliasEntry struct {
	Name    *string    `json:"AliasName"`
	ARN     *string    `json:"AliasArn"`
	Key     *string    `json:"TargetKeyId"`
	Created *time.Time `json:"CreationDate"`
	Updated *time.Time `json:"LastUpdatedDate"`
}

func (h *Handler) listAliases(ctx context.Context, a kms.Access, in *listAliasesInput) (*listAliasesOutput, error) {
	after, err := parseMarker("aliases", in.Marker)
	if err != nil {
		return nil, err
	}
	found, more, err := h.kms.ListAliases(ctx, a, optional.Value(in.KeyID), after, limitOf(in.Limit, defaultShortLimit))
	if err != nil {
		return nil, err
	}
	out := &listAliasesOutput{Aliases: []aliasEntry{}, Truncated: &more}
	for _, x := range found {
		e := aliasEntry{Name: &x.Name, ARN: new(x.ARN()), Key: optional.Text(x.Key)}
		if !x.Created.IsZero() {
			e.Created, e.Updated = &x.Created, &x.Updated
		}
		out.Aliases = append(out.Aliases, e)
		after = x.Name
	}
	out.NextMarker = formatMarker("aliases", after, more)
	return out, nil
}
