package rbinserver

import (
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/optional"
	"origami/internal/restjson"
)

const days = "DAYS"

// retention is the structure RetentionPeriod.
type retention struct {
	RetentionPeriodValue *int32
	RetentionPeriodUnit  *string
}

// days are those of a retention period.
func (r *retention) days() (int, error) {
	if r.RetentionPeriodValue == nil || r.RetentionPeriodUnit == nil {
		return 0, invalid("The retention period must have a value and a unit.")
	}
	if *r.RetentionPeriodUnit != days {
		return 0, invalid("The unit of the retention period must be %s.", days)
	}
	return int(*r.RetentionPeriodValue), nil
}

// lockConfiguration is the structure LockConfiguration.
type lockConfiguration struct {
	UnlockDelay *unlockDelay
}

type unlockDelay struct {
	UnlockDelayValue *int32
	UnlockDelayUnit  *string
}

// days are those of the delay.
func (l *lockConfiguration) days() (int, error) {
	if l.UnlockDelay == nil || l.UnlockDelay.UnlockDelayValue == nil || l.UnlockDelay.UnlockDelayUnit == nil {
		return 0, invalid("The unlock delay must have a value and a unit.")
	}
	if *l.UnlockDelay.UnlockDelayUnit != days {
		return 0, invalid("The unit of the unlock delay must be %s.", days)
	}
	n := int(*l.UnlockDelay.UnlockDelayValue)
	if n == 0 {
		n = -1 // 0 would mean none
	}
	return n, nil
}

type resourceTag struct {
	ResourceTagKey   *string
	ResourceTagValue *string `json:",omitempty"`
}

func parseResourceTags(in []resourceTag) ([]origami.ResourceTag, error) {
	out := make([]origami.ResourceTag, 0, len(in))
	for _, t := range in {
		if t.ResourceTagKey == nil {
			return nil, invalid("A resource tag must have a key.")
		}
		out = append(out, origami.ResourceTag{Key: *t.ResourceTagKey, Value: optional.Value(t.ResourceTagValue)})
	}
	return out, nil
}

func wireResourceTags(in []origami.ResourceTag) []resourceTag {
	out := make([]resourceTag, 0, len(in))
	for _, t := range in {
		out = append(out, resourceTag{&t.Key, &t.Value})
	}
	return out
}

type tag struct{ Key, Value string }

// parseTags reads tags of a rule. A key that is there twice is an error.
func parseTags(in []tag) (origami.Tags, error) {
	out := make(origami.Tags)
	for _, t := range in {
		if _, twice := out[t.Key]; twice {
			return nil, invalid("The tag key %.128q is there twice.", t.Key)
		}
		out[t.Key] = t.Value
	}
	return out, nil
}

func wireTags(tags origami.Tags) []tag {
	out := make([]tag, 0, len(tags))
	for k, v := range tags {
		out = append(out, tag{k, v})
	}
	slices.SortFunc(out, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// ruleOutput is a rule as the answers about one have it.
type ruleOutput struct {
	Description         *string `json:",omitempty"`
	ExcludeResourceTags []resourceTag
	Identifier          *string
	LockConfiguration   *lockConfiguration `json:",omitempty"`
	LockEndTime         *restjson.Time     `json:",omitempty"`
	LockState           *string            `json:",omitempty"`
	ResourceTags        []resourceTag
	ResourceType        *string
	RetentionPeriod     *retention
	RuleArn             *string
	Status              string
}

func (s *server) wireRule(r *origami.RetentionRule) *ruleOutput {
	out := &ruleOutput{
		Description: optional.Text(r.Description), ExcludeResourceTags: wireResourceTags(r.Exclude), Identifier: optional.Text(r.ID),
		LockState: optional.Text(r.Lock(s.now())), ResourceTags: wireResourceTags(r.Include), ResourceType: optional.Text(r.Kind),
		RetentionPeriod: wireRetention(r), RuleArn: optional.Text(ruleARN(r.Region, r.Owner, r.ID)), Status: "available",
	}
	if out.LockState != nil {
		delay, unit := int32(r.UnlockDelay), days
		out.LockConfiguration = &lockConfiguration{&unlockDelay{&delay, &unit}}
	}
	if r.Lock(s.now()) == origami.RulePendingUnlock {
		t := restjson.Time(r.UnlockAt.Truncate(time.Second))
		out.LockEndTime = &t
	}
	return out
}

func wireRetention(r *origami.RetentionRule) *retention {
	value, unit := int32(r.Days), days
	return &retention{&value, &unit}
}
