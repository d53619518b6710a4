package iamserver_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/iamserver"
	"origami/internal/metadb"
	"origami/internal/sdktest"
)

const (
	all   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
)

// installation has the door of IAM, and the roots of two accounts. Its only
// region is not the one that clients sign for.
type installation struct {
	url  string
	iam  *iam.Service
	a, b *client
}

type client struct {
	*sdk.Client
	account origami.AccountID
}

func open(t *testing.T) *installation {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	i := &installation{iam: iam.New(db)}
	srv := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: func(ctx context.Context, id, token string) (endpoint.Credential, error) {
			c, err := i.iam.Authenticate(ctx, id, token)
			return endpoint.Credential(c), err
		},
		Regions: []origami.Region{"eu-west-1"}, Default: "iam", Logger: slog.New(slog.DiscardHandler),
		Services: map[string]endpoint.Service{"iam": iamserver.New(i.iam)},
	}))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	for name, c := range map[string]**client{"a": &i.a, "b": &i.b} {
		a, k, err := i.iam.CreateAccount(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		*c = i.client(a.ID, k.ID, k.Secret)
	}
	return i
}

func (i *installation) client(account origami.AccountID, key, secret string) *client {
	return &client{sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &i.url, Retryer: aws.NopRetryer{}, HTTPClient: sdktest.Client{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	}), account}
}

func p[T any](v T) *T { return &v }

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

