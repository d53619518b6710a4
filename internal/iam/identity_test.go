package iam_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/policy"
	"origami/internal/sigv4"
)

const (
	user  = origami.KindUser
	group = origami.KindGroup
	role  = origami.KindRole
)

// document makes a policy of the elements of one statement.
func document(elements string) string {
	return `{"Version":"2012-10-17","Statement":[{` + elements + `}]}`
}

func allow(actions string) string {
	return document(`"Effect":"Allow","Action":"` + actions + `","Resource":"*"`)
}

func deny(actions string) string {
	return document(`"Effect":"Deny","Action":"` + actions + `","Resource":"*"`)
}

// trust is a policy that lets a principal assume a role.
func trust(principal string) string {
	return document(`"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"`)
}

// must takes the value of a call that succeeds.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(t *testing.T, what string, err error, code origami.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !errors.Is(err, &origami.Error{Code: code}) {
		t.Errorf("%s: got error %v, want %q", what, err, code)
	}
}

// TestIdentities goes through what identities refuse, in one account and
// another.
func TestIdentities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t)
	a, _ := create(t, s, "a")
	b, _ := create(t, s, "b")
	make := func(spec iam.IdentitySpec) error { _, err := s.CreateIdentity(ctx, a.ID, spec); return err }
	everyone := trust(string(a.ID))

	check(t, "a user", make(iam.IdentitySpec{Kind: user, Name: "Alice", Path: "/people/"}), "")
	check(t, "its name in other case", make(iam.IdentitySpec{Kind: user, Name: "alice"}), "EntityAlreadyExists")
	check(t, "a group of the name", make(iam.IdentitySpec{Kind: group, Name: "alice"}), "")
	check(t, "no name", make(iam.IdentitySpec{Kind: user}), "ValidationError")
	check(t, "a long name", make(iam.IdentitySpec{Kind: user, Name: strings.Repeat("a", 65)}), "ValidationError")
	check(t, "a longer group", make(iam.IdentitySpec{Kind: group, Name: strings.Repeat("a", 65)}), "")
	check(t, "a bad name", make(iam.IdentitySpec{Kind: user, Name: "a/b"}), "ValidationError")
	check(t, "a bad path", make(iam.IdentitySpec{Kind: user, Name: "x", Path: "people"}), "ValidationError")
	check(t, "bad tags", make(iam.IdentitySpec{Kind: user, Name: "x", Tags: origami.Tags{"aws:x": ""}}), "InvalidInput")
	check(t, "no boundary", make(iam.IdentitySpec{Kind: user, Name: "x", Boundary: "arn:aws:iam::" + string(a.ID) + ":policy/none"}), "NoSuchEntity")
	check(t, "a role", make(iam.IdentitySpec{Kind: role, Name: "builder", Trust: everyone}), "")
	check(t, "a role without trust", make(iam.IdentitySpec{Kind: role, Name: "x"}), "MalformedPolicyDocument")
	check(t, "a role that trusts nobody", make(iam.IdentitySpec{Kind: role, Name: "x", Trust: trust("arn:aws:iam::" + string(a.ID) + ":user/nobody")}), "MalformedPolicyDocument")
	check(t, "a role that trusts no account", make(iam.IdentitySpec{Kind: role, Name: "x", Trust: trust("999999999999")}), "MalformedPolicyDocument")
	check(t, "a role that trusts a user", make(iam.IdentitySpec{Kind: role, Name: "x", Trust: trust("arn:aws:iam::" + string(a.ID) + ":user/people/Alice")}), "")
	check(t, "a long session", make(iam.IdentitySpec{Kind: role, Name: "y", Trust: everyone, MaxSession: 13 * time.Hour}), "ValidationError")
	check(t, "much trust", make(iam.IdentitySpec{Kind: role, Name: "y", Trust: strings.Replace(everyone, `"Effect"`, `"Sid":"`+strings.Repeat("a", 2048)+`","Effect"`, 1)}), "LimitExceeded")

	alice, err := s.Identity(ctx, a.ID, user, "ALICE")
	if err != nil || alice.ARN() != "arn:aws:iam::"+string(a.ID)+":user/people/Alice" || !strings.HasPrefix(alice.ID, "AIDA") || len(alice.ID) != 21 {
		t.Fatalf("got %+v, %v", alice, err)
	}
	_, err = s.Identity(ctx, b.ID, user, "Alice")
	check(t, "another account's user", err, "NoSuchEntity")
	check(t, "another account renames", s.Rename(ctx, b.ID, user, "Alice", "", "Bob"), "NoSuchEntity")
	check(t, "another account deletes", s.DeleteIdentity(ctx, b.ID, user, "Alice"), "NoSuchEntity")
	check(t, "another account puts", s.PutInline(ctx, b.ID, user, "Alice", "p", allow("*")), "NoSuchEntity")

	check(t, "inline", s.PutInline(ctx, a.ID, user, "Alice", "p", allow("ec2:*")), "")
	check(t, "broken", s.PutInline(ctx, a.ID, user, "Alice", "p", `{}`), "MalformedPolicyDocument")
	check(t, "large", s.PutInline(ctx, a.ID, user, "Alice", "q", strings.Replace(allow("ec2:*"), `"Effect"`, `"Sid":"`+strings.Repeat("a", 2048)+`","Effect"`, 1)), "LimitExceeded")
	if got, err := s.Inline(ctx, a.ID, user, "Alice", "p"); got != allow("ec2:*") || err != nil {
		t.Errorf("inline: got %s, %v", got, err)
	}
	_, err = s.Inline(ctx, a.ID, user, "Alice", "none")
	check(t, "no such inline", err, "NoSuchEntity")

	p := must(s.CreatePolicy(ctx, a.ID, "/x/", "P", "", allow("s3:*"), nil))
	_, err = s.CreatePolicy(ctx, a.ID, "/", "p", "", allow("s3:*"), nil)
	check(t, "policy of the name", err, "EntityAlreadyExists")
	_, err = s.CreatePolicy(ctx, a.ID, "/", "q", "", "{", nil)
	check(t, "broken policy", err, "MalformedPolicyDocument")
	check(t, "attach", s.Attach(ctx, a.ID, user, "Alice", p.ARN()), "")
	check(t, "attach again", s.Attach(ctx, a.ID, user, "Alice", p.ARN()), "")
	check(t, "attach by another path", s.Attach(ctx, a.ID, user, "Alice", strings.Replace(p.ARN(), "/x/", "/", 1)), "NoSuchEntity")
	check(t, "attach of another account", s.Attach(ctx, b.ID, user, "x", p.ARN()), "NoSuchEntity")
	check(t, "attach a builtin", s.Attach(ctx, a.ID, user, "Alice", "arn:aws:iam::aws:policy/ReadOnlyAccess"), "")
	check(t, "attach nonsense", s.Attach(ctx, a.ID, user, "Alice", "x"), "InvalidInput")
	check(t, "change a builtin", s.DeletePolicy(ctx, a.ID, "arn:aws:iam::aws:policy/ReadOnlyAccess"), "AccessDenied")
	check(t, "delete while attached", s.DeletePolicy(ctx, a.ID, p.ARN()), "DeleteConflict")
	for n := 2; n <= 6; n++ {
		v, err := s.CreatePolicyVersion(ctx, a.ID, p.ARN(), allow("kms:*"), n == 2)
		if n < 6 && (err != nil || v.Number != n) || n == 6 && !errors.Is(err, &origami.Error{Code: "LimitExceeded"}) {
			t.Errorf("version %d: got %+v, %v", n, v, err)
		}
	}
	check(t, "delete the version in force", s.DeletePolicyVersion(ctx, a.ID, p.ARN(), 2), "DeleteConflict")
	check(t, "delete a version", s.DeletePolicyVersion(ctx, a.ID, p.ARN(), 1), "")
	check(t, "delete it again", s.DeletePolicyVersion(ctx, a.ID, p.ARN(), 1), "NoSuchEntity")
	check(t, "put another in force", s.SetDefaultPolicyVersion(ctx, a.ID, p.ARN(), 5), "")

	check(t, "group", s.SetGroup(ctx, a.ID, "Alice", "alice", true), "")
	check(t, "no group", s.SetGroup(ctx, a.ID, "Alice", "none", true), "NoSuchEntity")
	_, members, err := s.Members(ctx, a.ID, "alice")
	if err != nil || len(members) != 1 || members[0].ID != alice.ID {
		t.Errorf("members: got %v, %v", members, err)
	}
	key := must(s.CreateAccessKey(ctx, a.ID, "Alice"))
	for _, step := range []struct {
		conflict string
		mend     func() error
	}{
		{"detach all policies", func() error {
			return errors.Join(s.Detach(ctx, a.ID, user, "Alice", p.ARN()), s.Detach(ctx, a.ID, user, "Alice", "arn:aws:iam::aws:policy/ReadOnlyAccess"))
		}},
		{"delete policies", func() error { return s.DeleteInline(ctx, a.ID, user, "Alice", "p") }},
		{"remove users from group", func() error { return s.SetGroup(ctx, a.ID, "Alice", "alice", false) }},
		{"delete access keys", func() error { return s.DeleteAccessKey(ctx, a.ID, "Alice", key.ID) }},
	} {
		err := s.DeleteIdentity(ctx, a.ID, user, "Alice")
		if err == nil || !strings.Contains(err.Error(), "DeleteConflict: Cannot delete entity, must "+step.conflict+" first.") {
			t.Errorf("delete: got error %v, want to %s", err, step.conflict)
		}
		if err := step.mend(); err != nil {
			t.Error(err)
		}
	}
	check(t, "detach again", s.Detach(ctx, a.ID, user, "Alice", p.ARN()), "NoSuchEntity")
	check(t, "delete", s.DeleteIdentity(ctx, a.ID, user, "Alice"), "")
	check(t, "delete again", s.DeleteIdentity(ctx, a.ID, user, "Alice"), "NoSuchEntity")
	check(t, "delete a policy with versions", s.DeletePolicy(ctx, a.ID, p.ARN()), "DeleteConflict")

	must(s.CreateInstanceProfile(ctx, a.ID, "", "web", nil))
	_, err = s.CreateInstanceProfile(ctx, a.ID, "", "WEB", nil)
	check(t, "profile of the name", err, "EntityAlreadyExists")
	check(t, "role of the profile", s.SetProfileRole(ctx, a.ID, "web", "builder", true), "")
	check(t, "another role of the profile", s.SetProfileRole(ctx, a.ID, "web", "x", true), "LimitExceeded")
	check(t, "delete the role", s.DeleteIdentity(ctx, a.ID, role, "builder"), "DeleteConflict")
	check(t, "delete the profile", s.DeleteInstanceProfile(ctx, a.ID, "web"), "DeleteConflict")
	check(t, "take the role out", s.SetProfileRole(ctx, a.ID, "web", "builder", false), "")
	check(t, "take it out again", s.SetProfileRole(ctx, a.ID, "web", "builder", false), "NoSuchEntity")
	check(t, "delete the profile", s.DeleteInstanceProfile(ctx, a.ID, "web"), "")
}

