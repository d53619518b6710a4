package localserver

import (
	"context"
	"errors"
	"strings"

	"origami"
	"origami/internal/iam"
	"origami/internal/kms"
)

// actions are what the operator can ask for, in the words of IAM and of
// Organizations where those have some.
var actions = map[string]action{
	"CreateAccount":            act(createAccount),
	"SetOwnerAlias":            act(setOwnerAlias),
	"CreateUser":               act(createUser),
	"DeleteUser":               act(deleteUser),
	"CreateAccessKey":          act(createAccessKey),
	"DeleteAccessKey":          act(deleteAccessKey),
	"CreateOrganization":       act(createOrganization),
	"CreateOrganizationalUnit": act(createUnit),
	"MoveAccount":              act(moveAccount),
	"RemoveAccount":            act(removeAccount),
	"DeleteOrganization":       act(deleteOrganization),
	"DeleteOrganizationalUnit": act(deleteUnit),
	"RotateRootKey":            act(rotateRootKey),
}

// NewAccount is the answer of CreateAccount.
type NewAccount struct {
	ID        origami.AccountID `json:"accountId"`
	Name      string            `json:"name"`
	AccessKey string            `json:"accessKeyId"`
	Secret    string            `json:"secretAccessKey"`
}

// AccountRequest is about an account: CreateAccount has a name, the others an
// ID.
type AccountRequest struct {
	ID    origami.AccountID `json:"accountId,omitempty"`
	Name  string            `json:"name,omitempty"`
	Alias string            `json:"alias,omitempty"` // of SetOwnerAlias; "" for none
}