// do calls an operation that must succeed, fails one that must not.
func do[I, O any](t *testing.T, f func(context.Context, *I, ...func(*sdk.Options)) (*O, error), in *I) *O {
	t.Helper()
	out, err := f(t.Context(), in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

func fails[I, O any](t *testing.T, f func(context.Context, *I, ...func(*sdk.Options)) (*O, error), in *I, want string) {
	t.Helper()
	if _, err := f(t.Context(), in); code(err) != want {
		t.Errorf("%T: got error %v, want %s", in, err, want)
	}
}

// TestUsers makes a user, its policies, keys and groups, and takes them apart.
//
//origami:proves iam:CreateUser iam:GetUser iam:ListUsers iam:UpdateUser iam:DeleteUser iam:TagUser iam:UntagUser iam:ListUserTags
//origami:proves iam:PutUserPolicy iam:GetUserPolicy iam:ListUserPolicies iam:DeleteUserPolicy iam:PutUserPermissionsBoundary iam:DeleteUserPermissionsBoundary
//origami:proves iam:AttachUserPolicy iam:DetachUserPolicy iam:ListAttachedUserPolicies iam:ListGroupsForUser
//origami:proves iam:CreateAccessKey iam:ListAccessKeys iam:UpdateAccessKey iam:DeleteAccessKey
func TestUsers(t *testing.T) {
	t.Parallel()
	i := open(t)
	a, b := i.a, i.b
	made := do(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("alice"), Path: p("/x/"), Tags: []types.Tag{{Key: p("k"), Value: p("")}}}).User
	want := "arn:aws:iam::" + string(a.account) + ":user/x/alice"
	if *made.Arn != want || *made.Path != "/x/" || made.CreateDate.IsZero() || len(made.Tags) != 1 || *made.Tags[0].Value != "" {
		t.Errorf("got %+v, want %s", made, want)
	}
	fails(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("ALICE")}, "EntityAlreadyExists")
	fails(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("a b")}, "ValidationError")
	fails(t, b.GetUser, &sdk.GetUserInput{UserName: p("alice")}, "NoSuchEntity")
	if root := do(t, a.GetUser, &sdk.GetUserInput{}).User; *root.Arn != "arn:aws:iam::"+string(a.account)+":root" || root.UserName != nil {
		t.Errorf("the root is %+v", root)
	}
	do(t, a.UpdateUser, &sdk.UpdateUserInput{UserName: p("alice"), NewPath: p("/"), NewUserName: p("carol")})
	do(t, a.TagUser, &sdk.TagUserInput{UserName: p("carol"), Tags: []types.Tag{{Key: p("K"), Value: p("v")}, {Key: p("l"), Value: p("w")}}})
	do(t, a.UntagUser, &sdk.UntagUserInput{UserName: p("carol"), TagKeys: []string{"l"}})
	if tags := do(t, a.ListUserTags, &sdk.ListUserTagsInput{UserName: p("carol")}).Tags; len(tags) != 1 || *tags[0].Key != "K" || *tags[0].Value != "v" {
		t.Errorf("tags: %+v", tags)
	}

	do(t, a.PutUserPolicy, &sdk.PutUserPolicyInput{UserName: p("carol"), PolicyName: p("p"), PolicyDocument: p(all)})
	fails(t, a.PutUserPolicy, &sdk.PutUserPolicyInput{UserName: p("carol"), PolicyName: p("q"), PolicyDocument: p(`{"Statement":[]}`)}, "MalformedPolicyDocument")
	got := do(t, a.GetUserPolicy, &sdk.GetUserPolicyInput{UserName: p("carol"), PolicyName: p("p")})
	if text, err := url.PathUnescape(*got.PolicyDocument); text != all || err != nil || strings.ContainsAny(*got.PolicyDocument, `"{+`) {
		t.Errorf("document %s", *got.PolicyDocument)
	}
	if names := do(t, a.ListUserPolicies, &sdk.ListUserPoliciesInput{UserName: p("carol")}).PolicyNames; !slices.Equal(names, []string{"p"}) {
		t.Errorf("policies: %q", names)
	}
	admin := p("arn:aws:iam::aws:policy/AdministratorAccess")
	do(t, a.AttachUserPolicy, &sdk.AttachUserPolicyInput{UserName: p("carol"), PolicyArn: admin})
	if list := do(t, a.ListAttachedUserPolicies, &sdk.ListAttachedUserPoliciesInput{UserName: p("carol")}).AttachedPolicies; len(list) != 1 || *list[0].PolicyName != "AdministratorAccess" {
		t.Errorf("attached: %+v", list)
	}
	do(t, a.PutUserPermissionsBoundary, &sdk.PutUserPermissionsBoundaryInput{UserName: p("carol"), PermissionsBoundary: admin})
	if u := do(t, a.GetUser, &sdk.GetUserInput{UserName: p("carol")}).User; u.PermissionsBoundary == nil || *u.PermissionsBoundary.PermissionsBoundaryArn != *admin {
		t.Errorf("boundary of %+v", u)
	}
	do(t, a.DeleteUserPermissionsBoundary, &sdk.DeleteUserPermissionsBoundaryInput{UserName: p("carol")})
	fails(t, a.DeleteUserPermissionsBoundary, &sdk.DeleteUserPermissionsBoundaryInput{UserName: p("carol")}, "NoSuchEntity")

	key := do(t, a.CreateAccessKey, &sdk.CreateAccessKeyInput{UserName: p("carol")}).AccessKey
	do(t, a.CreateAccessKey, &sdk.CreateAccessKeyInput{UserName: p("carol")})
	fails(t, a.CreateAccessKey, &sdk.CreateAccessKeyInput{UserName: p("carol")}, "LimitExceeded")
	carol := i.client(a.account, *key.AccessKeyId, *key.SecretAccessKey)
	if self := do(t, carol.GetUser, &sdk.GetUserInput{}).User; *self.UserName != "carol" {
		t.Errorf("who asks is %+v", self)
	}
	if keys := do(t, carol.ListAccessKeys, &sdk.ListAccessKeysInput{}).AccessKeyMetadata; len(keys) != 2 || *keys[0].UserName != "carol" {
		t.Errorf("keys: %+v", keys)
	}
	fails(t, b.DeleteAccessKey, &sdk.DeleteAccessKeyInput{AccessKeyId: key.AccessKeyId}, "NoSuchEntity")
	do(t, a.UpdateAccessKey, &sdk.UpdateAccessKeyInput{UserName: p("carol"), AccessKeyId: key.AccessKeyId, Status: types.StatusTypeInactive})
	fails(t, carol.GetUser, &sdk.GetUserInput{}, "InvalidClientTokenId")
	do(t, a.UpdateAccessKey, &sdk.UpdateAccessKeyInput{UserName: p("carol"), AccessKeyId: key.AccessKeyId, Status: types.StatusTypeActive})
	if groups := do(t, carol.ListGroupsForUser, &sdk.ListGroupsForUserInput{UserName: p("carol")}).Groups; len(groups) != 0 {
		t.Errorf("groups: %+v", groups)
	}

	fails(t, a.DeleteUser, &sdk.DeleteUserInput{UserName: p("carol")}, "DeleteConflict")
	do(t, a.DetachUserPolicy, &sdk.DetachUserPolicyInput{UserName: p("carol"), PolicyArn: admin})
	do(t, a.DeleteUserPolicy, &sdk.DeleteUserPolicyInput{UserName: p("carol"), PolicyName: p("p")})
	fails(t, carol.GetUser, &sdk.GetUserInput{}, "AccessDenied")
	for _, k := range do(t, a.ListAccessKeys, &sdk.ListAccessKeysInput{UserName: p("carol")}).AccessKeyMetadata {
		do(t, a.DeleteAccessKey, &sdk.DeleteAccessKeyInput{UserName: p("carol"), AccessKeyId: k.AccessKeyId})
	}
	do(t, a.DeleteUser, &sdk.DeleteUserInput{UserName: p("carol")})
	if users := do(t, a.ListUsers, &sdk.ListUsersInput{}); len(users.Users) != 0 || users.IsTruncated {
		t.Errorf("users: %+v", users)
	}
}

