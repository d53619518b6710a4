package iam_test

import (
	"strings"
	"testing"

	"origami"
	"origami/internal/iam"
)

// TestTrustIsOfWhoWasNamed deletes and renames principals of trust policies:
// who takes the name of another does not take its place.
func TestTrustIsOfWhoWasNamed(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	a, _ := create(t, s, "a")
	ctx := t.Context()
	make := func(spec iam.IdentitySpec) *origami.Identity {
		t.Helper()
		return must(s.CreateIdentity(ctx, a.ID, spec))
	}
	ann := func() origami.Caller {
		make(iam.IdentitySpec{Kind: user, Name: "ann"})
		return as(t, s, must(s.CreateAccessKey(ctx, a.ID, "ann")).ID, "")
	}
	remove := func(kind origami.IdentityKind, name string) {
		t.Helper()
		if kind == user {
			for _, k := range must(s.AccessKeys(ctx, a.ID, name)) {
				check(t, "delete key", s.DeleteAccessKey(ctx, a.ID, name, k.ID), "")
			}
		}
		check(t, "delete "+name, s.DeleteIdentity(ctx, a.ID, kind, name), "")
	}
	assume := func(who origami.Caller, name string) (iam.Temporary, error) {
		return s.AssumeRole(ctx, who, iam.AssumeSpec{Role: "arn:aws:iam::" + string(a.ID) + ":role/" + name, Session: "s1"})
	}
	shown := func(name string) string {
		t.Helper()
		one := must(s.Identity(ctx, a.ID, role, name)).Trust
		for _, i := range must(s.Identities(ctx, a.ID, role, "/")) {
			if i.Name == name && i.Trust != one {
				t.Errorf("listed as %s, shown as %s", i.Trust, one)
			}
		}
		return one
	}

	first := ann()
	make(iam.IdentitySpec{Kind: role, Name: "r", Trust: trust(first.ARN)})
	_, err := assume(first, "r")
	check(t, "who was named", err, "")
	check(t, "rename", s.Rename(ctx, a.ID, user, "ann", "/team/", "anna"), "")
	renamed := first
	renamed.ARN = "arn:aws:iam::" + string(a.ID) + ":user/team/anna"
	_, err = assume(renamed, "r")
	check(t, "under another name", err, "")
	if got, want := shown("r"), trust(renamed.ARN); got != want {
		t.Errorf("renamed: got %s, want %s", got, want)
	}
	remove(user, "anna")
	second := ann()
	_, err = assume(second, "r")
	check(t, "another of the name", err, "AccessDenied")
	if got, want := shown("r"), trust(first.UserID); got != want {
		t.Errorf("gone: got %s, want %s", got, want)
	}
	check(t, "naming who is gone", s.UpdateRole(ctx, a.ID, "r", nil, nil, new(shown("r"))), "MalformedPolicyDocument")
	check(t, "naming the other", s.UpdateRole(ctx, a.ID, "r", nil, nil, new(trust(second.ARN))), "")
	got, err := assume(second, "r")
	check(t, "once named", err, "")

	// A role, and one session of a role.
	session := as(t, s, got.AccessKey, got.Token)
	roleARN := "arn:aws:iam::" + string(a.ID) + ":role/r"
	make(iam.IdentitySpec{Kind: role, Name: "byrole", Trust: trust(roleARN)})
	make(iam.IdentitySpec{Kind: role, Name: "bysession", Trust: trust(session.ARN)})
	for _, name := range []string{"byrole", "bysession"} {
		_, err := assume(session, name)
		check(t, name, err, "")
	}
	old := must(s.Identity(ctx, a.ID, role, "r"))
	remove(role, "r")
	make(iam.IdentitySpec{Kind: role, Name: "r", Trust: trust(second.ARN)})
	got, err = assume(second, "r")
	check(t, "the new role", err, "")
	session = as(t, s, got.AccessKey, got.Token)
	for _, name := range []string{"byrole", "bysession"} {
		_, err := assume(session, name)
		check(t, name+" of another role", err, "AccessDenied")
		if got := shown(name); !strings.Contains(got, `"AWS":"`+old.ID) {
			t.Errorf("%s shows %s, want it with %s", name, got, old.ID)
		}
	}
}
