package policy_test

import (
	"testing"

	"origami/internal/policy"
)

// TestRename writes other names for principals and nothing else.
func TestRename(t *testing.T) {
	t.Parallel()
	const text = `{"Version": "2012-10-17",
  "Statement": [ {"Effect":"Allow", "Principal": {"AWS": ["arn:a" , "arn:b","arn\u003Aa"], "Service":"arn:a.com"}, "Action":"arn:a",
    "Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:a"}}, "Resource":"arn:a"},
  {"NotPrincipal":{"AWS":"arn:b"}, "Principal":"*", "N":[1.50, true, null]} ] }
`
	const want = `{"Version": "2012-10-17",
  "Statement": [ {"Effect":"Allow", "Principal": {"AWS": ["AIDAA" , "AIDA\"B","AIDAA"], "Service":"arn:a.com"}, "Action":"arn:a",
    "Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:a"}}, "Resource":"arn:a"},
  {"NotPrincipal":{"AWS":"AIDA\"B"}, "Principal":"*", "N":[1.50, true, null]} ] }
`
	got, err := policy.Rename(text, map[string]string{"arn:a": "AIDAA", "arn:b": `AIDA"B`, "arn:c": "AIDAC"})
	if err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if got, err := policy.Rename(text, nil); got != text || err != nil {
		t.Errorf("without names: got %s, %v", got, err)
	}
	if got, err := policy.Rename(`{"Principal":`, map[string]string{"a": "b"}); err == nil {
		t.Errorf("of half a document: got %s", got)
	}
}

// TestBound evaluates documents whose principals are bound to unique IDs.
func TestBound(t *testing.T) {
	t.Parallel()
	const account = "111122223333"
	const user, role = "arn:aws:iam::" + account + ":user/u", "arn:aws:iam::" + account + ":role/r"
	const session = "arn:aws:sts::" + account + ":assumed-role/r/s"
	u := policy.Principal{Account: account, ARN: user, ID: "AIDAONE"}
	s := policy.Principal{Account: account, ARN: session, Role: role, ID: "AROAONE:s"}
	for _, tt := range []struct {
		name, arn, id string // "" is not bound
		who           policy.Principal
		want          policy.Effect
	}{
		{"user", user, "AIDAONE", u, policy.Allow},
		{"another user of that name", user, "AIDATWO", u, policy.Silent},
		{"user, not bound", user, "", u, policy.Allow},
		{"role", role, "AROAONE", s, policy.AllowRole},
		{"another role of that name", role, "AROATWO", s, policy.Silent},
		{"session", session, "AROAONE:s", s, policy.Allow},
		{"session of another role", session, "AROATWO:s", s, policy.Silent},
		{"user of another name", "arn:aws:iam::" + account + ":user/before", "AIDAONE", u, policy.Allow},
		{"nobody", user, "AIDAONE", policy.Principal{Account: account, ARN: user}, policy.Silent},
	} {
		d, err := policy.Parse(`{"Statement":{"Effect":"Allow","Principal":{"AWS":"`+tt.arn+`"},"Action":"kms:*","Resource":"*"}}`, policy.Resource)
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]string{}
		if tt.id != "" {
			ids[tt.arn] = tt.id
		}
		r := &policy.Request{Principal: tt.who, Action: "kms:Decrypt", Resource: "*"}
		if got := d.Bound(ids).Evaluate(r); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if got, want := tt.who.Is(tt.arn, ids), tt.want != policy.Silent; got != want {
			t.Errorf("%s: is %t, want %t", tt.name, got, want)
		}
	}
}