// TestGroups puts users into groups that have policies.
//
//origami:proves iam:CreateGroup iam:GetGroup iam:ListGroups iam:UpdateGroup iam:DeleteGroup iam:AddUserToGroup iam:RemoveUserFromGroup
//origami:proves iam:PutGroupPolicy iam:GetGroupPolicy iam:ListGroupPolicies iam:DeleteGroupPolicy iam:AttachGroupPolicy iam:DetachGroupPolicy iam:ListAttachedGroupPolicies iam:ListGroupsForUser
func TestGroups(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	g := p("builders")
	do(t, a.CreateGroup, &sdk.CreateGroupInput{GroupName: p("old")})
	do(t, a.UpdateGroup, &sdk.UpdateGroupInput{GroupName: p("old"), NewGroupName: g})
	do(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("u")})
	do(t, a.AddUserToGroup, &sdk.AddUserToGroupInput{GroupName: g, UserName: p("u")})
	if out := do(t, a.GetGroup, &sdk.GetGroupInput{GroupName: g}); *out.Group.GroupName != "builders" || len(out.Users) != 1 || *out.Users[0].UserName != "u" {
		t.Errorf("got %+v", out)
	}
	if out := do(t, a.ListGroupsForUser, &sdk.ListGroupsForUserInput{UserName: p("u")}).Groups; len(out) != 1 || *out[0].GroupName != "builders" {
		t.Errorf("groups of the user: %+v", out)
	}
	do(t, a.PutGroupPolicy, &sdk.PutGroupPolicyInput{GroupName: g, PolicyName: p("p"), PolicyDocument: p(all)})
	if out := do(t, a.GetGroupPolicy, &sdk.GetGroupPolicyInput{GroupName: g, PolicyName: p("p")}); *out.GroupName != "builders" {
		t.Errorf("got %+v", out)
	}
	if out := do(t, a.ListGroupPolicies, &sdk.ListGroupPoliciesInput{GroupName: g}).PolicyNames; len(out) != 1 {
		t.Errorf("policies: %q", out)
	}
	key := do(t, a.CreateAccessKey, &sdk.CreateAccessKeyInput{UserName: p("u")}).AccessKey
	u := i.client(a.account, *key.AccessKeyId, *key.SecretAccessKey)
	if out := do(t, u.ListGroups, &sdk.ListGroupsInput{}).Groups; len(out) != 1 {
		t.Errorf("groups: %+v", out)
	}
	arn := p("arn:aws:iam::aws:policy/ReadOnlyAccess")
	do(t, a.AttachGroupPolicy, &sdk.AttachGroupPolicyInput{GroupName: g, PolicyArn: arn})
	do(t, a.DeleteGroupPolicy, &sdk.DeleteGroupPolicyInput{GroupName: g, PolicyName: p("p")})
	if out := do(t, u.ListAttachedGroupPolicies, &sdk.ListAttachedGroupPoliciesInput{GroupName: g}).AttachedPolicies; len(out) != 1 {
		t.Errorf("attached: %+v", out)
	}
	fails(t, u.DetachGroupPolicy, &sdk.DetachGroupPolicyInput{GroupName: g, PolicyArn: arn}, "AccessDenied")
	fails(t, a.DeleteGroup, &sdk.DeleteGroupInput{GroupName: g}, "DeleteConflict")
	do(t, a.DetachGroupPolicy, &sdk.DetachGroupPolicyInput{GroupName: g, PolicyArn: arn})
	do(t, a.RemoveUserFromGroup, &sdk.RemoveUserFromGroupInput{GroupName: g, UserName: p("u")})
	fails(t, a.RemoveUserFromGroup, &sdk.RemoveUserFromGroupInput{GroupName: g, UserName: p("u")}, "NoSuchEntity")
	do(t, a.DeleteGroup, &sdk.DeleteGroupInput{GroupName: g})
	fails(t, a.GetGroup, &sdk.GetGroupInput{GroupName: g}, "NoSuchEntity")
}