func createAccount(ctx context.Context, o *Operator, in AccountRequest, call *OperatorCall) (any, error) {
	a, k, err := o.Accounts.CreateAccount(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	call.note(a.ID, string(a.ID), k.ID)
	return NewAccount{a.ID, a.Name, k.ID, k.Secret}, nil
}

func setOwnerAlias(ctx context.Context, o *Operator, in AccountRequest, call *OperatorCall) (any, error) {
	call.note(in.ID, string(in.ID))
	return struct{}{}, o.Accounts.SetOwnerAlias(ctx, in.ID, in.Alias)
}

// UserRequest is about a user of an account.
type UserRequest struct {
	Account  origami.AccountID `json:"accountId"`
	Name     string            `json:"userName"`
	Policies []string          `json:"policies,omitempty"`    // ARNs, of CreateUser
	Key      string            `json:"accessKeyId,omitempty"` // of DeleteAccessKey
}

// NewKey is the answer of CreateUser and CreateAccessKey.
type NewKey struct {
	Account   origami.AccountID `json:"accountId"`
	User      string            `json:"userName"`
	ARN       string            `json:"arn"`
	AccessKey string            `json:"accessKeyId"`
	Secret    string            `json:"secretAccessKey"`
}

func createUser(ctx context.Context, o *Operator, in UserRequest, call *OperatorCall) (any, error) {
	call.note(in.Account)
	if _, err := o.Accounts.CreateIdentity(ctx, in.Account, iam.IdentitySpec{Kind: origami.KindUser, Name: in.Name}); err != nil {
		return nil, err
	}
	call.note(in.Account, in.Policies...)
	for _, arn := range in.Policies {
		if err := o.Accounts.Attach(ctx, in.Account, origami.KindUser, in.Name, arn); err != nil {
			return nil, errors.Join(err, o.Accounts.EraseUser(ctx, in.Account, in.Name))
		}
	}
	return createAccessKey(ctx, o, in, call)
}

func createAccessKey(ctx context.Context, o *Operator, in UserRequest, call *OperatorCall) (any, error) {
	call.note(in.Account)
	u, err := o.Accounts.Identity(ctx, in.Account, origami.KindUser, in.Name)
	if err != nil {
		return nil, err
	}
	call.note(in.Account, u.ARN())
	k, err := o.Accounts.CreateAccessKey(ctx, in.Account, in.Name)
	if err != nil {
		return nil, err
	}
	call.note(in.Account, k.ID)
	return NewKey{in.Account, u.Name, u.ARN(), k.ID, k.Secret}, nil
}

func deleteUser(ctx context.Context, o *Operator, in UserRequest, call *OperatorCall) (any, error) {
	call.note(in.Account)
	u, err := o.Accounts.Identity(ctx, in.Account, origami.KindUser, in.Name)
	if err != nil {
		return nil, err
	}
	call.note(in.Account, u.ARN())
	return struct{}{}, o.Accounts.EraseUser(ctx, in.Account, in.Name)
}

func deleteAccessKey(ctx context.Context, o *Operator, in UserRequest, call *OperatorCall) (any, error) {
	call.note(in.Account)
	u, err := o.Accounts.Identity(ctx, in.Account, origami.KindUser, in.Name)
	if err != nil {
		return nil, err
	}
	if len(in.Key) <= 128 {
		call.note(in.Account, u.ARN(), in.Key)
	}
	return struct{}{}, o.Accounts.DeleteAccessKey(ctx, in.Account, in.Name, in.Key)
}

// OrganizationRequest is about an organization or a unit of one.
type OrganizationRequest struct {
	Account      origami.AccountID      `json:"accountId,omitempty"`
	Organization origami.OrganizationID `json:"organizationId,omitempty"`
	Unit         origami.UnitID         `json:"unitId,omitempty"` // "" for the root
	Name         string                 `json:"name,omitempty"`   // of a new unit
}

// NewOrganization is the answer of CreateOrganization and
// CreateOrganizationalUnit.
type NewOrganization struct {
	ID  string                  `json:"id"`
	ARN origami.OrganizationARN `json:"arn"`
}

// about notes what a request is about.
func (in OrganizationRequest) about(call *OperatorCall) {
	for _, id := range []string{string(in.Account), string(in.Organization), string(in.Unit)} {
		if id != "" && len(id) <= 64 {
			call.note(in.Account, id)
		}
	}
}

func createOrganization(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	made, err := o.Accounts.CreateOrganization(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	call.note(in.Account, string(made.ID))
	return NewOrganization{string(made.ID), made.ARN()}, nil
}

func createUnit(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	made, err := o.Accounts.CreateUnit(ctx, in.Organization, in.Unit, in.Name)
	if err != nil {
		return nil, err
	}
	call.note("", string(made.ID))
	all, err := o.Accounts.Organizations(ctx)
	if err != nil {
		return nil, err
	}
	out := NewOrganization{ID: string(made.ID)}
	for _, org := range all {
		if org.ID == in.Organization {
			out.ARN = org.UnitARN(made.ID)
		}
	}
	return out, nil
}

func moveAccount(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	return struct{}{}, o.Accounts.PutAccount(ctx, in.Account, in.Organization, in.Unit)
}

func removeAccount(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	return struct{}{}, o.Accounts.RemoveAccount(ctx, in.Account)
}

func deleteOrganization(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	return struct{}{}, o.Accounts.DeleteOrganization(ctx, in.Organization)
}

func deleteUnit(ctx context.Context, o *Operator, in OrganizationRequest, call *OperatorCall) (any, error) {
	in.about(call)
	return struct{}{}, o.Accounts.DeleteUnit(ctx, in.Unit)
}

// RootKeyRequest puts all keys under another root.
type RootKeyRequest struct {
	From   string     `json:"from"` // name of the root that they are under
	Master kms.Master `json:"master"`
}

func rotateRootKey(ctx context.Context, o *Operator, in RootKeyRequest, call *OperatorCall) (any, error) {
	for _, name := range []string{in.From, in.Master.Root} {
		if len(name) <= 512 && !strings.ContainsFunc(name, func(c rune) bool { return c < ' ' }) {
			call.note("", name)
		}
	}
	keys, err := o.Keys(ctx)
	if err != nil {
		return nil, err
	}
	return keys.Rewrap(ctx, in.From, in.Master)
}
