package stsserver_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"origami"
	"origami/internal/iam"
)

// role makes a role that an account may assume, with the given actions and
// conditions of its trust policy.
func (r *region) role(t *testing.T, name string, by origami.AccountID, trust, policy string) string {
	t.Helper()
	i, err := r.iam.CreateIdentity(t.Context(), r.a.Account, iam.IdentitySpec{
		Kind: origami.KindRole, Name: name, Tags: origami.Tags{"team": "of the role", "cost": "1"},
		Trust: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"` + string(by) + `"},` + trust + `}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if policy != "" {
		if err := r.iam.PutInline(t.Context(), r.a.Account, origami.KindRole, name, "p", `{"Version":"2012-10-17","Statement":`+policy+`}`); err != nil {
			t.Fatal(err)
		}
	}
	return i.ARN()
}

// session is a client with temporary credentials.
func (r *region) session(c *types.Credentials) *sts.Client {
	return r.client(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func tags(pairs ...string) (list []types.Tag) {
	for n := 0; n < len(pairs); n += 2 {
		list = append(list, types.Tag{Key: &pairs[n], Value: &pairs[n+1]})
	}
	return list
}

// TestSessionTags assumes roles with tags and a source identity, which sessions of
// further roles inherit.
//
//origami:proves sts:AssumeRole
func TestSessionTags(t *testing.T) {
	t.Parallel()
	r, ctx := openRegion(t), t.Context()
	u := r.user(t, r.b.Account, "u", `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`)
	const all = `"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	const chains = `[{"Effect":"Allow","Action":"sts:*","Resource":"*"},
		{"Effect":"Deny","Action":"sts:GetAccessKeyInfo","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/Team":"x"}}},
		{"Effect":"Deny","Action":"sts:GetAccessKeyInfo","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceIdentity":"ann"}}},
		{"Effect":"Deny","Action":"sts:GetAccessKeyInfo","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/cost":"1"}}}]`
	plain := r.role(t, "plain", r.b.Account, `"Action":"sts:AssumeRole"`, "")
	first := r.role(t, "first", r.b.Account, all, chains)
	picky := r.role(t, "picky", r.b.Account, all+`,"Condition":{"StringEquals":{"aws:RequestTag/team":"x","sts:SourceIdentity":"ann","sts:TransitiveTagKeys":"team"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`, "")
	next := r.role(t, "next", r.a.Account, all, chains)
	closed := r.role(t, "closed", r.a.Account, `"Action":["sts:AssumeRole","sts:SetSourceIdentity"]`, "")

	denied := func(action, role string) string {
		return "AccessDenied: User: arn:aws:iam::" + string(r.b.Account) + ":user/u is not authorized to perform: " + action + " on resource: " + role
	}
	for _, tt := range []struct {
		name string
		in   sts.AssumeRoleInput
		want string // error
	}{
		{"tags, not trusted with them", sts.AssumeRoleInput{RoleArn: &plain, Tags: tags("team", "x")}, denied("sts:TagSession", plain)},
		{"source identity, not trusted with it", sts.AssumeRoleInput{RoleArn: &plain, SourceIdentity: aws.String("ann")}, denied("sts:SetSourceIdentity", plain)},
		{"keys of one case", sts.AssumeRoleInput{RoleArn: &first, Tags: tags("team", "x", "Team", "y")},
			"InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"transitive without a tag", sts.AssumeRoleInput{RoleArn: &first, Tags: tags("team", "x"), TransitiveTagKeys: []string{"cost"}},
			"InvalidParameterValue: The specified transitive tag key must be included in the requested tags."},
		{"reserved key", sts.AssumeRoleInput{RoleArn: &first, Tags: tags("aws:x", "y")},
			"InvalidParameterValue: Tag keys starting with 'aws:' are reserved for internal use"},
		{"source identity with a space", sts.AssumeRoleInput{RoleArn: &first, SourceIdentity: aws.String("a b")},
			`ValidationError: 1 validation error detected: Value 'a b' at 'sourceIdentity' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"name with a space", sts.AssumeRoleInput{RoleArn: &first, RoleSessionName: aws.String("a b")},
			`ValidationError: 1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"too long", sts.AssumeRoleInput{RoleArn: &first, DurationSeconds: aws.Int32(43201)},
			"ValidationError: 1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200"},
		{"no time", sts.AssumeRoleInput{RoleArn: &first, DurationSeconds: aws.Int32(0)},
			"ValidationError: 1 validation error detected: Value '0' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"second factor", sts.AssumeRoleInput{RoleArn: &first, SerialNumber: aws.String("arn:aws:iam::1:mfa/u"), TokenCode: aws.String("123456")},
			"AccessDenied: MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."},
		{"half a second factor", sts.AssumeRoleInput{RoleArn: &first, TokenCode: aws.String("123456")},
			"AccessDenied: MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."},
		{"not as the trust policy wants", sts.AssumeRoleInput{RoleArn: &picky, Tags: tags("team", "x"), TransitiveTagKeys: []string{"team"}}, denied("sts:AssumeRole", picky)},
		{"another tag", sts.AssumeRoleInput{RoleArn: &picky, Tags: tags("team", "x", "y", ""), TransitiveTagKeys: []string{"team"}, SourceIdentity: aws.String("ann")}, denied("sts:AssumeRole", picky)},
		{"as the trust policy wants", sts.AssumeRoleInput{RoleArn: &picky, Tags: tags("team", "x"), TransitiveTagKeys: []string{"team"}, SourceIdentity: aws.String("ann")}, ""},
	} {
		if tt.in.RoleSessionName == nil {
			tt.in.RoleSessionName = aws.String("s1")
		}
		_, err := u.AssumeRole(ctx, &tt.in)
		got := ""
		if err != nil {
			_, message, _ := strings.Cut(err.Error(), "api error ")
			got = message
		}
		if got != tt.want {
			t.Errorf("%s: got error %q, want %q", tt.name, got, tt.want)
		}
	}

	// asks reports whether the session may ask, which its role denies to all but
	// those of the tag and the source identity.
	asks := func(c *types.Credentials) bool {
		t.Helper()
		_, err := r.session(c).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: &r.a.ID})
		if err != nil && code(err) != "AccessDenied" {
			t.Fatal(err)
		}
		return err == nil
	}
	in := &sts.AssumeRoleInput{RoleArn: &first, RoleSessionName: aws.String("s1"), Tags: tags("team", "x", "other", "y"), SourceIdentity: aws.String("ann")}
	out, err := u.AssumeRole(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.SourceIdentity) != "ann" {
		t.Errorf("got source identity %v", out.SourceIdentity)
	}
	if !asks(out.Credentials) {
		t.Error("the session has neither its tag nor its source identity")
	}
	// A tag that is not transitive is gone in the next session; the role's own is back.
	chain := func(role string, change func(*sts.AssumeRoleInput), c *types.Credentials) (*sts.AssumeRoleOutput, error) {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("s2")}
		if change != nil {
			change(in)
		}
		return r.session(c).AssumeRole(ctx, in)
	}
	chained, err := chain(next, nil, out.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(chained.SourceIdentity) != "ann" {
		t.Errorf("the second session has source identity %v", chained.SourceIdentity)
	}
	if asks(chained.Credentials) {
		t.Error("the second session has inherited a tag that is not transitive")
	}
	if _, err := chain(closed, nil, out.Credentials); err != nil {
		t.Errorf("without transitive tags: %v", err)
	}
	in.TransitiveTagKeys = []string{"TEAM"}
	if out, err = u.AssumeRole(ctx, in); err != nil {
		t.Fatal(err)
	}
	if chained, err = chain(next, nil, out.Credentials); err != nil {
		t.Fatal(err)
	}
	if !asks(chained.Credentials) {
		t.Error("the second session has not inherited the transitive tag")
	}
	for _, tt := range []struct {
		name, role string
		change     func(*sts.AssumeRoleInput)
		want       string
	}{
		{"not trusted with inherited tags", closed, nil, "is not authorized to perform: sts:TagSession on resource: " + closed},
		{"another value", next, func(in *sts.AssumeRoleInput) { in.Tags = tags("Team", "z") },
			"InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		{"another source identity", next, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("bea") },
			"ValidationError: The source identity is already set for this assume role session"},
		{"more than there may be", next, func(in *sts.AssumeRoleInput) {
			for n := range 50 {
				in.Tags = append(in.Tags, tags("k"+strconv.Itoa(n), "v")...)
			}
		}, "InvalidParameterValue: A session has at most 50 tags, those that it inherits among them."},
		{"once more", next, func(in *sts.AssumeRoleInput) { in.Tags, in.SourceIdentity = tags("other", "z"), aws.String("ann") }, ""},
	} {
		_, err := chain(tt.role, tt.change, chained.Credentials)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
			t.Errorf("%s: got error %v, want %q", tt.name, err, tt.want)
		}
	}
}
