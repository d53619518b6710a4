package rbinserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rbin"
	"github.com/aws/aws-sdk-go-v2/service/rbin/types"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/rbinserver"
	"origami/internal/sdktest"
	"origami/internal/sigv4"
)

const (
	alice = "111111111111"
	bob   = "222222222222"
	home  = "eu-west-1"
)

// world is the door with two accounts, whose keys are their numbers.
type world struct {
	url   string
	ahead atomic.Int64
	// asked are the actions and resources that policies were asked about by
	// users, who may nothing.
	asked []string
	user  bool
}

func open(t *testing.T) *world {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	w := new(world)
	door := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: func(_ context.Context, id, _ string) (endpoint.Credential, error) {
			account := origami.AccountID(strings.TrimPrefix(id, "AKIA"))
			c := endpoint.Credential{Secret: "secret", Account: account, ARN: iam.RootARN(account)}
			if w.user {
				c.ARN = "arn:aws:iam::" + string(account) + ":user/u"
			}
			return c, nil
		},
		Regions: []origami.Region{home, "us-east-1"}, Logger: slog.New(slog.DiscardHandler), Default: "rbin",
		Services: map[string]endpoint.Service{rbinserver.Service: rbinserver.New(rbinserver.Config{
			DB: db, TokenKey: [32]byte{9}, Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
			Authorize: func(_ context.Context, who origami.Caller, action string, resources ...iam.Resource) error {
				if iam.Root(who) {
					return nil
				}
				for _, r := range resources {
					asked := action + " " + r.ARN
					for _, k := range slices.Sorted(maps.Keys(r.Keys)) {
						asked += " " + k + "=" + strings.Join(r.Keys[k], ",")
					}
					w.asked = append(w.asked, asked)
				}
				return origami.Errorf("AccessDeniedException", "no")
			},
		})},
	}))
	w.url = door.URL
	t.Cleanup(func() {
		door.Close()
		db.Close()
	})
	return w
}

func (w *world) client(account, region string) *rbin.Client {
	return rbin.New(rbin.Options{Region: region, BaseEndpoint: &w.url, HTTPClient: sdktest.Client{}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIA" + account, SecretAccessKey: "secret"}, nil
		})})
}

