package main

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/imds"
	"origami/internal/metadb"
)

// instanceWithProfile is an instance that was launched with an instance
// profile.
func instanceWithProfile(p *origami.InstanceProfile) *imds.Instance {
	return &imds.Instance{Instance: origami.Instance{
		ID: "i-0123456789abcdef0", Owner: p.Account, Region: "eu-west-1", VPC: "vpc-12345678", PrivateIP: netip.MustParseAddr("172.31.0.5"),
		Profile: p.ARN(), ProfileID: p.ID,
	}}
}

// anAccount makes an account in a database of its own.
func anAccount(t *testing.T) (*iam.Service, origami.Account) {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	accounts := iam.New(db)
	a, _, err := accounts.CreateAccount(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	return accounts, a
}

// TestInstanceRoles gives an instance credentials of its role, which are kept
// until they are about to expire, authenticate, and go with the role.
func TestInstanceRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	accounts, a := anAccount(t)
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	role := func(name, principal string) {
		_, err := accounts.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: origami.KindRole, Name: name,
			Trust: `{"Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}}`})
		step(err)
	}
	role("builder", `{"Service":"ec2.amazonaws.com"}`)
	role("stranger", `{"AWS":"`+string(a.ID)+`"}`)
	p, err := accounts.CreateInstanceProfile(ctx, a.ID, "/x/", "web", nil)
	step(err)
	now := time.Now()
	roles := &instanceRoles{accounts: accounts, now: func() time.Time { return now }, kept: make(map[instanceRole]imds.Credentials)}
	find := func() *imds.Instance {
		t.Helper()
		i := instanceWithProfile(p)
		step(roles.find(ctx, i))
		return i
	}
	if got := find(); got.Role != nil || got.ProfileGone {
		t.Errorf("a profile without a role: got %+v", got)
	}
	step(accounts.SetProfileRole(ctx, a.ID, "web", "builder", true))
	got := find()
	if got.Role == nil || got.Role.Name != "builder" {
		t.Fatalf("got %+v", got.Role)
	}
	c, err := got.Role.Credentials("2.0")
	step(err)
	if left := time.Until(c.Expires); left < 5*time.Hour || left > 6*time.Hour {
		t.Errorf("the credentials live %v", left)
	}
	if again, err := find().Role.Credentials("2.0"); again != c || err != nil {
		t.Errorf("asked twice: %v", err)
	}
	if other, err := find().Role.Credentials("1.0"); other.AccessKey == c.AccessKey || err != nil {
		t.Errorf("by the other version of the service: the same, %v", err)
	}
	who, err := accounts.Authenticate(ctx, c.AccessKey, c.Token)
	if want := "arn:aws:sts::" + string(a.ID) + ":assumed-role/builder/i-0123456789abcdef0"; err != nil || who.ARN != want {
		t.Errorf("got %+v, %v, want %s", who, err, want)
	}
	now = now.Add(5*time.Hour + 31*time.Minute)
	if next, err := find().Role.Credentials("2.0"); next.AccessKey == c.AccessKey || err != nil {
		t.Errorf("shortly before they expire: the same, %v", err)
	}
	if _, err := accounts.Authenticate(ctx, c.AccessKey, c.Token); err != nil {
		t.Errorf("those from before: %v", err)
	}
	step(accounts.SetProfileRole(ctx, a.ID, "web", "builder", false))
	step(accounts.SetProfileRole(ctx, a.ID, "web", "stranger", true))
	if got = find(); got.Role == nil || got.Role.Name != "stranger" {
		t.Fatalf("got %+v", got.Role)
	}
	if _, err := got.Role.Credentials("2.0"); !errors.Is(err, imds.ErrNotTrusted) {
		t.Errorf("of a role that does not trust EC2: got error %v", err)
	}
	step(accounts.DeleteIdentity(ctx, a.ID, origami.KindRole, "builder"))
	if _, err := accounts.Authenticate(ctx, c.AccessKey, c.Token); err == nil {
		t.Error("credentials of a deleted role are good")
	}
	step(accounts.SetProfileRole(ctx, a.ID, "web", "stranger", false))
	step(accounts.DeleteInstanceProfile(ctx, a.ID, "web"))
	if got := find(); !got.ProfileGone {
		t.Errorf("with its profile deleted: got %+v", got)
	}
	_, err = accounts.CreateInstanceProfile(ctx, a.ID, "/x/", "web", nil)
	step(err)
	if got := find(); !got.ProfileGone {
		t.Errorf("with another profile of that name: got %+v", got)
	}
}

// TestInstanceConditions asks policies about credentials of an instance.
func TestInstanceConditions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	accounts, a := anAccount(t)
	r, err := accounts.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: origami.KindRole, Name: "r",
		Trust: `{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`})
	if err != nil {
		t.Fatal(err)
	}
	i := &instanceWithProfile(&origami.InstanceProfile{Account: a.ID, Path: "/", Name: "web"}).Instance
	made, err := accounts.AssumeForInstance(ctx, r.ID, i, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := accounts.Authenticate(ctx, made.AccessKey, made.Token)
	if err != nil {
		t.Fatal(err)
	}
	who := origami.Caller{Account: a.ID, Region: "eu-west-1", AccessKey: made.AccessKey, ARN: c.ARN, UserID: c.UserID}
	for condition, want := range map[string]bool{
		`"ArnEquals":{"ec2:SourceInstanceARN":"` + i.ARN() + `"}`:                                    true,
		`"ArnEquals":{"ec2:SourceInstanceARN":"` + strings.Replace(i.ARN(), "/i-", "/i-f", 1) + `"}`: false,
		`"NumericLessThan":{"ec2:RoleDelivery":"2.0"}`:                                               true,
		`"NumericGreaterThanEquals":{"ec2:RoleDelivery":"2.0"}`:                                      false,
		`"StringEquals":{"aws:Ec2InstanceSourceVpc":"vpc-12345678"}`:                                 true,
		`"IpAddress":{"aws:Ec2InstanceSourcePrivateIPv4":"172.31.0.0/16"}`:                           true,
	} {
		err := accounts.PutInline(ctx, a.ID, origami.KindRole, "r", "p",
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+condition+`}}}`)
		if err != nil {
			t.Fatal(err)
		}
		if err := accounts.Authorize(ctx, who, "ec2:DescribeImages"); (err == nil) != want {
			t.Errorf("%s: got %v, want allowed %t", condition, err, want)
		}
	}
}
