package stsserver

import (
	"context"
	"errors"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
)

type getCallerIdentityInput struct{}

type getCallerIdentityOutput struct {
	UserID  *string `xml:"UserId"`
	Account *string `xml:"Account"`
	ARN     *string `xml:"Arn"`
}

// getCallerIdentity needs no permission, and no denial takes it away.
func (h *Handler) getCallerIdentity(_ context.Context, who origami.Caller, _ *getCallerIdentityInput) (*getCallerIdentityOutput, error) {
	account := string(who.Account)
	return &getCallerIdentityOutput{UserID: &who.UserID, Account: &account, ARN: &who.ARN}, nil
}

type assumeRoleInput struct {
	RoleARN         *string     `query:"RoleArn" valid:"required,min=20,max=2048"`
	RoleSessionName *string     `query:"RoleSessionName" valid:"required"`
	PolicyARNs      []policyARN `query:"PolicyArns" valid:"items=10"`
	Policy          *string     `query:"Policy"`
	DurationSeconds *int32      `query:"DurationSeconds"`
	ExternalID      *string     `query:"ExternalId" valid:"min=2,max=1224"`

	Tags              []tag    `query:"Tags" valid:"items=50"`
	TransitiveTagKeys []string `query:"TransitiveTagKeys" valid:"items=50"`
	SerialNumber      *string  `query:"SerialNumber" valid:"min=9,max=256"`
	TokenCode         *string  `query:"TokenCode" valid:"min=6,max=6"`
	SourceIdentity    *string  `query:"SourceIdentity"`
}

type policyARN struct {
	ARN *string `query:"arn"`
}

type tag struct {
	Key   *string `query:"Key" valid:"required"`
	Value *string `query:"Value,keepempty"`
}

type assumeRoleOutput struct {
	Credentials      *credentials     `xml:"Credentials"`
	AssumedRoleUser  *assumedRoleUser `xml:"AssumedRoleUser"`
	PackedPolicySize *int32           `xml:"PackedPolicySize"`
	SourceIdentity   *string          `xml:"SourceIdentity"`
}

type credentials struct {
	AccessKeyID     *string    `xml:"AccessKeyId"`
	SecretAccessKey *string    `xml:"SecretAccessKey"`
	SessionToken    *string    `xml:"SessionToken"`
	Expiration      *time.Time `xml:"Expiration"`
}

type assumedRoleUser struct {
	AssumedRoleID *string `xml:"AssumedRoleId"`
	ARN           *string `xml:"Arn"`
}

func wireCredentials(t iam.Temporary) *credentials {
	return &credentials{AccessKeyID: &t.AccessKey, SecretAccessKey: &t.Secret, SessionToken: &t.Token, Expiration: &t.Expires}
}

// maxPacked is what the policy and the tags of a session may weigh, in
// characters, as PackedPolicySize counts.
const maxPacked = 2048

// packed is the part of maxPacked that a session takes, in percent, or nil if it
// has neither policies nor tags.
func packed(spec iam.AssumeSpec) *int32 {
	if spec.Policy == "" && len(spec.Managed) == 0 && len(spec.Tags) == 0 {
		return nil
	}
	weight := len(spec.Policy)
	for _, arn := range spec.Managed {
		weight += len(arn)
	}
	for _, t := range spec.Tags {
		weight += len(t.Key) + len(t.Value)
	}
	return new(min(int32(weight*100/maxPacked), 100))
}