// TestRoles makes a role and the instance profile that hands it out, as Packer
// does.
//
//origami:proves iam:CreateRole iam:GetRole iam:ListRoles iam:UpdateRole iam:UpdateRoleDescription iam:UpdateAssumeRolePolicy iam:DeleteRole iam:TagRole iam:UntagRole iam:ListRoleTags
//origami:proves iam:PutRolePolicy iam:GetRolePolicy iam:ListRolePolicies iam:DeleteRolePolicy iam:AttachRolePolicy iam:DetachRolePolicy iam:ListAttachedRolePolicies iam:PutRolePermissionsBoundary iam:DeleteRolePermissionsBoundary
//origami:proves iam:CreateInstanceProfile iam:GetInstanceProfile iam:ListInstanceProfiles iam:ListInstanceProfilesForRole iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile iam:TagInstanceProfile iam:UntagInstanceProfile iam:ListInstanceProfileTags
func TestRoles(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	r := p("builder")
	fails(t, a.CreateRole, &sdk.CreateRoleInput{RoleName: r, AssumeRolePolicyDocument: p(all)}, "MalformedPolicyDocument")
	fails(t, a.CreateRole, &sdk.CreateRoleInput{RoleName: r, AssumeRolePolicyDocument: p(trust), MaxSessionDuration: p(int32(60))}, "ValidationError")
	made := do(t, a.CreateRole, &sdk.CreateRoleInput{RoleName: r, AssumeRolePolicyDocument: p(trust), Description: p("d")}).Role
	if *made.MaxSessionDuration != 3600 || *made.Description != "d" || !strings.HasPrefix(*made.RoleId, "AROA") {
		t.Errorf("got %+v", made)
	}
	do(t, a.UpdateRole, &sdk.UpdateRoleInput{RoleName: r, MaxSessionDuration: p(int32(7200))})
	do(t, a.UpdateRoleDescription, &sdk.UpdateRoleDescriptionInput{RoleName: r, Description: p("e")})
	if got := do(t, a.GetRole, &sdk.GetRoleInput{RoleName: r}).Role; *got.MaxSessionDuration != 7200 || *got.Description != "e" {
		t.Errorf("got %+v", got)
	}
	own := strings.Replace(trust, `"Service":"ec2.amazonaws.com"`, `"AWS":"`+string(a.account)+`"`, 1)
	do(t, a.UpdateAssumeRolePolicy, &sdk.UpdateAssumeRolePolicyInput{RoleName: r, PolicyDocument: &own})
	if list := do(t, a.ListRoles, &sdk.ListRolesInput{}).Roles; len(list) != 1 || !strings.Contains(*list[0].AssumeRolePolicyDocument, string(a.account)) {
		t.Errorf("roles: %+v", list)
	}
	do(t, a.TagRole, &sdk.TagRoleInput{RoleName: r, Tags: []types.Tag{{Key: p("a"), Value: p("1")}, {Key: p("b"), Value: p("2")}}})
	do(t, a.UntagRole, &sdk.UntagRoleInput{RoleName: r, TagKeys: []string{"a"}})
	if tags := do(t, a.ListRoleTags, &sdk.ListRoleTagsInput{RoleName: r}).Tags; len(tags) != 1 {
		t.Errorf("tags: %+v", tags)
	}
	do(t, a.PutRolePolicy, &sdk.PutRolePolicyInput{RoleName: r, PolicyName: p("p"), PolicyDocument: p(all)})
	do(t, a.GetRolePolicy, &sdk.GetRolePolicyInput{RoleName: r, PolicyName: p("p")})
	if names := do(t, a.ListRolePolicies, &sdk.ListRolePoliciesInput{RoleName: r}).PolicyNames; len(names) != 1 {
		t.Errorf("policies: %q", names)
	}
	arn := p("arn:aws:iam::aws:policy/ReadOnlyAccess")
	do(t, a.AttachRolePolicy, &sdk.AttachRolePolicyInput{RoleName: r, PolicyArn: arn})
	do(t, a.PutRolePermissionsBoundary, &sdk.PutRolePermissionsBoundaryInput{RoleName: r, PermissionsBoundary: arn})
	do(t, a.DeleteRolePermissionsBoundary, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: r})
	if list := do(t, a.ListAttachedRolePolicies, &sdk.ListAttachedRolePoliciesInput{RoleName: r}).AttachedPolicies; len(list) != 1 {
		t.Errorf("attached: %+v", list)
	}

	ip := p("web")
	do(t, a.CreateInstanceProfile, &sdk.CreateInstanceProfileInput{InstanceProfileName: ip, Tags: []types.Tag{{Key: p("a"), Value: p("1")}}})
	fails(t, a.AddRoleToInstanceProfile, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: ip, RoleName: p("none")}, "NoSuchEntity")
	do(t, a.AddRoleToInstanceProfile, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: ip, RoleName: r})
	fails(t, a.AddRoleToInstanceProfile, &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: ip, RoleName: r}, "LimitExceeded")
	if got := do(t, a.GetInstanceProfile, &sdk.GetInstanceProfileInput{InstanceProfileName: ip}).InstanceProfile; len(got.Roles) != 1 || *got.Roles[0].RoleName != *r || len(got.Tags) != 1 {
		t.Errorf("got %+v", got)
	}
	if list := do(t, a.ListInstanceProfilesForRole, &sdk.ListInstanceProfilesForRoleInput{RoleName: r}).InstanceProfiles; len(list) != 1 {
		t.Errorf("profiles of the role: %+v", list)
	}
	if list := do(t, i.b.ListInstanceProfiles, &sdk.ListInstanceProfilesInput{}).InstanceProfiles; len(list) != 0 {
		t.Errorf("profiles of another account: %+v", list)
	}
	do(t, a.TagInstanceProfile, &sdk.TagInstanceProfileInput{InstanceProfileName: ip, Tags: []types.Tag{{Key: p("b"), Value: p("2")}}})
	do(t, a.UntagInstanceProfile, &sdk.UntagInstanceProfileInput{InstanceProfileName: ip, TagKeys: []string{"a"}})
	if tags := do(t, a.ListInstanceProfileTags, &sdk.ListInstanceProfileTagsInput{InstanceProfileName: ip}).Tags; len(tags) != 1 || *tags[0].Key != "b" {
		t.Errorf("tags: %+v", tags)
	}
	fails(t, a.DeleteInstanceProfile, &sdk.DeleteInstanceProfileInput{InstanceProfileName: ip}, "DeleteConflict")
	do(t, a.DetachRolePolicy, &sdk.DetachRolePolicyInput{RoleName: r, PolicyArn: arn})
	do(t, a.DeleteRolePolicy, &sdk.DeleteRolePolicyInput{RoleName: r, PolicyName: p("p")})
	fails(t, a.DeleteRole, &sdk.DeleteRoleInput{RoleName: r}, "DeleteConflict")
	do(t, a.RemoveRoleFromInstanceProfile, &sdk.RemoveRoleFromInstanceProfileInput{InstanceProfileName: ip, RoleName: r})
	do(t, a.DeleteInstanceProfile, &sdk.DeleteInstanceProfileInput{InstanceProfileName: ip})
	do(t, a.DeleteRole, &sdk.DeleteRoleInput{RoleName: r})
}