func do[In, Out any](t *testing.T, f func(context.Context, *In, ...func(*rbin.Options)) (*Out, error), in *In) *Out {
	t.Helper()
	out, err := f(t.Context(), in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused calls an operation that must fail with a code and a reason.
func refused[In, Out any](t *testing.T, f func(context.Context, *In, ...func(*rbin.Options)) (*Out, error), in *In, want string) {
	t.Helper()
	_, err := f(t.Context(), in)
	got := fmt.Sprint(err)
	var e smithy.APIError
	var v *types.ValidationException
	var n *types.ResourceNotFoundException
	var c *types.ConflictException
	var q *types.ServiceQuotaExceededException
	switch {
	case errors.As(err, &v):
		got = "ValidationException/" + string(v.Reason)
	case errors.As(err, &n):
		got = "ResourceNotFoundException/" + string(n.Reason)
	case errors.As(err, &c):
		got = "ConflictException/" + string(c.Reason)
	case errors.As(err, &q):
		got = "ServiceQuotaExceededException/" + string(q.Reason)
	case errors.As(err, &e):
		got = e.ErrorCode()
	}
	if got != want {
		t.Errorf("%T: got %s (%v), want %s", in, got, err, want)
	}
}

func period(days int32) *types.RetentionPeriod {
	return &types.RetentionPeriod{RetentionPeriodValue: &days, RetentionPeriodUnit: types.RetentionPeriodUnitDays}
}

func delay(days int32) *types.LockConfiguration {
	return &types.LockConfiguration{UnlockDelay: &types.UnlockDelay{UnlockDelayValue: &days, UnlockDelayUnit: types.UnlockDelayUnitDays}}
}

func p[T any](v T) *T { return &v }

//origami:proves rbin:CreateRule rbin:GetRule rbin:UpdateRule rbin:DeleteRule
func TestRules(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(alice, home)
	made := do(t, c.CreateRule, &rbin.CreateRuleInput{
		ResourceType: types.ResourceTypeEbsSnapshot, RetentionPeriod: period(14), Description: p("keep production"),
		ResourceTags: []types.ResourceTag{{ResourceTagKey: p("env"), ResourceTagValue: p("prod")}, {ResourceTagKey: p("keep")}},
		Tags:         []types.Tag{{Key: p("team"), Value: p("blue")}},
	})
	if len(*made.Identifier) != 11 || *made.RuleArn != "arn:aws:rbin:eu-west-1:111111111111:rule/"+*made.Identifier || made.Status != types.RuleStatusAvailable ||
		*made.RetentionPeriod.RetentionPeriodValue != 14 || made.RetentionPeriod.RetentionPeriodUnit != "DAYS" || *made.Description != "keep production" ||
		len(made.ResourceTags) != 2 || *made.ResourceTags[0].ResourceTagValue != "prod" || len(made.Tags) != 1 || made.LockState != "" || made.LockConfiguration != nil {
		t.Errorf("created %+v", made)
	}
	id := made.Identifier
	got := do(t, c.GetRule, &rbin.GetRuleInput{Identifier: id})
	if *got.RuleArn != *made.RuleArn || got.ResourceType != types.ResourceTypeEbsSnapshot || len(got.ResourceTags) != 2 {
		t.Errorf("got %+v", got)
	}
	updated := do(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, RetentionPeriod: period(7), ResourceTags: []types.ResourceTag{}})
	if *updated.RetentionPeriod.RetentionPeriodValue != 7 || len(updated.ResourceTags) != 0 || *updated.Description != "keep production" {
		t.Errorf("updated %+v", updated)
	}
	do(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, ExcludeResourceTags: []types.ResourceTag{{ResourceTagKey: p("scratch")}}})
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, ResourceTags: []types.ResourceTag{{ResourceTagKey: p("a")}}}, "ValidationException/INVALID_PARAMETER_VALUE")
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, ResourceType: types.ResourceTypeEc2Image}, "ValidationException/INVALID_PARAMETER_VALUE")
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, RetentionPeriod: period(366)}, "ValidationException/INVALID_PARAMETER_VALUE")
	do(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id})
	refused(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id}, "ResourceNotFoundException/RULE_NOT_FOUND")
	refused(t, c.GetRule, &rbin.GetRuleInput{Identifier: id}, "ResourceNotFoundException/RULE_NOT_FOUND")
	refused(t, c.GetRule, &rbin.GetRuleInput{Identifier: p("short")}, "ValidationException/INVALID_PARAMETER_VALUE")
}

// TestVolumeRules keeps volumes, for a week at most.
//
//origami:proves rbin:CreateRule rbin:UpdateRule rbin:ListRules rbin:LockRule
func TestVolumeRules(t *testing.T) {
	t.Parallel()
	c := open(t).client(alice, home)
	made := do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEbsVolume, RetentionPeriod: period(1),
		ExcludeResourceTags: []types.ResourceTag{{ResourceTagKey: p("scratch"), ResourceTagValue: p("yes")}}})
	if made.ResourceType != types.ResourceTypeEbsVolume || len(made.ExcludeResourceTags) != 1 {
		t.Errorf("created %+v", made)
	}
	id := made.Identifier
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, RetentionPeriod: period(8)}, "ValidationException/INVALID_PARAMETER_VALUE")
	if got := do(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, RetentionPeriod: period(7)}); *got.RetentionPeriod.RetentionPeriodValue != 7 {
		t.Errorf("updated %+v", got)
	}
	listed := do(t, c.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsVolume}).Rules
	if len(listed) != 1 || *listed[0].Identifier != *id {
		t.Errorf("rules of volumes: %+v", listed)
	}
	if got := do(t, c.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsSnapshot}).Rules; len(got) != 0 {
		t.Errorf("rules of snapshots: %+v", got)
	}
	do(t, c.LockRule, &rbin.LockRuleInput{Identifier: id, LockConfiguration: delay(7)})
	refused(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id}, "ConflictException/INVALID_RULE_STATE")
}

