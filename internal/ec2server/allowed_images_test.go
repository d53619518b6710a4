package ec2server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// allowImages replaces the criteria of Allowed AMIs.
func (a *account) allowImages(t *testing.T, criteria ...types.ImageCriterionRequest) {
	t.Helper()
	same(t, do(t, a.ReplaceImageCriteriaInAllowedImagesSettings, &ec2.ReplaceImageCriteriaInAllowedImagesSettingsInput{ImageCriteria: criteria}),
		&ec2.ReplaceImageCriteriaInAllowedImagesSettingsOutput{ReturnValue: p(true)})
}

// TestAllowedImages takes an account through the states of Allowed AMIs.
//
//origami:proves EnableAllowedImagesSettings DisableAllowedImagesSettings GetAllowedImagesSettings ReplaceImageCriteriaInAllowedImagesSettings DescribeImages RunInstances
func TestAllowedImages(t *testing.T) {
	t.Parallel()
	i := open(t)
	good, bad := i.a.registered(t, "good"), i.a.registered(t, "bad")
	mine := i.b.registered(t, "mine")
	for _, id := range []string{good, bad} {
		i.change(t, home, id, func(m *origami.Image) { m.Public = true })
	}
	settings := func(want ec2.GetAllowedImagesSettingsOutput) {
		t.Helper()
		want.ManagedBy = "account"
		same(t, do(t, i.b.GetAllowedImagesSettings, &ec2.GetAllowedImagesSettingsInput{}), &want)
	}
	allowed := func(id, want string) {
		t.Helper()
		got := "absent"
		if is := image(t, i.b.Client, id).ImageAllowed; is != nil {
			got = fmt.Sprint(*is)
		}
		if got != want {
			t.Errorf("imageAllowed of %s: got %s, want %s", id, got, want)
		}
	}
	sees := func(id, want string) {
		t.Helper()
		if got := i.b.sees(t, id); got != want {
			t.Errorf("bob sees %q of %s, want %q", got, id, want)
		}
	}
	settings(ec2.GetAllowedImagesSettingsOutput{State: p("disabled")})
	allowed(bad, "absent")
	criterion := types.ImageCriterionRequest{ImageProviders: []string{string(i.a.id)}, ImageNames: []string{"go?d*"},
		CreationDateCondition:    &types.CreationDateConditionRequest{MaximumDaysSinceCreated: p(int32(10))},
		DeprecationTimeCondition: &types.DeprecationTimeConditionRequest{MaximumDaysSinceDeprecated: p(int32(0))}}
	i.b.allowImages(t, criterion)
	wire := types.ImageCriterion{ImageProviders: criterion.ImageProviders, ImageNames: criterion.ImageNames,
		CreationDateCondition:    &types.CreationDateCondition{MaximumDaysSinceCreated: p(int32(10))},
		DeprecationTimeCondition: &types.DeprecationTimeCondition{MaximumDaysSinceDeprecated: p(int32(0))}}
	settings(ec2.GetAllowedImagesSettingsOutput{State: p("disabled"), ImageCriteria: []types.ImageCriterion{wire}})
	if text := mustAnswer(t, i.b, form("GetAllowedImagesSettings")); strings.Contains(text, "marketplaceProductCodeSet") {
		t.Errorf("got %s, with a member that the criterion was not given", text)
	}
	sees(bad, seesPublic)

	same(t, do(t, i.b.EnableAllowedImagesSettings, &ec2.EnableAllowedImagesSettingsInput{AllowedImagesSettingsState: "audit-mode"}),
		&ec2.EnableAllowedImagesSettingsOutput{AllowedImagesSettingsState: "audit-mode"})
	settings(ec2.GetAllowedImagesSettingsOutput{State: p("audit-mode"), ImageCriteria: []types.ImageCriterion{wire}})
	sees(bad, seesPublic)
	allowed(good, "true")
	allowed(bad, "false")
	allowed(mine, "true")
	if out := do(t, i.b.DescribeImages, &ec2.DescribeImagesInput{Filters: filter("image-allowed", "false")}).Images; len(out) != 1 || *out[0].ImageId != bad {
		t.Errorf("got %d images that are not allowed, want %s", len(out), bad)
	}

	same(t, do(t, i.b.EnableAllowedImagesSettings, &ec2.EnableAllowedImagesSettingsInput{AllowedImagesSettingsState: "enabled"}),
		&ec2.EnableAllowedImagesSettingsOutput{AllowedImagesSettingsState: "enabled"})
	sees(bad, seesNothing)
	sees(good, seesPublic)
	sees(mine, "yes yes no yes")
	allowed(good, "true")
	fails(t, i.b.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &bad, Attribute: "description"}, "InvalidAMIID.NotFound", "…")
	// Another region and other accounts go by settings of their own.
	same(t, do(t, i.b.in(abroad).GetAllowedImagesSettings, &ec2.GetAllowedImagesSettingsInput{}), &ec2.GetAllowedImagesSettingsOutput{State: p("disabled"), ManagedBy: "account"})
	if got, want := i.a.sees(t, bad), "yes yes no yes"; got != want {
		t.Errorf("the owner sees %q, want %q", got, want)
	}

	i.b.allowImages(t) // none but one's own
	sees(good, seesNothing)
	sees(mine, "yes yes no yes")
	same(t, do(t, i.b.DisableAllowedImagesSettings, &ec2.DisableAllowedImagesSettingsInput{}), &ec2.DisableAllowedImagesSettingsOutput{AllowedImagesSettingsState: "disabled"})
	sees(bad, seesPublic)
}

