package kmsserver

import (
	"context"
	"strconv"
	"time"

	"origami"
	"origami/internal/kms"
	"origami/internal/optional"
)

type enableKeyRotationInput struct {
	KeyID *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Days  *int32  `json:"RotationPeriodInDays" valid:"min=90,max=2560"`
}

func (h *Handler) enableKeyRotation(ctx context.Context, a kms.Access, in *enableKeyRotationInput) (*nothing, error) {
	return &nothing{}, h.kms.EnableKeyRotation(ctx, a, *in.KeyID, int(optional.Value(in.Days)))
}

func (h *Handler) disableKeyRotation(ctx context.Context, a kms.Access, in *keyInput) (*nothing, error) {
	return &nothing{}, h.kms.DisableKeyRotation(ctx, a, *in.KeyID)
}

type getKeyRotationStatusOutput struct {
	Enabled *bool      `json:"KeyRotationEnabled"`
	KeyID   *string    `json:"KeyId"`
	Days    *int32     `json:"RotationPeriodInDays"`
	Next    *time.Time `json:"NextRotationDate"`
}

func (h *Handler) getKeyRotationStatus(ctx context.Context, a kms.Access, in *keyInput) (*getKeyRotationStatusOutput, error) {
	k, err := h.kms.RotationStatus(ctx, a, *in.KeyID)
	if err != nil {
		return nil, err
	}
	out := &getKeyRotationStatusOutput{Enabled: new(k.RotationDays > 0), KeyID: new(string(k.ID))}
	if k.RotationDays > 0 {
		out.Days, out.Next = new(int32(k.RotationDays)), &k.NextRotation
	}
	return out, nil
}

func (h *Handler) rotateKeyOnDemand(ctx context.Context, a kms.Access, in *keyInput) (*keyIDOutput, error) {
	k, err := h.kms.RotateKeyOnDemand(ctx, a, *in.KeyID)
	if err != nil {
		return nil, err
	}
	return &keyIDOutput{new(string(k.ID))}, nil
}

type listKeyRotationsInput struct {
	KeyID   *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Include *string `json:"IncludeKeyMaterial" valid:"enum=ALL_KEY_MATERIAL|ROTATIONS_ONLY"`
	Limit   *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker  *string `json:"Marker" valid:"min=1,max=1024"`
}

type listKeyRotationsOutput struct {
	Rotations  []rotationEntry `json:"Rotations"`
	NextMarker *string         `json:"NextMarker"`
	Truncated  *bool           `json:"Truncated"`
}

type rotationEntry struct {
	KeyID      *string    `json:"KeyId"`
	MaterialID *string    `json:"KeyMaterialId"`
	State      *string    `json:"KeyMaterialState"`
	Date       *time.Time `json:"RotationDate"`
	Type       *string    `json:"RotationType"`
}

func (h *Handler) listKeyRotations(ctx context.Context, a kms.Access, in *listKeyRotationsInput) (*listKeyRotationsOutput, error) {
	after, err := parseMarker("rotations", in.Marker)
	if err != nil {
		return nil, err
	}
	from := 0
	if after != "" {
		if from, err = strconv.Atoi(after); err != nil {
			return nil, origami.Errorf(kms.CodeInvalidMarker, "The marker is not one of this list.")
		}
	}
	k, rows, err := h.kms.ListKeyRotations(ctx, a, *in.KeyID)
	if err != nil {
		return nil, err
	}
	out, more := &listKeyRotationsOutput{Rotations: []rotationEntry{}}, false
	for _, m := range rows {
		if m.Number <= from || m.Reason == "" && optional.Value(in.Include) != "ALL_KEY_MATERIAL" {
			continue
		}
		if more = len(out.Rotations) == limitOf(in.Limit, defaultLimit); more {
			break
		}
		out.Rotations = append(out.Rotations, rotationOf(k, m))
		after = strconv.Itoa(m.Number)
	}
	out.Truncated, out.NextMarker = &more, formatMarker("rotations", after, more)
	return out, nil
}

func rotationOf(k *origami.KMSKey, m *origami.KMSMaterial) rotationEntry {
	state := "NON_CURRENT"
	if m.Number == k.Material {
		state = "CURRENT"
	}
	e := rotationEntry{KeyID: new(string(k.ID)), MaterialID: &m.ID, State: &state}
	if m.Reason != "" {
		e.Date, e.Type = &m.Created, &m.Reason
	}
	return e
}