//origami:proves rbin:CreateRule
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	c := open(t).client(alice, home)
	for what, in := range map[string]rbin.CreateRuleInput{
		"volumes":         {ResourceType: types.ResourceTypeEbsVolume, RetentionPeriod: period(8)},
		"unknown kind":    {ResourceType: "EBS_DISK", RetentionPeriod: period(1)},
		"no days":         {ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(0)},
		"hours":           {ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: &types.RetentionPeriod{RetentionPeriodValue: p(int32(1)), RetentionPeriodUnit: "HOURS"}},
		"lock of no days": {ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1), LockConfiguration: delay(0)},
		"lock of 31 days": {ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1), LockConfiguration: delay(31)},
		"tag twice": {ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1),
			Tags: []types.Tag{{Key: p("a"), Value: p("")}, {Key: p("a"), Value: p("")}}},
	} {
		t.Run(what, func(t *testing.T) {
			refused(t, c.CreateRule, &in, "ValidationException/INVALID_PARAMETER_VALUE")
		})
	}
}

//origami:proves rbin:LockRule rbin:UnlockRule
func TestLock(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(alice, home)
	id := do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(30)}).Identifier
	locked := do(t, c.LockRule, &rbin.LockRuleInput{Identifier: id, LockConfiguration: delay(7)})
	if locked.LockState != types.LockStateLocked || *locked.LockConfiguration.UnlockDelay.UnlockDelayValue != 7 {
		t.Errorf("locked %+v", locked)
	}
	refused(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id}, "ConflictException/INVALID_RULE_STATE")
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, RetentionPeriod: period(1)}, "ConflictException/INVALID_RULE_STATE")
	pending := do(t, c.UnlockRule, &rbin.UnlockRuleInput{Identifier: id})
	if d := time.Until(*pending.LockEndTime); pending.LockState != types.LockStatePendingUnlock || d < 7*24*time.Hour-time.Hour || d > 7*24*time.Hour {
		t.Errorf("unlocking %+v", pending)
	}
	refused(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id}, "ConflictException/INVALID_RULE_STATE")
	w.ahead.Store(int64(7*24*time.Hour + time.Minute))
	if got := do(t, c.GetRule, &rbin.GetRuleInput{Identifier: id}); got.LockState != types.LockStateUnlocked || got.LockEndTime != nil {
		t.Errorf("after the delay %+v", got)
	}
	do(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: id})
	born := do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(30), LockConfiguration: delay(30)})
	if born.LockState != types.LockStateLocked {
		t.Errorf("created locked: %+v", born)
	}
}