// TestImageCriteria decides which image meets which criterion.
//
//origami:proves ReplaceImageCriteriaInAllowedImagesSettings DescribeImages
func TestImageCriteria(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.alias(t, i.a, "aws-marketplace")
	id := i.a.registered(t, "web-2024")
	i.change(t, home, id, func(m *origami.Image) {
		m.Public, m.ProductCodes = true, []origami.ProductCode{{Code: "abc123", Type: "marketplace"}}
		m.Created, m.DeprecationTime = clock.Add(-10*24*time.Hour), clock.Add(-5*24*time.Hour)
	})
	do(t, i.b.EnableAllowedImagesSettings, &ec2.EnableAllowedImagesSettingsInput{AllowedImagesSettingsState: "audit-mode"})
	type criterion = types.ImageCriterionRequest
	old := func(days int32) *types.CreationDateConditionRequest {
		return &types.CreationDateConditionRequest{MaximumDaysSinceCreated: &days}
	}
	retired := func(days int32) *types.DeprecationTimeConditionRequest {
		return &types.DeprecationTimeConditionRequest{MaximumDaysSinceDeprecated: &days}
	}
	for _, tt := range []struct {
		name     string
		criteria []criterion
		want     bool
	}{
		{"no criteria", nil, false},
		{"provider by number", []criterion{{ImageProviders: []string{string(i.a.id)}}}, true},
		{"provider by alias", []criterion{{ImageProviders: []string{"amazon", "aws-marketplace"}}}, true},
		{"other providers", []criterion{{ImageProviders: []string{"amazon", "999999999999"}}}, false},
		{"no provider", []criterion{{ImageProviders: []string{"none"}}}, false},
		{"product", []criterion{{MarketplaceProductCodes: []string{"xyz", "abc123"}}}, true},
		{"other product", []criterion{{MarketplaceProductCodes: []string{"xyz"}}}, false},
		{"name", []criterion{{ImageNames: []string{"db-*", "web-20??"}}}, true},
		{"other name", []criterion{{ImageNames: []string{"db-*", "web"}}}, false},
		{"young enough", []criterion{{CreationDateCondition: old(10)}}, true},
		{"too old", []criterion{{CreationDateCondition: old(9)}}, false},
		{"of this century", []criterion{{CreationDateCondition: old(2147483647)}}, true},
		{"retired lately", []criterion{{DeprecationTimeCondition: retired(5)}}, true},
		{"retired too long", []criterion{{DeprecationTimeCondition: retired(4)}}, false},
		{"not retired", []criterion{{DeprecationTimeCondition: retired(0)}}, false},
		{"all members", []criterion{{ImageNames: []string{"web-*"}, ImageProviders: []string{"aws-marketplace"}, CreationDateCondition: old(10)}}, true},
		{"one member fails", []criterion{{ImageNames: []string{"web-*"}, ImageProviders: []string{"amazon"}, CreationDateCondition: old(10)}}, false},
		{"one criterion is enough", []criterion{{ImageProviders: []string{"amazon"}}, {ImageNames: []string{"web-*"}}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i.b.allowImages(t, tt.criteria...)
			if got := image(t, i.b.Client, id).ImageAllowed; got == nil || *got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}

	many := func(n int, s string) []string { return strings.Fields(strings.Repeat(s+" ", n)) }
	for _, tt := range []struct {
		name     string
		criteria []criterion
		message  string
	}{
		{"too many", make([]criterion, 11), "The maximum number of image criteria is 10."},
		{"provider", []criterion{{ImageProviders: []string{"alice"}}}, "Value (alice) for parameter imageProvider is invalid.…"},
		{"none and another", []criterion{{ImageProviders: []string{"none", "amazon"}}}, "Value (none) for parameter imageProvider is invalid. It cannot be combined with other providers."},
		{"providers", []criterion{{ImageProviders: many(201, "amazon")}}, "The maximum number of values of imageProvider is 200."},
		{"product code", []criterion{{MarketplaceProductCodes: []string{"a b"}}}, "Value (a b) for parameter marketplaceProductCode is invalid.…"},
		{"long product code", []criterion{{MarketplaceProductCodes: many(1, strings.Repeat("a", 26))}}, "…"},
		{"product codes", []criterion{{MarketplaceProductCodes: many(51, "a")}}, "The maximum number of values of marketplaceProductCode is 50."},
		{"short name", []criterion{{ImageNames: []string{"a?"}}}, "Value (a?) for parameter imageName is invalid.…"},
		{"name", []criterion{{ImageNames: []string{"a$b"}}}, "Value (a$b) for parameter imageName is invalid.…"},
		{"names", []criterion{{ImageNames: many(51, "abc")}}, "The maximum number of values of imageName is 50."},
		{"days", []criterion{{CreationDateCondition: old(-1)}}, "…"},
		{"days since", []criterion{{DeprecationTimeCondition: retired(-1)}}, "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "too many" {
				for n := range tt.criteria {
					tt.criteria[n].ImageNames = []string{"abc"}
				}
			}
			fails(t, i.b.ReplaceImageCriteriaInAllowedImagesSettings, &ec2.ReplaceImageCriteriaInAllowedImagesSettingsInput{ImageCriteria: tt.criteria}, "InvalidParameterValue", tt.message)
		})
	}
	if got := do(t, i.b.GetAllowedImagesSettings, &ec2.GetAllowedImagesSettingsInput{}).ImageCriteria; len(got) != 2 {
		t.Errorf("after errors there are %d criteria, want the 2 of before", len(got))
	}
}