// TestManagedPolicies makes a managed policy and its versions.
//
//origami:proves iam:CreatePolicy iam:GetPolicy iam:ListPolicies iam:DeletePolicy iam:CreatePolicyVersion iam:GetPolicyVersion iam:ListPolicyVersions iam:SetDefaultPolicyVersion iam:DeletePolicyVersion
//origami:proves iam:ListEntitiesForPolicy iam:TagPolicy iam:UntagPolicy iam:ListPolicyTags
func TestManagedPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	made := do(t, a.CreatePolicy, &sdk.CreatePolicyInput{PolicyName: p("p"), Path: p("/x/"), PolicyDocument: p(all), Description: p("d")}).Policy
	if *made.DefaultVersionId != "v1" || *made.AttachmentCount != 0 || !made.IsAttachable {
		t.Errorf("got %+v", made)
	}
	fails(t, a.CreatePolicy, &sdk.CreatePolicyInput{PolicyName: p("P"), PolicyDocument: p(all)}, "EntityAlreadyExists")
	fails(t, i.b.GetPolicy, &sdk.GetPolicyInput{PolicyArn: made.Arn}, "NoSuchEntity")
	other := strings.Replace(all, `"*"`, `"ec2:*"`, 1)
	if v := do(t, a.CreatePolicyVersion, &sdk.CreatePolicyVersionInput{PolicyArn: made.Arn, PolicyDocument: &other, SetAsDefault: true}).PolicyVersion; *v.VersionId != "v2" || !v.IsDefaultVersion {
		t.Errorf("got %+v", v)
	}
	if v := do(t, a.GetPolicyVersion, &sdk.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: p("v2")}).PolicyVersion; !strings.Contains(*v.Document, "ec2%3A%2A") {
		t.Errorf("got %+v", *v.Document)
	}
	fails(t, a.GetPolicyVersion, &sdk.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: p("v3")}, "NoSuchEntity")
	fails(t, a.GetPolicyVersion, &sdk.GetPolicyVersionInput{PolicyArn: made.Arn, VersionId: p("3")}, "ValidationError")
	do(t, a.SetDefaultPolicyVersion, &sdk.SetDefaultPolicyVersionInput{PolicyArn: made.Arn, VersionId: p("v1")})
	fails(t, a.DeletePolicyVersion, &sdk.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: p("v1")}, "DeleteConflict")
	if v := do(t, a.ListPolicyVersions, &sdk.ListPolicyVersionsInput{PolicyArn: made.Arn}).Versions; len(v) != 2 {
		t.Errorf("versions: %+v", v)
	}
	do(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("u")})
	do(t, a.AttachUserPolicy, &sdk.AttachUserPolicyInput{UserName: p("u"), PolicyArn: made.Arn})
	if e := do(t, a.ListEntitiesForPolicy, &sdk.ListEntitiesForPolicyInput{PolicyArn: made.Arn}); len(e.PolicyUsers) != 1 || *e.PolicyUsers[0].UserName != "u" {
		t.Errorf("entities: %+v", e)
	}
	if list := do(t, a.ListPolicies, &sdk.ListPoliciesInput{OnlyAttached: true}).Policies; len(list) != 1 || *list[0].AttachmentCount != 1 {
		t.Errorf("attached policies: %+v", list)
	}
	if list := do(t, a.ListPolicies, &sdk.ListPoliciesInput{Scope: types.PolicyScopeTypeAws}).Policies; len(list) < 5 {
		t.Errorf("policies of everybody: %+v", list)
	}
	do(t, a.TagPolicy, &sdk.TagPolicyInput{PolicyArn: made.Arn, Tags: []types.Tag{{Key: p("a"), Value: p("1")}, {Key: p("b"), Value: p("2")}}})
	do(t, a.UntagPolicy, &sdk.UntagPolicyInput{PolicyArn: made.Arn, TagKeys: []string{"a"}})
	if tags := do(t, a.ListPolicyTags, &sdk.ListPolicyTagsInput{PolicyArn: made.Arn}).Tags; len(tags) != 1 {
		t.Errorf("tags: %+v", tags)
	}
	fails(t, a.DeletePolicy, &sdk.DeletePolicyInput{PolicyArn: made.Arn}, "DeleteConflict")
	do(t, a.DetachUserPolicy, &sdk.DetachUserPolicyInput{UserName: p("u"), PolicyArn: made.Arn})
	fails(t, a.DeletePolicy, &sdk.DeletePolicyInput{PolicyArn: made.Arn}, "DeleteConflict")
	do(t, a.DeletePolicyVersion, &sdk.DeletePolicyVersionInput{PolicyArn: made.Arn, VersionId: p("v2")})
	do(t, a.DeletePolicy, &sdk.DeletePolicyInput{PolicyArn: made.Arn})
	_, err := a.GetPolicy(t.Context(), &sdk.GetPolicyInput{PolicyArn: made.Arn})
	if want := "NoSuchEntity: Policy " + *made.Arn + " was not found."; !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
	_, err = a.AttachUserPolicy(t.Context(), &sdk.AttachUserPolicyInput{PolicyArn: made.Arn, UserName: p("u")})
	if want := "NoSuchEntity: Policy " + *made.Arn + " does not exist or is not attachable."; !strings.HasSuffix(fmt.Sprint(err), want) {
		t.Errorf("got error %v, want %s", err, want)
	}
}

