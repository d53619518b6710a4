package policy_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/internal/policy"
)

// TestMatches finds the statements that apply, and where they stand.
func TestMatches(t *testing.T) {
	t.Parallel()
	const text = `{"Version":"2012-10-17",
 "Statement" : [ {"Effect":"Allow","Action":"ec2:*","Resource":"*"},
  {"Effect":"Deny","Action":"ec2:Run*","Resource":"*",
   "Condition":{"StringEquals":{"ec2:Region":"x"}}}
,{"Effect":"Allow","Action":"iam:*","Resource":"*"}], "Id":"}"}`
	places, err := policy.Positions(text)
	want := []policy.Match{
		{Start: policy.Position{Line: 2, Column: 18}, End: policy.Position{Line: 2, Column: 68}},
		{Start: policy.Position{Line: 3, Column: 3}, End: policy.Position{Line: 4, Column: 52}},
		{Start: policy.Position{Line: 5, Column: 2}, End: policy.Position{Line: 5, Column: 52}},
	}
	if diff := cmp.Diff(want, places); diff != "" || err != nil {
		t.Fatalf("%v, (-want +got):\n%s", err, diff)
	}
	d, err := policy.Parse(text, policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	r := &policy.Request{Action: "ec2:RunInstances", Resource: "*", Keys: policy.Keys{}}
	r.Keys.Set("ec2:Region", "x")
	want[0].Effect, want[1].Effect = policy.Allow, policy.Deny
	if diff := cmp.Diff(want[:2], d.Matches(r, places)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	one, err := policy.Positions(`{"Statement":{"Effect":"Allow"}}`)
	if want := []policy.Match{{Start: policy.Position{Line: 1, Column: 14}, End: policy.Position{Line: 1, Column: 32}}}; err != nil || !slices.Equal(one, want) {
		t.Errorf("got %+v, %v, want %+v", one, err, want)
	}
	for _, half := range []string{"", `{"Statement":[{"Effect"`, `{"Statement":`, `{"Id":`} {
		if got, err := policy.Positions(half); err == nil {
			t.Errorf("%s: got %+v", half, got)
		}
	}
}

// TestContextKeys lists what documents ask about.
func TestContextKeys(t *testing.T) {
	t.Parallel()
	d, err := policy.Parse(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:username}","Condition":{"StringLike":{"ec2:Region":"${aws:PrincipalTag/r}*"}}},
		{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, policy.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string][]string{
		"":                 {"aws:PrincipalTag/r", "aws:SecureTransport", "aws:username", "ec2:Region"},
		"ec2:RunInstances": {"aws:PrincipalTag/r", "aws:username", "ec2:Region"},
		"s3:GetObject":     {"aws:SecureTransport"},
		"iam:GetUser":      nil,
	} {
		if got := d.ContextKeys(action); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", action, got, want)
		}
	}
}
