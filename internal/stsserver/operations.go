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
	RoleSessionName *string     `query:"RoleSessionName" valid:"required,min=2,max=64"`
	PolicyARNs      []policyARN `query:"PolicyArns" valid:"items=10"`
	Policy          *string     `query:"Policy"`
	DurationSeconds *int32      `query:"DurationSeconds" valid:"min=900,max=43200"`
	ExternalID      *string     `query:"ExternalId" valid:"min=2,max=1224"`

	// What AWS has and nothing here acts upon.
	Tags              []tag    `query:"Tags"`
	TransitiveTagKeys []string `query:"TransitiveTagKeys"`
	SerialNumber      *string  `query:"SerialNumber"`
	TokenCode         *string  `query:"TokenCode"`
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

// maxPacked is what policies of a session may weigh together, in characters.
const maxPacked = 2048

// assumeRole makes credentials of a session of a role. Its permission is part
// of the question who may assume the role.
func (h *Handler) assumeRole(ctx context.Context, who origami.Caller, in *assumeRoleInput) (*assumeRoleOutput, error) {
	for name, given := range map[string]bool{
		"Tags": len(in.Tags) > 0, "TransitiveTagKeys": len(in.TransitiveTagKeys) > 0, "SerialNumber": in.SerialNumber != nil,
		"TokenCode": in.TokenCode != nil, "SourceIdentity": in.SourceIdentity != nil,
	} {
		if given {
			return nil, unsupported(name)
		}
	}
	spec := iam.AssumeSpec{
		Role: *in.RoleARN, Session: *in.RoleSessionName, ExternalID: optional.Value(in.ExternalID), Policy: optional.Value(in.Policy),
		Duration: time.Duration(optional.Value(in.DurationSeconds)) * time.Second,
	}
	for _, p := range in.PolicyARNs {
		spec.Managed = append(spec.Managed, optional.Value(p.ARN))
	}
	made, err := h.Accounts.AssumeRole(ctx, who, spec)
	if err != nil {
		return nil, err
	}
	out := &assumeRoleOutput{Credentials: wireCredentials(made), AssumedRoleUser: &assumedRoleUser{AssumedRoleID: &made.UserID, ARN: &made.ARN}}
	if spec.Policy != "" {
		percent := int32(len(spec.Policy) * 100 / maxPacked)
		out.PackedPolicySize = &percent
	}
	return out, nil
}

func unsupported(parameter string) error {
	return origami.Errorf(origami.CodeUnsupportedOperation, "The parameter %s is not supported by this service.", parameter)
}

type getSessionTokenInput struct {
	DurationSeconds *int32  `query:"DurationSeconds" valid:"min=900,max=129600"`
	SerialNumber    *string `query:"SerialNumber"`
	TokenCode       *string `query:"TokenCode"`
}

type getSessionTokenOutput struct {
	Credentials *credentials `xml:"Credentials"`
}

// getSessionToken needs no permission: the session may do no more than who
// asks for it.
func (h *Handler) getSessionToken(ctx context.Context, who origami.Caller, in *getSessionTokenInput) (*getSessionTokenOutput, error) {
	if in.SerialNumber != nil || in.TokenCode != nil {
		return nil, unsupported("SerialNumber")
	}
	made, err := h.Accounts.SessionOf(ctx, who, time.Duration(optional.Value(in.DurationSeconds))*time.Second)
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