// TestLongMarkers reads pages of policies whose paths are as long as can be.
func TestLongMarkers(t *testing.T) {
	t.Parallel()
	a := open(t).a
	path := "/" + strings.Repeat("x", 510) + "/"
	want := map[string]bool{}
	for n := range 3 {
		name := strings.Repeat("n", 120) + fmt.Sprint(n)
		want[name] = true
		do(t, a.CreatePolicy, &sdk.CreatePolicyInput{PolicyName: &name, Path: &path, PolicyDocument: p(all)})
	}
	in := &sdk.ListPoliciesInput{Scope: "Local", MaxItems: p(int32(1))}
	for more := true; more; {
		out := do(t, a.ListPolicies, in)
		for _, policy := range out.Policies {
			delete(want, *policy.PolicyName)
		}
		more, in.Marker = out.IsTruncated, out.Marker
	}
	if len(want) > 0 {
		t.Errorf("%v are missing", want)
	}
}

// TestPages reads a list in pages; nothing is missing and nothing twice.
func TestPages(t *testing.T) {
	t.Parallel()
	i := open(t)
	var want []string
	for n := range 7 {
		name := fmt.Sprintf("%c%d", "aB"[n%2], n)
		want = append(want, name)
		do(t, i.a.CreateUser, &sdk.CreateUserInput{UserName: &name})
	}
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	var got []string
	pages := sdk.NewListUsersPaginator(i.a, &sdk.ListUsersInput{MaxItems: p(int32(3))})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Users) > 3 || out.IsTruncated != (out.Marker != nil) {
			t.Errorf("got a page of %d, truncated %t", len(out.Users), out.IsTruncated)
		}
		for _, u := range out.Users {
			got = append(got, *u.UserName)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, marker := range []string{"!", "zzz", base64.RawURLEncoding.EncodeToString([]byte("ListGroups u1"))} {
		fails(t, i.a.ListUsers, &sdk.ListUsersInput{Marker: &marker}, "ValidationError")
	}
	fails(t, i.a.ListUsers, &sdk.ListUsersInput{MaxItems: p(int32(1001))}, "ValidationError")
}

