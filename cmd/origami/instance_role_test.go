package main

import (
	"path/filepath"
	"testing"
	"time"

	"origami"
	"origami/internal/iam"
	"origami/internal/imds"
	"origami/internal/metadb"
)

// TestInstanceRoles gives an instance credentials of its role, which are kept,
// authenticate, and go with the role.
func TestInstanceRoles(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := metadb.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	accounts := iam.New(db)
	a, _, err := accounts.CreateAccount(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
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
	roles := &instanceRoles{accounts: accounts, kept: make(map[instanceRole]imds.Credentials)}
	inst := &origami.Instance{ID: "i-0123456789abcdef0", Owner: a.ID, Profile: p.ARN()}
	if got, err := roles.of(ctx, inst); got != nil || err != nil {
		t.Errorf("a profile without a role: got %+v, %v", got, err)
	}
	step(accounts.SetProfileRole(ctx, a.ID, "web", "builder", true))
	got, err := roles.of(ctx, inst)
	if err != nil || got.Name != "builder" {
		t.Fatalf("got %+v, %v", got, err)
	}
	c, err := got.Credentials()
	step(err)
	if left := time.Until(c.Expires); left < 5*time.Hour || left > 6*time.Hour {
		t.Errorf("the credentials live %v", left)
	}
	again, err := got.Credentials()
	if again != c || err != nil {
		t.Errorf("asked twice: %v", err)
	}
	who, err := accounts.Authenticate(ctx, c.AccessKey, c.Token)
	if want := "arn:aws:sts::" + string(a.ID) + ":assumed-role/builder/i-0123456789abcdef0"; err != nil || who.ARN != want {
		t.Errorf("got %+v, %v, want %s", who, err, want)
	}
	step(accounts.SetProfileRole(ctx, a.ID, "web", "builder", false))
	step(accounts.SetProfileRole(ctx, a.ID, "web", "stranger", true))
	if got, err = roles.of(ctx, inst); err != nil || got.Name != "stranger" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if _, err := got.Credentials(); err == nil {
		t.Error("got credentials of a role that does not trust EC2")
	}
	step(accounts.DeleteIdentity(ctx, a.ID, origami.KindRole, "builder"))
	if _, err := accounts.Authenticate(ctx, c.AccessKey, c.Token); err == nil {
		t.Error("credentials of a deleted role are good")
	}
}
