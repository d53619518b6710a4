package kmsserver

import (
	"context"
	"time"

	"origami"
	"origami/internal/kms"
	"origami/internal/optional"
)

type scheduleKeyDeletionInput struct {
	KeyID *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Days  *int32  `json:"PendingWindowInDays" valid:"min=1,max=365"`
}

type scheduleKeyDeletionOutput struct {
	KeyID    *string    `json:"KeyId"`
	Deletion *time.Time `json:"DeletionDate"`
	State    *string    `json:"KeyState"`
	Days     *int32     `json:"PendingWindowInDays"`
}

func (h *Handler) scheduleKeyDeletion(ctx context.Context, a kms.Access, in *scheduleKeyDeletionInput) (*scheduleKeyDeletionOutput, error) {
	k, err := h.kms.ScheduleKeyDeletion(ctx, a, *in.KeyID, int(optional.Value(in.Days)))
	if err != nil {
		return nil, err
	}
	out := &scheduleKeyDeletionOutput{KeyID: new(k.ARN()), State: new(string(k.State)), Days: new(int32(k.DeletionDays))}
	if k.State == origami.KMSKeyPendingDeletion {
		out.Deletion = &k.Deletion
	}
	return out, nil
}

type keyIDOutput struct {
	KeyID *string `json:"KeyId"`
}

func (h *Handler) cancelKeyDeletion(ctx context.Context, a kms.Access, in *keyInput) (*keyIDOutput, error) {
	k, err := h.kms.CancelKeyDeletion(ctx, a, *in.KeyID)
	if err != nil {
		return nil, err
	}
	return &keyIDOutput{new(k.ARN())}, nil
}