// TestPolicies goes through policies about IAM itself.
func TestPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	do(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("u")})
	do(t, a.CreateUser, &sdk.CreateUserInput{UserName: p("v"), Path: p("/x/"), Tags: []types.Tag{{Key: p("team"), Value: p("x")}}})
	do(t, a.CreateRole, &sdk.CreateRoleInput{RoleName: p("r"), AssumeRolePolicyDocument: p(trust)})
	do(t, a.CreateInstanceProfile, &sdk.CreateInstanceProfileInput{InstanceProfileName: p("ip")})
	key := do(t, a.CreateAccessKey, &sdk.CreateAccessKeyInput{UserName: p("u")}).AccessKey
	u := i.client(a.account, *key.AccessKeyId, *key.SecretAccessKey)
	getV := func() error {
		_, err := u.GetUser(t.Context(), &sdk.GetUserInput{UserName: p("v")})
		return err
	}
	attach := func() error {
		_, err := u.AttachUserPolicy(t.Context(), &sdk.AttachUserPolicyInput{UserName: p("v"), PolicyArn: p("arn:aws:iam::aws:policy/ReadOnlyAccess")})
		return err
	}
	make := func() error {
		_, err := u.CreateUser(t.Context(), &sdk.CreateUserInput{UserName: p("w"), Tags: []types.Tag{{Key: p("team"), Value: p("x")}}})
		if err == nil {
			do(t, a.DeleteUser, &sdk.DeleteUserInput{UserName: p("w")})
		}
		return err
	}
	rename := func(path, name *string) func() error {
		return func() error {
			_, err := u.UpdateUser(t.Context(), &sdk.UpdateUserInput{UserName: p("v"), NewPath: path, NewUserName: name})
			if err == nil {
				do(t, a.UpdateUser, &sdk.UpdateUserInput{UserName: cmp.Or(name, p("v")), NewPath: p("/x/"), NewUserName: p("v")})
			}
			return err
		}
	}
	users := func(names ...string) string {
		for n := range names {
			names[n] = `"arn:aws:iam::` + string(a.account) + `:user` + names[n] + `"`
		}
		return `"Effect":"Allow","Action":"iam:UpdateUser","Resource":[` + strings.Join(names, ",") + `]`
	}
	pass := func() error {
		_, err := u.AddRoleToInstanceProfile(t.Context(), &sdk.AddRoleToInstanceProfileInput{InstanceProfileName: p("ip"), RoleName: p("r")})
		return err
	}
	for _, tt := range []struct {
		name, statement string
		do              func() error
		want            bool
	}{
		{"nothing", `"Effect":"Deny","Action":"*","Resource":"*"`, getV, false},
		{"by ARN", `"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::` + string(a.account) + `:user/x/*"`, getV, true},
		{"by another path", `"Effect":"Allow","Action":"iam:GetUser","Resource":"arn:aws:iam::` + string(a.account) + `:user/v"`, getV, false},
		{"by tag", `"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"x"}}`, getV, true},
		{"by another tag", `"Effect":"Allow","Action":"iam:GetUser","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/team":"y"}}`, getV, false},
		{"only oneself", `"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"`, getV, false},
		{"attach this policy", `"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/ReadOnly*"}}`, attach, true},
		{"attach another policy", `"Effect":"Allow","Action":"iam:AttachUserPolicy","Resource":"*","Condition":{"ArnEquals":{"iam:PolicyARN":"arn:aws:iam::aws:policy/X"}}`, attach, false},
		{"make with tag, and no right to tag", `"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"`, make, false},
		{"rename", users("/x/v", "/x/n"), rename(nil, p("n")), true},
		{"rename to another name", users("/x/v", "/x/m"), rename(nil, p("n")), false},
		{"move", users("/x/v", "/y/v"), rename(p("/y/"), nil), true},
		{"move to another path", users("/x/v"), rename(p("/y/"), nil), false},
		{"move and rename", users("/x/v", "/n"), rename(p("/"), p("n")), true},
		{"make with tag", `"Effect":"Allow","Action":["iam:CreateUser","iam:TagUser"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"x"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`, make, true},
		{"make with boundary only", `"Effect":"Allow","Action":"iam:CreateUser","Resource":"*","Condition":{"Null":{"iam:PermissionsBoundary":"false"}}`, make, false},
		{"without passing the role", `"Effect":"Allow","Action":"iam:Add*","Resource":"*"`, pass, false},
		{"passing another role", `"Effect":"Allow","Action":["iam:Add*","iam:PassRole"],"Resource":["arn:aws:iam::*:instance-profile/*","arn:aws:iam::*:role/s"]`, pass, false},
		{"passing it to another service", `"Effect":"Allow","Action":["iam:Add*","iam:PassRole"],"Resource":"*","Condition":{"StringEqualsIfExists":{"iam:PassedToService":"x.amazonaws.com"}}`, pass, false},
		{"passing it", `"Effect":"Allow","Action":["iam:Add*","iam:PassRole"],"Resource":"*","Condition":{"StringEqualsIfExists":{"iam:PassedToService":"ec2.amazonaws.com"}}`, pass, true},
	} {
		do(t, a.PutUserPolicy, &sdk.PutUserPolicyInput{UserName: p("u"), PolicyName: p("p"), PolicyDocument: p(`{"Version":"2012-10-17","Statement":[{` + tt.statement + `}]}`)})
		err := tt.do()
		if tt.want != (err == nil) || err != nil && code(err) != "AccessDenied" {
			t.Errorf("%s: got error %v, want allowed %t", tt.name, err, tt.want)
		}
	}
}