// checkMFA refuses a second factor: no user has a device.
func checkMFA(serial, code *string) error {
	switch {
	case serial == nil && code == nil:
		return nil
	case serial == nil || code == nil:
		return origami.Errorf("AccessDenied", "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
	}
	return origami.Errorf("AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.  "+
		"Please verify your MFA serial number is valid and associated with this user.")
}

// assumeRole makes credentials of a session of a role. Its permission is part
// of the question who may assume the role.
func (h *Handler) assumeRole(ctx context.Context, who origami.Caller, in *assumeRoleInput) (*assumeRoleOutput, error) {
	if err := checkMFA(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	spec := iam.AssumeSpec{
		Role: *in.RoleARN, Session: *in.RoleSessionName, ExternalID: optional.Value(in.ExternalID), Policy: optional.Value(in.Policy),
		Duration: seconds(in.DurationSeconds), Transitive: in.TransitiveTagKeys, SourceIdentity: optional.Value(in.SourceIdentity),
	}
	for _, t := range in.Tags {
		spec.Tags = append(spec.Tags, iam.SessionTag{Key: *t.Key, Value: optional.Value(t.Value)})
	}
	for _, p := range in.PolicyARNs {
		spec.Managed = append(spec.Managed, optional.Value(p.ARN))
	}
	made, err := h.Accounts.AssumeRole(ctx, who, spec)
	if err != nil {
		return nil, err
	}
	out := &assumeRoleOutput{Credentials: wireCredentials(made), AssumedRoleUser: &assumedRoleUser{AssumedRoleID: &made.UserID, ARN: &made.ARN}}
	if made.SourceIdentity != "" {
		out.SourceIdentity = &made.SourceIdentity
	}
	out.PackedPolicySize = packed(spec)
	return out, nil
}

// seconds is a duration, or 0 for the usual one.
func seconds(n *int32) time.Duration {
	switch {
	case n == nil:
		return 0
	case *n == 0:
		return -1 // less than a second: too short
	}
	return time.Duration(*n) * time.Second
}

type getSessionTokenInput struct {
	DurationSeconds *int32  `query:"DurationSeconds"`
	SerialNumber    *string `query:"SerialNumber" valid:"min=9,max=256"`
	TokenCode       *string `query:"TokenCode" valid:"min=6,max=6"`
}

type getSessionTokenOutput struct {
	Credentials *credentials `xml:"Credentials"`
}

// getSessionToken needs no permission: the session may do no more than who
// asks for it.
func (h *Handler) getSessionToken(ctx context.Context, who origami.Caller, in *getSessionTokenInput) (*getSessionTokenOutput, error) {
	if err := checkMFA(in.SerialNumber, in.TokenCode); err != nil {
		return nil, err
	}
	made, err := h.Accounts.SessionOf(ctx, who, seconds(in.DurationSeconds))
	if err != nil {
		return nil, err
	}
	return &getSessionTokenOutput{wireCredentials(made)}, nil
}

type getAccessKeyInfoInput struct {
	AccessKeyID *string `query:"AccessKeyId" valid:"required,min=16,max=128"`
}

type getAccessKeyInfoOutput struct {
	Account *string `xml:"Account"`
}

// getAccessKeyInfo tells the account of any access key of the installation.
func (h *Handler) getAccessKeyInfo(ctx context.Context, who origami.Caller, in *getAccessKeyInfoInput) (*getAccessKeyInfoOutput, error) {
	if err := h.Accounts.Authorize(ctx, who, "sts:GetAccessKeyInfo"); err != nil {
		return nil, err
	}
	account, err := h.Accounts.KeyAccount(ctx, *in.AccessKeyID)
	if errors.Is(err, iam.ErrNoKey) {
		return nil, origami.Errorf("ValidationError", "The access key ID is of no account of this installation")
	}
	if err != nil {
		return nil, err
	}
	id := string(account)
	return &getAccessKeyInfoOutput{&id}, nil
}

type decodeAuthorizationMessageInput struct {
	EncodedMessage *string `query:"EncodedMessage" valid:"required,min=1,max=10240"`
}

type decodeAuthorizationMessageOutput struct {
	DecodedMessage *string `xml:"DecodedMessage"`
}

// decodeAuthorizationMessage opens the reason of a denial.
func (h *Handler) decodeAuthorizationMessage(ctx context.Context, who origami.Caller, in *decodeAuthorizationMessageInput) (*decodeAuthorizationMessageOutput, error) {
	if err := h.Accounts.Authorize(ctx, who, "sts:DecodeAuthorizationMessage"); err != nil {
		return nil, err
	}
	text, err := h.Accounts.Decode(ctx, who.Account, *in.EncodedMessage)
	if err != nil {
		return nil, err
	}
	return &decodeAuthorizationMessageOutput{&text}, nil
}
