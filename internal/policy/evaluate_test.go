package policy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"origami/internal/policy"
)

const (
	account = "111111111111"
	alice   = "arn:aws:iam::111111111111:user/alice"
	role    = "arn:aws:iam::111111111111:role/builder"
	session = "arn:aws:sts::111111111111:assumed-role/builder/s1"
)

func parse(t interface {
	Helper()
	Fatal(...any)
}, text string, kind policy.Kind) *policy.Document {
	t.Helper()
	d, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatal(text, err)
	}
	return d
}

func TestActionsAndResources(t *testing.T) {
	t.Parallel()
	const image = "arn:aws:ec2:us-east-1::image/ami-1"
	tests := []struct {
		elements, action, resource string
		want                       policy.Effect
	}{
		{`"Action":"ec2:RunInstances","Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"EC2:runinstances","Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:Run*","Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:R?nInstances","Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:?RunInstances","Resource":"*"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"*","Resource":"*"`, "sts:GetCallerIdentity", "*", policy.Allow},
		{`"Action":["s3:*","ec2:*"],"Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"s3:*","Resource":"*"`, "ec2:RunInstances", image, policy.Silent},
		{`"NotAction":"s3:*","Resource":"*"`, "ec2:RunInstances", image, policy.Allow},
		{`"NotAction":["s3:*","ec2:Run*"],"Resource":"*"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/AMI-1"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:eu-west-1::image/*"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":["arn:aws:s3:::b","arn:aws:ec2:us-east-1::image/ami-?"]`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:*","NotResource":"arn:aws:ec2:*::image/*"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","NotResource":"arn:aws:ec2:*:*:instance/*"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:username}"`, "ec2:RunInstances", "arn:aws:ec2:us-east-1::image/alice", policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:username}"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:nothing}"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","NotResource":"arn:aws:ec2:*::image/${aws:nothing}"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:nothing, 'ami-1'}"`, "ec2:RunInstances", image, policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${*}"`, "ec2:RunInstances", image, policy.Silent},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${*}"`, "ec2:RunInstances", "arn:aws:ec2:us-east-1::image/*", policy.Allow},
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:star}"`, "ec2:RunInstances", image, policy.Silent}, // a value is no pattern
		{`"Action":"ec2:*","Resource":"arn:aws:ec2:*::image/${aws:several}"`, "ec2:RunInstances", image, policy.Silent},
	}
	keys := policy.Keys{}
	keys.Set("aws:username", "alice")
	keys.Set("aws:star", "*")
	keys.Set("aws:several", "ami-1", "ami-2")
	for _, tt := range tests {
		r := &policy.Request{Action: tt.action, Resource: tt.resource, Keys: keys}
		if got := parse(t, statement(`"Effect":"Allow",`+tt.elements), policy.Identity).Evaluate(r); got != tt.want {
			t.Errorf("%s on %s of %s: got %v, want %v", tt.elements, tt.action, tt.resource, got, tt.want)
		}
		want := policy.Silent
		if tt.want == policy.Allow {
			want = policy.Deny
		}
		if got := parse(t, statement(`"Effect":"Deny",`+tt.elements), policy.Identity).Evaluate(r); got != want {
			t.Errorf("denial of %s on %s of %s: got %v, want %v", tt.elements, tt.action, tt.resource, got, want)
		}
	}
	// Before 2012 there were no variables.
	old := parse(t, `{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"arn:aws:a:::${aws:username}"}}`, policy.Identity)
	if got := old.Evaluate(&policy.Request{Action: "a:b", Resource: "arn:aws:a:::alice", Keys: keys}); got != policy.Silent {
		t.Errorf("a variable in an old policy: got %v", got)
	}
	if got := old.Evaluate(&policy.Request{Action: "a:b", Resource: "arn:aws:a:::${aws:username}", Keys: keys}); got != policy.Allow {
		t.Errorf("its text: got %v", got)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	keys := policy.Keys{}
	keys.Set("aws:username", "alice")
	keys.Set("aws:CurrentTime", "2026-05-01T12:00:00Z")
	keys.Set("aws:SourceIp", "10.1.2.3")
	keys.Set("aws:SecureTransport", "false")
	keys.Set("ec2:VolumeSize", "8")
	keys.Set("aws:TagKeys", "env", "team")
	keys.Set("aws:PrincipalArn", alice)
	keys.Set("aws:blob", "AAECAw==")
	keys.Set("aws:empty")
	tests := map[string]bool{
		`"StringEquals":{"aws:username":"alice"}`:                                                true,
		`"StringEquals":{"AWS:UserName":["bob","alice"]}`:                                        true,
		`"StringEquals":{"aws:username":"Alice"}`:                                                false,
		`"StringEquals":{"aws:username":"al*"}`:                                                  false,
		`"StringEquals":{"aws:username":"${aws:username}"}`:                                      true,
		`"StringEquals":{"aws:username":"${aws:none}"}`:                                          false,
		`"StringEquals":{"aws:none":"alice"}`:                                                    false,
		`"StringEqualsIfExists":{"aws:none":"alice"}`:                                            true,
		`"StringEqualsIfExists":{"aws:username":"bob"}`:                                          false,
		`"StringNotEquals":{"aws:username":["bob","carol"]}`:                                     true,
		`"StringNotEquals":{"aws:username":["bob","alice"]}`:                                     false,
		`"StringNotEquals":{"aws:none":"alice"}`:                                                 true,
		`"StringEqualsIgnoreCase":{"aws:username":"ALICE"}`:                                      true,
		`"StringNotEqualsIgnoreCase":{"aws:username":"ALICE"}`:                                   false,
		`"StringLike":{"aws:username":"al?ce*"}`:                                                 true,
		`"StringNotLike":{"aws:username":"al*"}`:                                                 false,
		`"StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":"true"}`:          false,
		`"NumericEquals":{"ec2:VolumeSize":8.0}`:                                                 true,
		`"NumericNotEquals":{"ec2:VolumeSize":"8"}`:                                              false,
		`"NumericLessThan":{"ec2:VolumeSize":"8"}`:                                               false,
		`"NumericLessThanEquals":{"ec2:VolumeSize":"8"}`:                                         true,
		`"NumericGreaterThan":{"ec2:VolumeSize":"7.9"}`:                                          true,
		`"NumericGreaterThanEquals":{"ec2:VolumeSize":"9"}`:                                      false,
		`"NumericEquals":{"aws:username":"8"}`:                                                   false,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-05-01T11:59:59Z"}`:                           true,
		`"DateLessThan":{"aws:CurrentTime":"2026-05-01"}`:                                        false,
		`"DateLessThan":{"aws:CurrentTime":"2026-05-01T14:00:00+01:00"}`:                         true,
		`"DateEquals":{"aws:CurrentTime":"1777636800"}`:                                          true,
		`"DateNotEquals":{"aws:CurrentTime":"2026-05-01T12:00Z"}`:                                false,
		`"DateLessThanEquals":{"aws:CurrentTime":"2026-05-01T12:00:00Z"}`:                        true,
		`"DateGreaterThanEquals":{"aws:CurrentTime":"2027"}`:                                     false,
		`"Bool":{"aws:SecureTransport":false}`:                                                   true,
		`"Bool":{"aws:SecureTransport":"False"}`:                                                 true,
		`"Bool":{"aws:none":"false"}`:                                                            false,
		`"BoolIfExists":{"aws:none":"false"}`:                                                    true,
		`"BinaryEquals":{"aws:blob":"AAECAw=="}`:                                                 true,
		`"BinaryEquals":{"aws:blob":"AAEC"}`:                                                     false,
		`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                                              true,
		`"IpAddress":{"aws:SourceIp":["192.168.0.0/16","10.1.2.3"]}`:                             true,
		`"IpAddress":{"aws:SourceIp":"::ffff:10.0.0.0/104"}`:                                     true,
		`"IpAddress":{"aws:SourceIp":"::ffff:11.0.0.0/104"}`:                                     false,
		`"IpAddress":{"aws:SourceIp":"::/0"}`:                                                    false,
		`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`:                                           false,
		`"NotIpAddress":{"aws:SourceIp":"11.0.0.0/8"}`:                                           true,
		`"IpAddress":{"aws:username":"0.0.0.0/0"}`:                                               false,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`:                                 true,
		`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/a*"}`:                   true,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:*:user/*"}`:                                      false,
		`"ArnLike":{"aws:PrincipalArn":"arn:*:*:*:*:*"}`:                                         true,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111111111111:user/${aws:username}"}`:        true,
		`"ArnLike":{"aws:username":"arn:aws:iam::*:user/*"}`:                                     false,
		`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`:                              false,
		`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`:                            true,
		`"Null":{"aws:username":"false"}`:                                                        true,
		`"Null":{"aws:none":"true"}`:                                                             true,
		`"Null":{"aws:empty":true}`:                                                              true,
		`"Null":{"aws:username":"true"}`:                                                         false,
		`"ForAllValues:StringEquals":{"aws:TagKeys":["env","team","cost"]}`:                      true,
		`"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}`:                                    false,
		`"ForAllValues:StringEquals":{"aws:none":["env"]}`:                                       true,
		`"ForAllValues:StringNotEquals":{"aws:TagKeys":["cost"]}`:                                true,
		`"ForAllValues:StringNotEquals":{"aws:TagKeys":["env"]}`:                                 false,
		`"ForAnyValue:StringEquals":{"aws:TagKeys":["env"]}`:                                     true,
		`"ForAnyValue:StringEquals":{"aws:TagKeys":["cost"]}`:                                    false,
		`"ForAnyValue:StringEquals":{"aws:none":["cost"]}`:                                       false,
		`"ForAnyValue:StringNotEquals":{"aws:TagKeys":["env"]}`:                                  true,
		`"ForAnyValue:StringNotEquals":{"aws:none":["env"]}`:                                     false,
		`"ForAnyValue:StringEqualsIfExists":{"aws:none":["env"]}`:                                true,
		`"StringEquals":{"aws:TagKeys":"env"}`:                                                   true,
		`"StringNotEquals":{"aws:TagKeys":"env"}`:                                                false,
		`"StringEquals":{"aws:username":[]}`:                                                     false,
		`"StringEquals":{"aws:username":"alice","aws:SourceIp":"10.1.2.3"}`:                      true,
		`"StringEquals":{"aws:username":"alice"},"StringLike":{"aws:username":"b*"}`:             false,
		`"ForAllValues:StringLike":{"aws:TagKeys":["e*","t*"]},"Null":{"aws:TagKeys":"false"}`:   true,
		`"StringLike":{"aws:username":["${aws:username}"]},"Bool":{"aws:SecureTransport":false}`: true,
	}
	for condition, want := range tests {
		d := parse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+condition+`}`), policy.Identity)
		got := d.Evaluate(&policy.Request{Action: "ec2:X", Resource: "*", Keys: keys}) == policy.Allow
		if got != want {
			t.Errorf("%s: got %t, want %t", condition, got, want)
		}
	}
}

func TestPrincipals(t *testing.T) {
	t.Parallel()
	user := policy.Principal{Account: account, ARN: alice}
	root := policy.Principal{Account: account, ARN: policy.RootARN(account)}
	sess := policy.Principal{Account: account, ARN: session, Role: role}
	service := policy.Principal{Service: "ec2.amazonaws.com"}
	tests := []struct {
		principal string
		who       policy.Principal
		want      policy.Effect
	}{
		{`"*"`, user, policy.AllowRole},
		{`{"AWS":"*"}`, sess, policy.AllowRole},
		{`{"AWS":"` + account + `"}`, user, policy.AllowAccount},
		{`{"AWS":"` + policy.RootARN(account) + `"}`, sess, policy.AllowAccount},
		{`{"AWS":"` + policy.RootARN(account) + `"}`, root, policy.Allow},
		{`{"AWS":"222222222222"}`, user, policy.Silent},
		{`{"AWS":"` + alice + `"}`, user, policy.Allow},
		{`{"AWS":["222222222222","` + alice + `"]}`, user, policy.Allow},
		{`{"AWS":"` + alice + `"}`, sess, policy.Silent},
		{`{"AWS":"` + role + `"}`, sess, policy.AllowRole},
		{`{"AWS":"` + session + `"}`, sess, policy.Allow},
		{`{"AWS":"` + role + `"}`, policy.Principal{}, policy.Silent},
		{`{"Service":"ec2.amazonaws.com"}`, service, policy.Allow},
		{`{"Service":"ec2.amazonaws.com"}`, user, policy.Silent},
		{`{"AWS":"AIDAAAAAAAAAAAAAAAAAA"}`, user, policy.Silent},
	}
	for _, tt := range tests {
		d := parse(t, statement(`"Effect":"Allow","Principal":`+tt.principal+`,"Action":"sts:AssumeRole"`), policy.Trust)
		if got := d.Evaluate(&policy.Request{Action: "sts:AssumeRole", Principal: tt.who}); got != tt.want {
			t.Errorf("%s for %+v: got %v, want %v", tt.principal, tt.who, got, tt.want)
		}
	}
	both := parse(t, statement(`"Effect":"Allow","Principal":{"AWS":["`+alice+`","222222222222"]},"Action":"sts:AssumeRole"`), policy.Trust)
	if got, want := both.ARNs(), []string{policy.RootARN("222222222222"), alice}; !slices.Equal(got, want) {
		t.Errorf("names: got %q, want %q", got, want)
	}
}

// TestNotPrincipal asks whom a denial of all but some denies: whoever is not
// listed with account, role and name.
func TestNotPrincipal(t *testing.T) {
	t.Parallel()
	user := policy.Principal{Account: account, ARN: alice}
	sess := policy.Principal{Account: account, ARN: session, Role: role}
	root := policy.Principal{Account: account, ARN: policy.RootARN(account)}
	stranger := policy.Principal{Account: "222222222222", ARN: "arn:aws:iam::222222222222:user/alice"}
	service := policy.Principal{Service: "ec2.amazonaws.com"}
	all := []policy.Principal{user, sess, root, stranger, service}
	tests := []struct {
		name, principals string
		excepted         []policy.Principal
	}{
		{"everybody", `"*"`, all},
		{"a user", `{"AWS":"` + alice + `"}`, nil},
		{"a user and its account", `{"AWS":["` + alice + `","` + account + `"]}`, []policy.Principal{user, root}},
		{"an account", `{"AWS":"` + policy.RootARN(account) + `"}`, []policy.Principal{root}},
		{"a role and its account", `{"AWS":["` + role + `","` + account + `"]}`, []policy.Principal{sess, root}},
		{"a session and its account", `{"AWS":["` + session + `","` + account + `"]}`, []policy.Principal{root}},
		{"a session, its role and its account", `{"AWS":["` + session + `","` + role + `","` + account + `"]}`, []policy.Principal{sess, root}},
		{"a user and another account", `{"AWS":["` + alice + `","222222222222"]}`, nil},
		{"a service", `{"Service":"ec2.amazonaws.com"}`, []policy.Principal{service}},
	}
	for _, tt := range tests {
		d := parse(t, statement(`"Effect":"Deny","NotPrincipal":`+tt.principals+`,"Action":"kms:*","Resource":"*"`), policy.Resource)
		for _, who := range all {
			want := policy.Deny
			if slices.Contains(tt.excepted, who) {
				want = policy.Silent
			}
			if got := d.Evaluate(&policy.Request{Action: "kms:Decrypt", Resource: "arn:aws:kms:::key/x", Principal: who}); got != want {
				t.Errorf("all but %s, for %+v: got %v, want %v", tt.name, who, got, want)
			}
		}
	}
}

// TestDecide goes through the order of the documents that bear on a request.
func TestDecide(t *testing.T) {
	t.Parallel()
	const rest = `,"Action":"ec2:*","Resource":"*"`
	allow := parse(t, statement(`"Effect":"Allow"`+rest), policy.Identity)
	deny := parse(t, statement(`"Effect":"Deny"`+rest), policy.Identity)
	other := parse(t, statement(`"Effect":"Allow","Action":"s3:*","Resource":"*"`), policy.Identity)
	resource := func(effect, principal string) *policy.Document {
		return parse(t, statement(`"Effect":"`+effect+`","Principal":{"AWS":"`+principal+`"}`+rest), policy.Resource)
	}
	type docs = []*policy.Document
	tests := []struct {
		name              string
		p                 policy.Policies
		allowed, explicit bool
		blame             string // of what is refused
	}{
		{"nothing", policy.Policies{}, false, false, "identity-based policy"},
		{"allowed", policy.Policies{Identity: docs{other, allow}}, true, false, ""},
		{"allowed elsewhere", policy.Policies{Identity: docs{other}}, false, false, "identity-based policy"},
		{"denied", policy.Policies{Identity: docs{allow, deny}}, false, true, "identity-based policy"},
		{"within the boundary", policy.Policies{Identity: docs{allow}, Boundary: allow}, true, false, ""},
		{"beyond the boundary", policy.Policies{Identity: docs{allow}, Boundary: other}, false, false, "permissions boundary"},
		{"a boundary allows nothing", policy.Policies{Boundary: allow}, false, false, "identity-based policy"},
		{"denied by the boundary", policy.Policies{Identity: docs{allow}, Boundary: deny}, false, true, "permissions boundary"},
		{"within the session", policy.Policies{Identity: docs{allow}, Session: docs{allow}}, true, false, ""},
		{"beyond the session", policy.Policies{Identity: docs{allow}, Session: docs{other}}, false, false, "session policy"},
		{"an empty session", policy.Policies{Identity: docs{allow}, Session: docs{}}, false, false, "session policy"},
		{"named", policy.Policies{Boundary: other, Session: docs{other}, Resource: resource("Allow", session)}, true, false, ""},
		{"named by role", policy.Policies{Resource: resource("Allow", role)}, true, false, ""},
		{"named by role, bounded", policy.Policies{Boundary: other, Resource: resource("Allow", role)}, false, false, "identity-based policy"},
		{"account named", policy.Policies{Resource: resource("Allow", account)}, false, false, "identity-based policy"},
		{"account named, allowed", policy.Policies{Identity: docs{allow}, Resource: resource("Allow", account)}, true, false, ""},
		{"denied by the resource", policy.Policies{Identity: docs{allow}, Resource: resource("Deny", account)}, false, true, "resource-based policy"},
		{"named and denied", policy.Policies{Identity: docs{deny}, Resource: resource("Allow", session)}, false, true, "identity-based policy"},
	}
	r := &policy.Request{Action: "ec2:X", Resource: "*", Principal: policy.Principal{Account: account, ARN: session, Role: role}}
	for _, tt := range tests {
		if allowed, explicit := tt.p.Decide(r); allowed != tt.allowed || explicit != tt.explicit {
			t.Errorf("%s: got %t, %t, want %t, %t", tt.name, allowed, explicit, tt.allowed, tt.explicit)
		}
		if got := tt.p.Blame(r); !tt.allowed && got != tt.blame {
			t.Errorf("%s: got the blame on %s, want %s", tt.name, got, tt.blame)
		}
	}
}

// TestModel compares the evaluation of random documents with the rule said
// plainly: a request is denied if one statement that applies denies, else
// allowed if one that applies allows. Wildcards are those of a regular
// expression.
func TestModel(t *testing.T) {
	t.Parallel()
	type rule struct {
		allow                 bool
		action, resource      string
		notAction, notSubject bool
		key, want             string
	}
	wild := func(pattern, s string) bool {
		pattern = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
		return regexp.MustCompile(`^(?s:` + pattern + `)$`).MatchString(s)
	}
	part := rapid.StringOfN(rapid.SampledFrom([]rune("ab*?")), 1, 6, -1)
	plain := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 1, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rule {
			return rule{
				rapid.Bool().Draw(t, "allow"), "x:" + part.Draw(t, "action"), "arn:a:b:c:d:" + part.Draw(t, "resource"),
				rapid.Bool().Draw(t, "not action"), rapid.Bool().Draw(t, "not resource"),
				rapid.SampledFrom([]string{"", "x:k", "x:l"}).Draw(t, "key"), part.Draw(t, "want"),
			}
		}), 1, 5).Draw(t, "rules")
		value := plain.Draw(t, "value")
		r := &policy.Request{Action: "x:" + plain.Draw(t, "action"), Resource: "arn:a:b:c:d:" + plain.Draw(t, "resource"), Keys: policy.Keys{}}
		r.Keys.Set("x:k", value)
		want := policy.Silent
		var text []string
		for _, s := range rules {
			element := map[bool]string{true: "Not"}
			effect := map[bool]string{true: "Allow", false: "Deny"}[s.allow]
			one := `{"Effect":"` + effect + `","` + element[s.notAction] + `Action":"` + s.action + `","` + element[s.notSubject] + `Resource":"` + s.resource + `"`
			applies := wild(s.action, r.Action) != s.notAction && wild(s.resource, r.Resource) != s.notSubject
			if s.key != "" {
				one += `,"Condition":{"StringLike":{"` + s.key + `":"` + s.want + `"}}`
				applies = applies && s.key == "x:k" && wild(s.want, value)
			}
			text = append(text, one+`}`)
			switch {
			case applies && !s.allow:
				want = policy.Deny
			case applies && want == policy.Silent:
				want = policy.Allow
			}
		}
		d := parse(t, `{`+v12+`"Statement":[`+strings.Join(text, ",")+`]}`, policy.Identity)
		if got := d.Evaluate(r); got != want {
			t.Fatalf("%s of %s: got %v, want %v by %s", r.Action, r.Resource, got, want, text)
		}
	})
}

// A pattern of many wildcards takes no more than pattern times text.
func TestHostilePattern(t *testing.T) {
	t.Parallel()
	d := parse(t, statement(`"Effect":"Allow","Action":"*","Resource":"arn:a:b:c:d:`+strings.Repeat("*a", 1000)+`b"`), policy.Identity)
	r := &policy.Request{Action: "x:y", Resource: "arn:a:b:c:d:" + strings.Repeat("a", 2000)}
	if got := d.Evaluate(r); got != policy.Silent {
		t.Errorf("got %v", got)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	d := parse(b, statement(`"Effect":"Allow","Action":["ec2:Describe*","ec2:Run*"],"Resource":"arn:aws:ec2:*:*:instance/*","Condition":{"StringEquals":{"aws:username":"alice"}}`), policy.Identity)
	r := &policy.Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:us-east-1:111111111111:instance/i-0123456789abcdef0", Keys: policy.Keys{}}
	r.Keys.Set("aws:username", "alice")
	b.ReportAllocs()
	for b.Loop() {
		d.Evaluate(r)
	}
}

func BenchmarkParse(b *testing.B) {
	text := statement(`"Effect":"Allow","Action":["ec2:Describe*","ec2:Run*"],"Resource":"arn:aws:ec2:*:*:instance/*","Condition":{"StringEquals":{"aws:username":"alice"}}`)
	b.ReportAllocs()
	for b.Loop() {
		parse(b, text, policy.Identity)
	}
}