// TestEveryOperation checks that each operation of the SDK's client is known,
// and that none that is served does anything without its parameters.
func TestEveryOperation(t *testing.T) {
	t.Parallel()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	accounts := iam.New(db)
	_, key, err := accounts.CreateAccount(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	h := iamserver.New(accounts)
	who := origami.Caller{Account: key.Account, ARN: iam.RootARN(key.Account), UserID: string(key.Account), AccessKey: key.ID, Request: "req-1"}
	ask := func(form string) string {
		w := httptest.NewRecorder()
		err := h.ServeAWS(w, httptest.NewRequest("POST", "/", strings.NewReader(form)), who)
		var e *origami.Error
		if errors.As(err, &e) {
			h.WriteError(w, who.Request, e)
		} else if err != nil {
			t.Errorf("%s: %v", form, err)
		}
		return w.Body.String()
	}
	served := 0
	methods := reflect.TypeFor[*sdk.Client]()
	for n := range methods.NumMethod() {
		action := methods.Method(n).Name
		if action == "Options" {
			continue
		}
		answer := ask("Action=" + action + "&Version=2010-05-08")
		switch {
		case strings.Contains(answer, "<Code>UnsupportedOperation</Code>"):
		case strings.Contains(answer, "<Code>ValidationError</Code>"), strings.Contains(answer, "<Code>NoSuchEntity</Code>"), strings.Contains(answer, "<"+action+"Response"):
			served++
		default:
			t.Errorf("%s: got %s", action, answer)
		}
	}
	if served < 90 {
		t.Errorf("%d operations are served, want 90 at least", served)
	}
	for form, want := range map[string]string{
		"Version=2010-05-08":                                 "MissingAction",
		"Action=ListUsers":                                   "MissingParameter",
		"Action=ListUsers&Version=1":                         "NoSuchVersion",
		"Action=Dance&Version=2010-05-08":                    "InvalidAction",
		"Action=ListUsers&Version=2010-05-08&X=1":            "UnknownParameter",
		"Action=ListUsers&Version=2010-05-08&RoleName=r":     "UnknownParameter",
		"Action=CreateUser&Version=2010-05-08&UserName=":     "ValidationError",
		"Action=ListUsers&Version=2010-05-08&MaxItems=x":     "ValidationError",
		"Action=TagUser&Version=2010-05-08&UserName=u&Tags=": "ValidationError",
	} {
		if answer := ask(form); !strings.Contains(answer, "<Code>"+want+"</Code>") || !strings.Contains(answer, `xmlns="https://iam.amazonaws.com/doc/2010-05-08/"`) {
			t.Errorf("%s: got %s, want %s", form, answer, want)
		}
	}
}