// as is a user, a role's session or a root as the front door knows it.
func as(t testing.TB, s *iam.Service, key, token string) origami.Caller {
	t.Helper()
	c, err := s.Authenticate(t.Context(), key, token)
	if err != nil {
		t.Fatal(err)
	}
	return origami.Caller{Account: c.Account, ARN: c.ARN, UserID: c.UserID, AccessKey: key, Region: "us-east-1"}
}

// TestAuthorizeIdentities goes through the places that policies come from.
func TestAuthorizeIdentities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t)
	a, _ := create(t, s, "a")
	must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: user, Name: "u", Tags: origami.Tags{"team": "x"}}))
	must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: group, Name: "g"}))
	key := must(s.CreateAccessKey(ctx, a.ID, "u"))
	who := as(t, s, key.ID, "")
	p := must(s.CreatePolicy(ctx, a.ID, "", "p", "", allow("ec2:Run*"), nil))
	may := func(what, action string, want bool, resources ...iam.Resource) {
		t.Helper()
		err := s.Authorize(ctx, who, action, resources...)
		if want != (err == nil) || err != nil && !errors.Is(err, &origami.Error{Code: "UnauthorizedOperation"}) {
			t.Errorf("%s, %s: got error %v, want allowed %t", what, action, err, want)
		}
	}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	may("nothing", "ec2:RunInstances", false)
	step(s.Attach(ctx, a.ID, user, "u", p.ARN()))
	may("attached", "ec2:RunInstances", true)
	may("attached", "ec2:StopInstances", false)
	_, err := s.CreatePolicyVersion(ctx, a.ID, p.ARN(), allow("ec2:Stop*"), true)
	step(err)
	may("next version", "ec2:StopInstances", true)
	may("next version", "ec2:RunInstances", false)
	step(s.PutInline(ctx, a.ID, group, "g", "i", allow("ec2:Describe*")))
	may("not in the group", "ec2:DescribeImages", false)
	step(s.SetGroup(ctx, a.ID, "u", "g", true))
	may("in the group", "ec2:DescribeImages", true)
	step(s.Attach(ctx, a.ID, group, "g", "arn:aws:iam::aws:policy/AdministratorAccess"))
	may("administrator by group", "kms:X", true)
	step(s.PutInline(ctx, a.ID, user, "u", "i", deny("ec2:Describe*")))
	may("denied", "ec2:DescribeImages", false)
	bound := must(s.CreatePolicy(ctx, a.ID, "", "bound", "", allow("ec2:*"), nil))
	step(s.SetBoundary(ctx, a.ID, user, "u", bound.ARN()))
	may("within the boundary", "ec2:RunInstances", true)
	may("beyond the boundary", "ec2x:X", false)
	check(t, "delete the boundary's policy", s.DeletePolicy(ctx, a.ID, bound.ARN()), "DeleteConflict")
	step(s.SetBoundary(ctx, a.ID, user, "u", ""))
	step(s.Detach(ctx, a.ID, group, "g", "arn:aws:iam::aws:policy/AdministratorAccess"))
	step(s.PutInline(ctx, a.ID, user, "u", "i", document(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/*","Condition":{"StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}","aws:username":"u"}}`)))
	step(s.PutInline(ctx, a.ID, user, "u", "agent", document(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringLike":{"aws:UserAgent":["*bad","*`+strings.Repeat("x", 1000)+`y"]}}`)))
	instance := iam.Resource{ARN: "arn:aws:ec2:us-east-1:1:instance/i-1", Keys: policy.Keys{"aws:resourcetag/team": {"x"}}}
	who.Agent = "good"
	may("agent", "ec2:RebootInstances", true, instance)
	who.Agent = strings.Repeat("x", 2045) + "bad"
	may("bad agent", "ec2:RebootInstances", false, instance)
	who.Agent = strings.Repeat("x", 60<<10) + "bad" // of which policies see the beginning
	may("long agent", "ec2:RebootInstances", true, instance)
	who.Agent = ""
	step(s.PutInline(ctx, a.ID, user, "u", "agent", document(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":"false","aws:ViaAWSService":"false"}}`)))
	may("people", "ec2:RebootInstances", false, instance)
	step(s.DeleteInline(ctx, a.ID, user, "u", "agent"))
	mine, theirs := policy.Keys{}, policy.Keys{}
	mine.Set("aws:ResourceTag/team", "x")
	theirs.Set("aws:ResourceTag/team", "y")
	may("own team", "ec2:RebootInstances", true, iam.Resource{ARN: "arn:aws:ec2:us-east-1:1:instance/i-1", Keys: mine})
	may("other team", "ec2:RebootInstances", false, iam.Resource{ARN: "arn:aws:ec2:us-east-1:1:instance/i-1", Keys: mine}, iam.Resource{ARN: "arn:aws:ec2:us-east-1:1:instance/i-2", Keys: theirs})
	for action, want := range map[string]origami.Code{"iam:GetUser": "AccessDenied", "sts:AssumeRole": "AccessDenied", "kms:Encrypt": "AccessDeniedException"} {
		check(t, action, s.Authorize(ctx, who, action), want)
	}
	step(s.DeleteAccessKey(ctx, a.ID, "u", key.ID))
	if _, err := s.Authenticate(ctx, key.ID, ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("a deleted key: got error %v", err)
	}
}

// TestAssumeRole goes through trust in one account and across two.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var now atomic.Int64
	now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	s, _ := openAt(t, func() time.Time { return time.Unix(now.Load(), 0) })
	a, _ := create(t, s, "a")
	b, rootKey := create(t, s, "b")
	caller := func(account origami.AccountID, name string) origami.Caller {
		must(s.CreateIdentity(ctx, account, iam.IdentitySpec{Kind: user, Name: name}))
		return as(t, s, must(s.CreateAccessKey(ctx, account, name)).ID, "")
	}
	alice, bob := caller(a.ID, "alice"), caller(b.ID, "bob")
	roleARN := func(name string) string { return "arn:aws:iam::" + string(a.ID) + ":role/" + name }
	for name, text := range map[string]string{
		"account": trust(string(a.ID)),
		"alice":   trust(alice.ARN),
		"other":   trust(string(b.ID)),
		"bob":     trust(bob.ARN),
		"external": document(`"Effect":"Allow","Principal":{"AWS":"` + string(b.ID) +
			`"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"secret"}}`),
	} {
		must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: role, Name: name, Trust: text, MaxSession: 2 * time.Hour}))
	}
	assume := func(who origami.Caller, name, external string) error {
		_, err := s.AssumeRole(ctx, who, iam.AssumeSpec{Role: roleARN(name), Session: "s1", ExternalID: external})
		return err
	}
	const denied = "AccessDenied"
	check(t, "named", assume(alice, "alice", ""), "")
	check(t, "not named", assume(alice, "bob", ""), denied)
	check(t, "account named", assume(alice, "account", ""), denied)
	check(t, "another account, named", assume(bob, "bob", ""), denied)
	check(t, "no such role", assume(alice, "none", ""), denied)
	if err := errors.Join(s.PutInline(ctx, a.ID, user, "alice", "p", allow("sts:AssumeRole")), s.PutInline(ctx, b.ID, user, "bob", "p", allow("sts:*"))); err != nil {
		t.Fatal(err)
	}
	check(t, "account named, allowed", assume(alice, "account", ""), "")
	check(t, "another account, named and allowed", assume(bob, "bob", ""), "")
	check(t, "another account, allowed", assume(bob, "other", ""), "")
	check(t, "another account, not trusted", assume(bob, "account", ""), denied)
	check(t, "without the external ID", assume(bob, "external", ""), denied)
	check(t, "with a wrong external ID", assume(bob, "external", "guess"), denied)
	check(t, "with the external ID", assume(bob, "external", "secret"), "")
	check(t, "the root", assume(as(t, s, rootKey.ID, ""), "other", ""), denied)
	if err := s.PutInline(ctx, a.ID, user, "alice", "q", deny("sts:AssumeRole")); err != nil {
		t.Fatal(err)
	}
	check(t, "named and denied", assume(alice, "alice", ""), denied)
	if err := s.DeleteInline(ctx, a.ID, user, "alice", "q"); err != nil {
		t.Fatal(err)
	}

	// A role is named with its path and its case: policies are asked about the name.
	check(t, "another path", assume(alice, "x/alice", ""), denied)
	check(t, "another case", assume(alice, "ALICE", ""), denied)
	// A boundary does not bound who is named itself.
	bound := must(s.CreatePolicy(ctx, a.ID, "", "bound", "", allow("ec2:*"), nil))
	check(t, "bound", s.SetBoundary(ctx, a.ID, user, "alice", bound.ARN()), "")
	check(t, "named, bounded", assume(alice, "alice", ""), "")
	check(t, "account named, allowed and bounded", assume(alice, "account", ""), denied)
	check(t, "unbound", s.SetBoundary(ctx, a.ID, user, "alice", ""), "")

	spec := iam.AssumeSpec{Role: roleARN("other"), Session: "s1"}
	for what, change := range map[string]func(*iam.AssumeSpec){
		"short":          func(s *iam.AssumeSpec) { s.Duration = time.Minute },
		"long":           func(s *iam.AssumeSpec) { s.Duration = 13 * time.Hour },
		"over its limit": func(s *iam.AssumeSpec) { s.Duration = 3 * time.Hour },
		"no name":        func(s *iam.AssumeSpec) { s.Session = "" },
		"bad name":       func(s *iam.AssumeSpec) { s.Session = "a b" },
		"no ARN":         func(s *iam.AssumeSpec) { s.Role = "other" },
		"ARN of a user":  func(s *iam.AssumeSpec) { s.Role = strings.Replace(s.Role, ":role/", ":user/", 1) },
		"ARN of STS":     func(s *iam.AssumeSpec) { s.Role = strings.Replace(s.Role, ":iam:", ":sts:", 1) },
		"ARN cut short":  func(s *iam.AssumeSpec) { s.Role = "arn:aws:iam" },
		"long policy":    func(s *iam.AssumeSpec) { s.Policy = strings.Repeat(" ", 2049) },
		"many policies":  func(s *iam.AssumeSpec) { s.Managed = slices.Repeat([]string{bound.ARN()}, 11) },
	} {
		c := spec
		change(&c)
		_, err := s.AssumeRole(ctx, bob, c)
		check(t, what, err, "ValidationError")
	}
	spec.Managed = slices.Repeat([]string{bound.ARN()}, 10)
	_, err := s.AssumeRole(ctx, bob, spec)
	check(t, "as many policies as there may be", err, "")
	spec.Managed = nil
	spec.Policy = "{"
	_, err = s.AssumeRole(ctx, bob, spec)
	check(t, "broken policy", err, "MalformedPolicyDocument")

	if err := s.PutInline(ctx, a.ID, role, "other", "p", allow("*")); err != nil {
		t.Fatal(err)
	}
	spec.Policy = document(`"Effect":"Allow","Action":["ec2:*","sts:AssumeRole"],"Resource":"*"`)
	spec.Duration = 2 * time.Hour
	got, err := s.AssumeRole(ctx, bob, spec)
	if err != nil {
		t.Fatal(err)
	}
	session := as(t, s, got.AccessKey, got.Token)
	want := origami.Caller{Account: a.ID, ARN: "arn:aws:sts::" + string(a.ID) + ":assumed-role/other/s1", UserID: got.UserID, AccessKey: got.AccessKey, Region: "us-east-1"}
	if diff := cmp.Diff(want, session); diff != "" || !strings.HasPrefix(got.UserID, "AROA") || !strings.HasSuffix(got.UserID, ":s1") {
		t.Errorf("session %+v (-want +got):\n%s", got, diff)
	}
	check(t, "in the session", s.Authorize(ctx, session, "ec2:RunInstances"), "")
	check(t, "beyond the session", s.Authorize(ctx, session, "kms:Encrypt"), "AccessDeniedException")
	check(t, "beyond the session", s.Authorize(ctx, session, "iam:GetUser"), "AccessDenied")

	// A session may assume another role, for an hour at most.
	must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: role, Name: "next", Trust: trust(roleARN("other")), MaxSession: 12 * time.Hour}))
	chain := iam.AssumeSpec{Role: roleARN("next"), Session: "s2", Duration: 2 * time.Hour}
	_, err = s.AssumeRole(ctx, session, chain)
	check(t, "a long chain", err, "ValidationError")
	chain.Duration = time.Hour
	_, err = s.AssumeRole(ctx, session, chain)
	check(t, "a chain", err, "")
	_, err = s.SessionOf(ctx, session, 0)
	check(t, "a session of a session", err, denied)
	// What is named is the role, not the session, which its policy limits.
	limited := spec
	limited.Policy = document(`"Effect":"Allow","Action":"ec2:*","Resource":"*"`)
	narrow := must(s.AssumeRole(ctx, bob, limited))
	_, err = s.AssumeRole(ctx, as(t, s, narrow.AccessKey, narrow.Token), chain)
	check(t, "a chain beyond the session", err, denied)

	for what, c := range map[string]struct {
		key, token string
		want       error
	}{
		"no token":      {got.AccessKey, "", sigv4.ErrInvalidToken},
		"other token":   {got.AccessKey, got.Token + "A", sigv4.ErrInvalidToken},
		"user's token":  {bob.AccessKey, got.Token, sigv4.ErrInvalidToken},
		"no such key":   {"ASIAAAAAAAAAAAAAAAAA", got.Token, sigv4.ErrUnknownKey},
		"malformed key": {"ASIA'", got.Token, sigv4.ErrUnknownKey},
	} {
		if _, err := s.Authenticate(ctx, c.key, c.token); !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", what, err, c.want)
		}
	}
	now.Add(2*3600 - 1)
	if _, err := s.Authenticate(ctx, got.AccessKey, got.Token); err != nil {
		t.Errorf("a second before the end: %v", err)
	}
	now.Add(1)
	if _, err := s.Authenticate(ctx, got.AccessKey, got.Token); !errors.Is(err, sigv4.ErrExpiredToken) {
		t.Errorf("at the end: got error %v", err)
	}
	fresh := must(s.AssumeRole(ctx, bob, spec))
	if err := errors.Join(s.DeleteInline(ctx, a.ID, role, "other", "p"), s.DeleteIdentity(ctx, a.ID, role, "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(ctx, fresh.AccessKey, fresh.Token); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("of a deleted role: got error %v", err)
	}
	check(t, "of a deleted role", s.Authorize(ctx, session, "ec2:RunInstances"), "UnauthorizedOperation")
}

// TestSessionOf makes temporary credentials of a user and a root.
func TestSessionOf(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _ := open(t)
	a, key := create(t, s, "a")
	must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: user, Name: "u"}))
	if err := s.PutInline(ctx, a.ID, user, "u", "p", allow("*")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key    string
		longer time.Duration
	}{
		"root": {key.ID, time.Hour},
		"user": {must(s.CreateAccessKey(ctx, a.ID, "u")).ID, 36 * time.Hour},
	} {
		who := as(t, s, c.key, "")
		got, err := s.SessionOf(ctx, who, 36*time.Hour)
		if left := time.Until(got.Expires); err != nil || left > c.longer || left < c.longer-30*time.Minute {
			t.Errorf("%s: got %+v, %v, want it for %v", name, got, err, c.longer)
		}
		session := as(t, s, got.AccessKey, got.Token)
		if session.ARN != who.ARN || session.UserID != who.UserID {
			t.Errorf("%s: got %+v, want it as %+v", name, session, who)
		}
		check(t, name+" in EC2", s.Authorize(ctx, session, "ec2:X"), "")
		check(t, name+" in IAM", s.Authorize(ctx, session, "iam:X"), "AccessDenied")
		_, err = s.SessionOf(ctx, session, 0)
		check(t, name+" again", err, "AccessDenied")
		_, err = s.SessionOf(ctx, who, time.Minute)
		check(t, name+" for a minute", err, "ValidationError")
		if account, err := s.KeyAccount(ctx, got.AccessKey); account != a.ID || err != nil {
			t.Errorf("account of the key: %s, %v", account, err)
		}
	}
	if _, err := s.KeyAccount(ctx, "AKIAAAAAAAAAAAAAAAAA"); !errors.Is(err, iam.ErrNoKey) {
		t.Errorf("account of no key: got error %v", err)
	}
}

// TestCrowd lets many change one user at a time; nothing is lost, and limits
// hold.
func TestCrowd(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, db := open(t)
	a, _ := create(t, s, "a")
	must(s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: user, Name: "u"}))
	var arns []string
	for n := range 14 {
		arns = append(arns, must(s.CreatePolicy(ctx, a.ID, "", fmt.Sprint("p", n), "", allow("ec2:*"), nil)).ARN())
	}
	var crowd sync.WaitGroup
	var attached, keys, users atomic.Int32
	for n := range 14 {
		crowd.Go(func() {
			if s.Attach(ctx, a.ID, user, "u", arns[n]) == nil {
				attached.Add(1)
			}
			if _, err := s.CreateAccessKey(ctx, a.ID, "u"); err == nil {
				keys.Add(1)
			}
			if _, err := s.CreateIdentity(ctx, a.ID, iam.IdentitySpec{Kind: user, Name: "same"}); err == nil {
				users.Add(1)
			}
		})
	}
	crowd.Wait()
	u := must(s.Identity(ctx, a.ID, user, "u"))
	if attached.Load() != 10 || len(u.Attached) != 10 || keys.Load() != 2 || users.Load() != 1 {
		t.Errorf("got %d attached, %d kept, %d keys and %d users, want 10, 10, 2 and 1", attached.Load(), len(u.Attached), keys.Load(), users.Load())
	}
	// Another service over the same database sees it all.
	again, err := iam.New(db).Identity(ctx, a.ID, user, "u")
	if diff := cmp.Diff(u, again); diff != "" || err != nil {
		t.Errorf("from another service: %v\n%s", err, diff)
	}
}

func BenchmarkAuthorize(b *testing.B) {
	db, err := metadb.Open(b.Context(), "sqlite:"+b.TempDir()+"/db")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := iam.New(db)
	a, k, err := s.CreateAccount(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	u := must(s.CreateIdentity(b.Context(), a.ID, iam.IdentitySpec{Kind: user, Name: "u"}))
	if err := s.Attach(b.Context(), a.ID, user, "u", "arn:aws:iam::aws:policy/AdministratorAccess"); err != nil {
		b.Fatal(err)
	}
	for name, who := range map[string]origami.Caller{
		"root": as(b, s, k.ID, ""),
		"user": {Account: a.ID, ARN: u.ARN(), UserID: u.ID, Region: "us-east-1"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := s.Authorize(b.Context(), who, "ec2:DescribeImages"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