//origami:proves rbin:ListRules
func TestList(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(alice, home)
	var want []string
	env := []types.ResourceTag{{ResourceTagKey: p("env"), ResourceTagValue: p("prod")}}
	for n := range 7 {
		in := &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEbsSnapshot, RetentionPeriod: period(int32(n + 1))}
		switch n {
		case 0:
			in.ResourceTags = env
		case 1:
			in.LockConfiguration = delay(7)
		case 2:
			in.ExcludeResourceTags = env
		}
		want = append(want, *do(t, c.CreateRule, in).Identifier)
	}
	one, locked, excluding := want[0], want[1], want[2]
	do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1)})
	slices.Sort(want)
	list := func(in rbin.ListRulesInput) (ids []string, pages int) {
		in.ResourceType = types.ResourceTypeEbsSnapshot
		for {
			out := do(t, c.ListRules, &in)
			pages++
			for _, r := range out.Rules {
				ids = append(ids, *r.Identifier)
			}
			if in.NextToken = out.NextToken; out.NextToken == nil {
				return ids, pages
			}
		}
	}
	if got, pages := list(rbin.ListRulesInput{}); !slices.Equal(got, want) || pages != 1 {
		t.Errorf("%v on %d pages, want %v", got, pages, want)
	}
	if got, pages := list(rbin.ListRulesInput{MaxResults: p(int32(3))}); !slices.Equal(got, want) || pages != 3 {
		t.Errorf("%v on %d pages, want %v on 3", got, pages, want)
	}
	for what, tt := range map[string]struct {
		in   rbin.ListRulesInput
		want string
	}{
		"tags":     {rbin.ListRulesInput{ResourceTags: env}, one},
		"locked":   {rbin.ListRulesInput{LockState: types.LockStateLocked}, locked},
		"excluded": {rbin.ListRulesInput{ExcludeResourceTags: env}, excluding},
	} {
		if got, _ := list(tt.in); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%s: %v, want %s", what, got, tt.want)
		}
	}
	token := do(t, c.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsSnapshot, MaxResults: p(int32(1))}).NextToken
	for what, in := range map[string]*rbin.ListRulesInput{
		"other kind": {ResourceType: types.ResourceTypeEc2Image, NextToken: token},
		"nonsense":   {ResourceType: types.ResourceTypeEbsSnapshot, NextToken: p("AAAA")},
	} {
		t.Run(what, func(t *testing.T) { refused(t, c.ListRules, in, "ValidationException/INVALID_PAGE_TOKEN") })
	}
	refused(t, w.client(bob, home).ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsSnapshot, NextToken: token}, "ValidationException/INVALID_PAGE_TOKEN")
	for _, stranger := range []*rbin.Client{w.client(bob, home), w.client(alice, "us-east-1")} {
		if out := do(t, stranger.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsSnapshot}); len(out.Rules) != 0 {
			t.Errorf("a stranger sees %+v", out.Rules)
		}
		refused(t, stranger.GetRule, &rbin.GetRuleInput{Identifier: &one}, "ResourceNotFoundException/RULE_NOT_FOUND")
	}
	for _, most := range []int32{0, 1001} {
		refused(t, c.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEbsSnapshot, MaxResults: &most}, "ValidationException/INVALID_PARAMETER_VALUE")
	}
}

//origami:proves rbin:TagResource rbin:UntagResource rbin:ListTagsForResource
func TestTags(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(alice, home)
	rule := do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1), Tags: []types.Tag{{Key: p("a"), Value: p("1")}}})
	do(t, c.TagResource, &rbin.TagResourceInput{ResourceArn: rule.RuleArn, Tags: []types.Tag{{Key: p("a"), Value: p("2")}, {Key: p("b"), Value: p("")}, {Key: p("c"), Value: p("3")}}})
	do(t, c.UntagResource, &rbin.UntagResourceInput{ResourceArn: rule.RuleArn, TagKeys: []string{"b", "nothing"}})
	var got []string
	for _, tag := range do(t, c.ListTagsForResource, &rbin.ListTagsForResourceInput{ResourceArn: rule.RuleArn}).Tags {
		got = append(got, *tag.Key+"="+*tag.Value)
	}
	if want := []string{"a=2", "c=3"}; !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	many := make([]types.Tag, 49)
	for n := range many {
		many[n] = types.Tag{Key: p(fmt.Sprint(n)), Value: p("")}
	}
	refused(t, c.TagResource, &rbin.TagResourceInput{ResourceArn: rule.RuleArn, Tags: many}, "ServiceQuotaExceededException/SERVICE_QUOTA_EXCEEDED")
	for _, arn := range []string{"arn:aws:rbin:us-east-1:111111111111:rule/" + *rule.Identifier, "arn:aws:rbin:eu-west-1:111111111111:rule/aaaaaaaaaaa", "x"} {
		refused(t, c.ListTagsForResource, &rbin.ListTagsForResourceInput{ResourceArn: &arn}, "ResourceNotFoundException/RULE_NOT_FOUND")
	}
	refused(t, w.client(bob, home).TagResource, &rbin.TagResourceInput{ResourceArn: rule.RuleArn, Tags: many[:1]}, "ResourceNotFoundException/RULE_NOT_FOUND")
}

