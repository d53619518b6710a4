package stsserver_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/sdktest"
	"origami/internal/stsserver"
)

// region is an installation with the door of STS, and two accounts.
type region struct {
	url  string
	iam  *iam.Service
	a, b origami.AccessKey // of the roots
}

func openRegion(t *testing.T) *region {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r := &region{iam: iam.New(db)}
	srv := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: func(ctx context.Context, id, token string) (endpoint.Credential, error) {
			c, err := r.iam.Authenticate(ctx, id, token)
			return endpoint.Credential(c), err
		},
		Regions: []origami.Region{"us-east-1"}, Default: "sts", Logger: slog.New(slog.DiscardHandler),
		Services: map[string]endpoint.Service{"sts": &stsserver.Handler{Accounts: r.iam}},
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	for name, key := range map[string]*origami.AccessKey{"a": &r.a, "b": &r.b} {
		if _, *key, err = r.iam.CreateAccount(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *region) client(key, secret, token string) *sts.Client {
	return sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: &r.url, Retryer: aws.NopRetryer{}, HTTPClient: sdktest.Client{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token}, nil
		}),
	})
}

// user makes a user with a policy, and a client for it.
func (r *region) user(t *testing.T, account origami.AccountID, name, statement string) *sts.Client {
	t.Helper()
	if _, err := r.iam.CreateIdentity(t.Context(), account, iam.IdentitySpec{Kind: origami.KindUser, Name: name}); err != nil {
		t.Fatal(err)
	}
	if err := r.iam.PutInline(t.Context(), account, origami.KindUser, name, "p", `{"Statement":`+statement+`}`); err != nil {
		t.Fatal(err)
	}
	key, err := r.iam.CreateAccessKey(t.Context(), account, name)
	if err != nil {
		t.Fatal(err)
	}
	return r.client(key.ID, key.Secret, "")
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// TestAssumeRole goes from a user of one account to a role of another.
//
//origami:proves sts:AssumeRole sts:GetCallerIdentity
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	r, ctx := openRegion(t), t.Context()
	bob := r.user(t, r.b.Account, "bob", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`)
	_, err := r.iam.CreateIdentity(ctx, r.a.Account, iam.IdentitySpec{Kind: origami.KindRole, Name: "role", Path: "/x/",
		Trust: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + string(r.b.Account) + `"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"xyz"}}}}`})
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:iam::" + string(r.a.Account) + ":role/x/role"
	in := &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("s1")}
	if _, err := bob.AssumeRole(ctx, in); code(err) != "AccessDenied" {
		t.Errorf("without the external ID: got error %v", err)
	}
	in.ExternalId, in.Policy = aws.String("xyz"), aws.String(`{"Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`)
	in.PolicyArns = []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
	out, err := bob.AssumeRole(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	want := "arn:aws:sts::" + string(r.a.Account) + ":assumed-role/role/s1"
	if *out.AssumedRoleUser.Arn != want || !strings.HasSuffix(*out.AssumedRoleUser.AssumedRoleId, ":s1") ||
		!strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || time.Until(*out.Credentials.Expiration) > time.Hour {
		t.Errorf("got %+v", out)
	}
	c := out.Credentials
	who, err := r.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken).GetCallerIdentity(ctx, nil)
	if err != nil || *who.Arn != want || *who.Account != string(r.a.Account) || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("the session is %+v, %v", who, err)
	}
	for what, token := range map[string]string{"no token": "", "another token": *c.SessionToken + "x"} {
		if _, err := r.client(*c.AccessKeyId, *c.SecretAccessKey, token).GetCallerIdentity(ctx, nil); code(err) != "InvalidClientTokenId" {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	if _, err := r.client(*c.AccessKeyId, "wrong", *c.SessionToken).GetCallerIdentity(ctx, nil); code(err) != "SignatureDoesNotMatch" {
		t.Errorf("another secret: got error %v", err)
	}
	if err := r.iam.DeleteIdentity(ctx, r.a.Account, origami.KindRole, "role"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken).GetCallerIdentity(ctx, nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("of a deleted role: got error %v", err)
	}
}

// TestSessionToken makes temporary credentials, and asks whose keys are.
//
//origami:proves sts:GetSessionToken sts:GetAccessKeyInfo
func TestSessionToken(t *testing.T) {
	t.Parallel()
	r, ctx := openRegion(t), t.Context()
	u := r.user(t, r.a.Account, "u", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	out, err := u.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(900)})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	session := r.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	who, err := session.GetCallerIdentity(ctx, nil)
	if want := "arn:aws:iam::" + string(r.a.Account) + ":user/u"; err != nil || *who.Arn != want {
		t.Errorf("got %+v, %v, want %s", who, err, want)
	}
	if _, err := session.GetSessionToken(ctx, nil); code(err) != "AccessDenied" {
		t.Errorf("again: got error %v", err)
	}
	if _, err := u.GetSessionToken(ctx, &sts.GetSessionTokenInput{DurationSeconds: aws.Int32(60)}); code(err) != "ValidationError" {
		t.Errorf("for a minute: got error %v", err)
	}
	root := r.client(r.b.ID, r.b.Secret, "")
	info, err := root.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: c.AccessKeyId})
	if err != nil || *info.Account != string(r.a.Account) {
		t.Errorf("got %+v, %v", info, err)
	}
	if _, err := u.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: c.AccessKeyId}); code(err) != "AccessDenied" {
		t.Errorf("denied: got error %v", err)
	}
	if _, err := root.GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAAAAAAAAAAAAAAAAA")}); code(err) != "ValidationError" {
		t.Errorf("no key: got error %v", err)
	}
}

// TestDecode reads the reason of a denial, which only its account can.
//
//origami:proves sts:DecodeAuthorizationMessage
func TestDecode(t *testing.T) {
	t.Parallel()
	r, ctx := openRegion(t), t.Context()
	u := r.user(t, r.a.Account, "u", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	id, err := r.iam.Identity(ctx, r.a.Account, origami.KindUser, "u")
	if err != nil {
		t.Fatal(err)
	}
	denied := r.iam.Authorize(ctx, origami.Caller{Account: r.a.Account, ARN: id.ARN(), UserID: id.ID}, "ec2:RunInstances")
	_, encoded, ok := strings.Cut(denied.Error(), "message: ")
	if !ok {
		t.Fatalf("got %v", denied)
	}
	in := &sts.DecodeAuthorizationMessageInput{EncodedMessage: &encoded}
	out, err := r.client(r.a.ID, r.a.Secret, "").DecodeAuthorizationMessage(ctx, in)
	if err != nil || !strings.Contains(*out.DecodedMessage, `"action":"ec2:RunInstances"`) {
		t.Errorf("got %+v, %v", out, err)
	}
	if _, err := u.DecodeAuthorizationMessage(ctx, in); code(err) != "AccessDenied" {
		t.Errorf("who may not: got error %v", err)
	}
	if _, err := r.client(r.b.ID, r.b.Secret, "").DecodeAuthorizationMessage(ctx, in); code(err) != "InvalidAuthorizationMessageException" {
		t.Errorf("another account: got error %v", err)
	}
}
