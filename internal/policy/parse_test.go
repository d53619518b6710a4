package policy_test

import (
	"errors"
	"strings"
	"testing"

	"origami/internal/policy"
)

const v12 = `"Version":"2012-10-17",`

// statement wraps the elements of one statement into a document.
func statement(elements string) string { return `{` + v12 + `"Statement":[{` + elements + `}]}` }

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const ok = `"Effect":"Allow","Action":"ec2:*","Resource":"*"`
	tests := []struct {
		name   string
		kind   policy.Kind
		text   string
		reason string // beginning
	}{
		{"empty", policy.Identity, ``, "Syntax errors"},
		{"not an object", policy.Identity, `[]`, "Syntax errors"},
		{"no statement", policy.Identity, `{"Version":"2012-10-17"}`, "Syntax errors"},
		{"no statements", policy.Identity, `{"Statement":[]}`, "Syntax errors"},
		{"two documents", policy.Identity, statement(ok) + `{}`, "Syntax errors"},
		{"broken", policy.Trust, `{`, "This policy contains invalid Json"},
		{"version", policy.Identity, `{"Version":"2020-01-01","Statement":{` + ok + `}}`, "Syntax errors"},
		{"element", policy.Identity, `{"Extra":1,"Statement":{` + ok + `}}`, "Syntax errors"},
		{"element of a statement", policy.Identity, statement(ok + `,"Extra":1`), "Syntax errors"},
		{"element in other case", policy.Identity, `{"statement":{` + ok + `}}`, "Syntax errors"},
		{"element twice", policy.Identity, statement(ok + `,"Effect":"Deny"`), "Syntax errors"},
		{"not UTF-8", policy.Identity, statement(ok + ",\"Sid\":\"\xff\""), "Syntax errors"},
		{"deep", policy.Identity, strings.Repeat("[", 100000), "Syntax errors"},
		{"many", policy.Identity, `{"Statement":[` + strings.Repeat("1,", 5000) + `1]}`, "Syntax errors"},
		{"large", policy.Identity, strings.Repeat(" ", policy.MaxSize) + statement(ok), "Syntax errors"},
		{"no effect", policy.Identity, statement(`"Action":"ec2:*","Resource":"*"`), "Missing required field Effect"},
		{"effect", policy.Identity, statement(`"Effect":"allow","Action":"ec2:*","Resource":"*"`), "Syntax errors"},
		{"no action", policy.Identity, statement(`"Effect":"Allow","Resource":"*"`), "Policy statement must contain actions."},
		{"empty actions", policy.Identity, statement(`"Effect":"Allow","Action":[],"Resource":"*"`), "Policy statement must contain actions."},
		{"action of nobody", policy.Identity, statement(`"Effect":"Allow","Action":"RunInstances","Resource":"*"`), "Actions/Conditions must be prefaced"},
		{"vendor with wildcard", policy.Identity, statement(`"Effect":"Allow","Action":"ec?:*","Resource":"*"`), "Vendor ec? is not valid"},
		{"action with space", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:Run Instances","Resource":"*"`), "Action "},
		{"action and not", policy.Identity, statement(ok + `,"NotAction":"s3:*"`), "Syntax errors"},
		{"number as action", policy.Identity, statement(`"Effect":"Allow","Action":[1],"Resource":"*"`), "Syntax errors"},
		{"no resource", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*"`), "Policy statement must contain resources."},
		{"no ARN", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"ami-1"`), "Resource ami-1 must be in ARN format or \"*\"."},
		{"short ARN", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2"`), "Resource arn:aws:ec2 must"},
		{"variable without vendor", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${:x}"`), "Resource arn:aws:ec2:*:*:instance/${:x} contains an invalid"},
		{"variable without name", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:}"`), "Resource arn:aws:ec2:*:*:instance/${aws:} contains an invalid"},
		{"variable without colon", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${x}"`), "Resource arn:aws:ec2:*:*:instance/${x} contains an invalid"},
		{"empty variable", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${}"`), "Resource arn:aws:ec2:*:*:instance/${} contains an invalid"},
		{"variable in a variable", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:${x}"`), "Resource arn:aws:ec2:*:*:instance/${aws:${x} contains an invalid"},
		{"variable with a quote", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x'y}"`), "Resource arn:aws:ec2:*:*:instance/${aws:x'y} contains an invalid"},
		{"default without quotes", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x, y}"`), "Resource arn:aws:ec2:*:*:instance/${aws:x, y} contains an invalid"},
		{"default of one quote", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x, '}"`), "Resource arn:aws:ec2:*:*:instance/${aws:x, '} contains an invalid"},
		{"default that begins with no quote", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x, y'}"`), "Resource arn:aws:ec2:*:*:instance/${aws:x, y'} contains an invalid"},
		{"default that ends with no quote", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x, 'y}"`), "Resource arn:aws:ec2:*:*:instance/${aws:x, 'y} contains an invalid"},
		{"empty default without quotes", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:x, }"`), "Resource arn:aws:ec2:*:*:instance/${aws:x, } contains an invalid"},
		{"bad variable", policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws"`), "Resource "},
		{"principal", policy.Identity, statement(ok + `,"Principal":"*"`), "Policy document should not specify a principal."},
		{"no principal", policy.Resource, statement(ok), "Missing required field Principal"},
		{"sid twice", policy.Identity, `{"Statement":[{` + ok + `,"Sid":"a"},{` + ok + `,"Sid":"a"}]}`, "Statement IDs (SID)"},
		{"sid", policy.Identity, statement(ok + `,"Sid":"a b"`), "Syntax errors"},
		{"operator", policy.Identity, statement(ok + `,"Condition":{"StringIs":{"aws:username":"a"}}`), "Invalid Condition type"},
		{"Null if exists", policy.Identity, statement(ok + `,"Condition":{"NullIfExists":{"aws:username":"true"}}`), "Invalid Condition type"},
		{"key of nobody", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"username":"a"}}`), "Actions/Conditions must be prefaced"},
		{"key twice", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"aws:a":"a","AWS:A":"b"}}`), "Syntax errors"},
		{"key without vendor", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{":a":"a"}}`), "Actions/Conditions must be prefaced"},
		{"key without name", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"aws:":"a"}}`), "Actions/Conditions must be prefaced"},
		{"key without colon", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"aws":"a"}}`), "Actions/Conditions must be prefaced"},
		{"long key", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"aws:` + strings.Repeat("k", 509) + `":"a"}}`), "Actions/Conditions must be prefaced"},
		{"number", policy.Identity, statement(ok + `,"Condition":{"NumericEquals":{"ec2:VolumeSize":"big"}}`), "The value"},
		{"NaN", policy.Identity, statement(ok + `,"Condition":{"NumericEquals":{"ec2:VolumeSize":"NaN"}}`), "The value"},
		{"date", policy.Identity, statement(ok + `,"Condition":{"DateLessThan":{"aws:CurrentTime":"noon"}}`), "The value"},
		{"address", policy.Identity, statement(ok + `,"Condition":{"IpAddress":{"aws:SourceIp":"1.2.3"}}`), "The value"},
		{"null", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{"aws:username":null}}`), "Syntax errors"},
		{"empty operator", policy.Identity, statement(ok + `,"Condition":{"StringEquals":{}}`), "Syntax errors"},
		{"trust of other actions", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"*"},"Action":"ec2:*"`), "AssumeRole policy may only"},
		{"trust with resource", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"`), "Has prohibited field Resource"},
		{"principal with wildcard", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/*"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"principal without kind", policy.Trust, statement(`"Effect":"Allow","Principal":"111111111111","Action":"sts:AssumeRole"`), "Syntax errors"},
		{"no principal", policy.Trust, statement(`"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"`), "Syntax errors"},
		{"list of principals", policy.Trust, statement(`"Effect":"Allow","Principal":["*"],"Action":"sts:AssumeRole"`), "Syntax errors"},
		{"principals that are none", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":[]},"Action":"sts:AssumeRole"`), "Syntax errors"},
		{"principal that is no text", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":111111111111},"Action":"sts:AssumeRole"`), "Syntax errors"},
		{"empty principal", policy.Trust, statement(`"Effect":"Allow","Principal":{"Federated":""},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"long principal", policy.Trust, statement(`"Effect":"Allow","Principal":{"Federated":"` + strings.Repeat("x", 2049) + `"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"all services", policy.Trust, statement(`"Effect":"Allow","Principal":{"Service":"*.amazonaws.com"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"service without domain", policy.Trust, statement(`"Effect":"Allow","Principal":{"Service":"ec2"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"account of 13 digits", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"1111111111111"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of an account with a path", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:rootx"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"account of letters", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"abcdefghijkl"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of a policy", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:policy/p"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of a user, of STS", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111111111111:user/u"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of a session, of IAM", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:assumed-role/r/s"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of a group", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:group/g"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of another service", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:ec2::111111111111:user/u"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of another partition", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws-cn:iam::111111111111:root"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"no ARN", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"urn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN of no account", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:root"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"text in capitals", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"SOMEBODYELSE1234567890"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"ARN with a region", policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam:us-east-1:111111111111:user/u"},"Action":"sts:AssumeRole"`), "Invalid principal in policy"},
		{"principal kind", policy.Trust, statement(`"Effect":"Allow","Principal":{"Who":"me"},"Action":"sts:AssumeRole"`), "Syntax errors"},
		{"all but one", policy.Resource, statement(`"Effect":"Allow","NotPrincipal":{"AWS":"111111111111"},"Action":"x:*","Resource":"*"`), "Allow with NotPrincipal"},
		{"trust in all but one", policy.Trust, statement(`"Effect":"Deny","NotPrincipal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"`), "Has prohibited field NotPrincipal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := policy.Parse(tt.text, tt.kind)
			var refused *policy.Error
			if !errors.As(err, &refused) || !strings.HasPrefix(refused.Reason, tt.reason) {
				t.Errorf("got error %v, want reason %q", err, tt.reason)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind policy.Kind
		text string
	}{
		"one statement":     {policy.Identity, `{"Statement":{"Effect":"Deny","NotAction":"*","NotResource":"arn:aws:ec2:*:*:*"}}`},
		"short ARN pattern": {policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*"`)},
		"ID":                {policy.Resource, `{"Id":"key","Statement":{"Sid":"Enable IAM","Effect":"Allow","Principal":{"AWS":["111111111111","arn:aws:iam::111111111111:root"],"Service":"ec2.amazonaws.com"},"Action":"kms:*","Resource":"*"}}`},
		"trust":             {policy.Trust, statement(`"Effect":"Allow","Principal":{"Federated":"cognito-identity.amazonaws.com"},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`)},
		"numbers and bools": {policy.Identity, statement(`"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"NumericLessThan":{"ec2:VolumeSize":[8,9.5]},"Bool":{"aws:SecureTransport":true}}`)},
	} {
		if _, err := policy.Parse(tt.text, tt.kind); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse checks that no text makes the parser or what it parsed misbehave.
func FuzzParse(f *testing.F) {
	f.Add(statement(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/${aws:username, 'x'}*"`))
	f.Add(statement(`"Effect":"Deny","Principal":{"AWS":["*","111111111111"]},"Action":["sts:*"],"Resource":"*","Condition":{"ForAllValues:ArnLike":{"aws:PrincipalArn":["arn:aws:iam::*:role/${*}?"]},"Null":{"aws:a":"true"}}`))
	f.Add(statement(`"Effect":"Allow","NotAction":"a:b","NotResource":"*","Condition":{"DateLessThanIfExists":{"aws:CurrentTime":"2030-01-01"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`))
	f.Fuzz(func(t *testing.T, text string) {
		for kind := policy.Identity; kind <= policy.Resource; kind++ {
			d, err := policy.Parse(text, kind)
			if err != nil {
				if refused := new(policy.Error); !errors.As(err, &refused) || refused.Reason == "" {
					t.Errorf("kind %d: got error %v", kind, err)
				}
				continue
			}
			r := &policy.Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:us-east-1:111111111111:instance/i-1", Keys: policy.Keys{}}
			r.Keys.Set("aws:username", "alice")
			r.Keys.Set("aws:CurrentTime", "2026-01-01T00:00:00Z")
			first := d.Evaluate(r)
			if again := d.Evaluate(r); again != first {
				t.Errorf("evaluated twice: %v, then %v", first, again)
			}
		}
	})
}