// TestAuthorize sees what policies are asked about.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(alice, home)
	const arn = "arn:aws:rbin:eu-west-1:111111111111:rule/"
	rule := do(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEbsSnapshot, RetentionPeriod: period(1), Tags: []types.Tag{{Key: p("a"), Value: p("b")}}})
	id, tags := rule.Identifier, []types.Tag{{Key: p("c"), Value: p("d")}}
	w.user = true
	const code = "AccessDeniedException"
	refused(t, c.CreateRule, &rbin.CreateRuleInput{ResourceType: types.ResourceTypeEc2Image, RetentionPeriod: period(1), Tags: tags}, code)
	refused(t, c.GetRule, &rbin.GetRuleInput{Identifier: id}, code)
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id}, code)
	refused(t, c.UpdateRule, &rbin.UpdateRuleInput{Identifier: id, ResourceType: types.ResourceTypeEbsSnapshot}, code)
	refused(t, c.DeleteRule, &rbin.DeleteRuleInput{Identifier: p("abcdefghijk")}, code)
	refused(t, c.LockRule, &rbin.LockRuleInput{Identifier: id, LockConfiguration: delay(7)}, code)
	refused(t, c.UnlockRule, &rbin.UnlockRuleInput{Identifier: id}, code)
	refused(t, c.ListRules, &rbin.ListRulesInput{ResourceType: types.ResourceTypeEc2Image}, code)
	refused(t, c.TagResource, &rbin.TagResourceInput{ResourceArn: rule.RuleArn, Tags: tags}, code)
	refused(t, c.UntagResource, &rbin.UntagResourceInput{ResourceArn: rule.RuleArn, TagKeys: []string{"x", "y"}}, code)
	refused(t, c.ListTagsForResource, &rbin.ListTagsForResourceInput{ResourceArn: rule.RuleArn}, code)
	const known = " aws:resourcetag/a=b"
	const kind = " rbin:attribute/resourcetype=EBS_SNAPSHOT"
	of := arn + *id
	want := []string{
		"rbin:CreateRule " + arn + "* aws:requesttag/c=d aws:tagkeys=c rbin:request/resourcetype=EC2_IMAGE",
		"rbin:GetRule " + of + known + kind,
		"rbin:UpdateRule " + of + known + kind,
		"rbin:UpdateRule " + of + known + kind + " rbin:request/resourcetype=EBS_SNAPSHOT",
		"rbin:DeleteRule " + arn + "abcdefghijk",
		"rbin:LockRule " + of + known + kind,
		"rbin:UnlockRule " + of + known + kind,
		"rbin:ListRules " + arn + "* rbin:request/resourcetype=EC2_IMAGE",
		"rbin:TagResource " + of + " aws:requesttag/c=d" + known + " aws:tagkeys=c" + kind,
		"rbin:UntagResource " + of + known + " aws:tagkeys=x,y" + kind,
		"rbin:ListTagsForResource " + of + known + kind,
	}
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(w.asked, "\n"), strings.Join(want, "\n"))
	}
}

// TestWire sends what the SDK would not.
func TestWire(t *testing.T) {
	t.Parallel()
	w := open(t)
	for body, want := range map[string]string{
		`{}`:                           "400 ValidationException",
		`{"ResourceType":"EC2_IMAGE"}`: "400 ValidationException",
		`{"RetentionPeriod":{"X":1}}`:  "400 SerializationException",
		`{"ResourceType":7}`:           "400 SerializationException",
		`{"ResourceType":"EC2_IMAGE","RetentionPeriod":{"RetentionPeriodValue":1},"Tags":[{}]}`: "400 ValidationException",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/rules", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: "AKIA" + alice, Secret: "secret"}, home, "rbin", time.Now()); err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("X-Amzn-ErrorType")); got != want || err != nil {
			t.Errorf("%s: got %s %s, want %s", body, got, text, want)
		}
	}
}
