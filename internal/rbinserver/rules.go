package rbinserver

import (
	"context"
	"encoding/json"
	"fmt"

	"origami"
	"origami/internal/metadb"
	"origami/internal/optional"
	"origami/internal/rbin"
)

type createRuleInput struct {
	Description         *string
	ExcludeResourceTags []resourceTag `max:"5"`
	LockConfiguration   *lockConfiguration
	ResourceTags        []resourceTag         `max:"50"`
	ResourceType        *origami.RetainedKind `required:"true"`
	RetentionPeriod     *retention            `required:"true"`
	Tags                []tag                 `max:"200"`
}

type createRuleOutput struct {
	ruleOutput
	Tags []tag
}

// createRule makes a rule.
func (s *server) createRule(ctx context.Context, who origami.Caller, in *createRuleInput) (*createRuleOutput, error) {
	r := origami.RetentionRule{Kind: *in.ResourceType, Description: optional.Value(in.Description)}
	var err error
	if r.Days, err = in.RetentionPeriod.days(); err != nil {
		return nil, err
	}
	if r.Include, err = parseResourceTags(in.ResourceTags); err != nil {
		return nil, err
	}
	if r.Exclude, err = parseResourceTags(in.ExcludeResourceTags); err != nil {
		return nil, err
	}
	if r.Tags, err = parseTags(in.Tags); err != nil {
		return nil, err
	}
	if in.LockConfiguration != nil {
		if r.UnlockDelay, err = in.LockConfiguration.days(); err != nil {
			return nil, err
		}
	}
	made, err := s.change(ctx, func(tx *metadb.Tx) (*origami.RetentionRule, error) { return rbin.Create(tx, who, r, s.now()) })
	if err != nil {
		return nil, err
	}
	return &createRuleOutput{*s.wireRule(made), wireTags(made.Tags)}, nil
}

// ruleInput names a rule and says nothing else.
type ruleInput struct {
	Identifier *string `uri:"identifier"`
}

func (in *ruleInput) rule() string { return optional.Value(in.Identifier) }

// getRule tells about a rule.
func (s *server) getRule(ctx context.Context, who origami.Caller, in *ruleInput) (*ruleOutput, error) {
	id, err := origami.ParseRuleID(*in.Identifier)
	if err != nil {
		return nil, err
	}
	r, err := s.read(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return s.wireRule(r), nil
}

type nothing struct{}

// deleteRule removes a rule.
func (s *server) deleteRule(ctx context.Context, who origami.Caller, in *ruleInput) (*nothing, error) {
	id, err := origami.ParseRuleID(*in.Identifier)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return rbin.Delete(tx, who, id, s.now()) })
	return &nothing{}, err
}

type updateRuleInput struct {
	Identifier          *string `json:"-" uri:"identifier"`
	Description         *string
	ExcludeResourceTags *[]resourceTag
	ResourceTags        *[]resourceTag
	ResourceType        *origami.RetainedKind
	RetentionPeriod     *retention
}

func (in *updateRuleInput) rule() string { return optional.Value(in.Identifier) }

// updateRule changes a rule.
func (s *server) updateRule(ctx context.Context, who origami.Caller, in *updateRuleInput) (*ruleOutput, error) {
	id, err := origami.ParseRuleID(*in.Identifier)
	if err != nil {
		return nil, err
	}
	c := rbin.Change{Kind: in.ResourceType, Description: in.Description}
	if in.RetentionPeriod != nil {
		n, err := in.RetentionPeriod.days()
		if err != nil {
			return nil, err
		}
		c.Days = &n
	}
	for from, to := range map[*[]resourceTag]**[]origami.ResourceTag{in.ResourceTags: &c.Include, in.ExcludeResourceTags: &c.Exclude} {
		if from == nil {
			continue
		}
		tags, err := parseResourceTags(*from)
		if err != nil {
			return nil, err
		}
		*to = &tags
	}
	r, err := s.change(ctx, func(tx *metadb.Tx) (*origami.RetentionRule, error) { return rbin.Update(tx, who, id, c, s.now()) })
	if err != nil {
		return nil, err
	}
	out := s.wireRule(r)
	out.LockConfiguration = nil // this answer has none
	return out, nil
}

type lockRuleInput struct {
	Identifier        *string            `json:"-" uri:"identifier"`
	LockConfiguration *lockConfiguration `required:"true"`
}

func (in *lockRuleInput) rule() string { return optional.Value(in.Identifier) }

// lockRule locks a rule.
func (s *server) lockRule(ctx context.Context, who origami.Caller, in *lockRuleInput) (*ruleOutput, error) {
	id, err := origami.ParseRuleID(*in.Identifier)
	if err != nil {
		return nil, err
	}
	delay, err := in.LockConfiguration.days()
	if err != nil {
		return nil, err
	}
	r, err := s.change(ctx, func(tx *metadb.Tx) (*origami.RetentionRule, error) { return rbin.Lock(tx, who, id, delay, s.now()) })
	if err != nil {
		return nil, err
	}
	return s.wireRule(r), nil
}

// unlockRule begins to unlock a rule.
func (s *server) unlockRule(ctx context.Context, who origami.Caller, in *ruleInput) (*ruleOutput, error) {
	id, err := origami.ParseRuleID(*in.Identifier)
	if err != nil {
		return nil, err
	}
	r, err := s.change(ctx, func(tx *metadb.Tx) (*origami.RetentionRule, error) { return rbin.Unlock(tx, who, id, s.now()) })
	if err != nil {
		return nil, err
	}
	return s.wireRule(r), nil
}

type listRulesInput struct {
	ExcludeResourceTags []resourceTag `max:"5"`
	LockState           *origami.LockState
	MaxResults          *int32                `min:"1" max:"1000"`
	NextToken           *string               `max:"2048"`
	ResourceTags        []resourceTag         `max:"50"`
	ResourceType        *origami.RetainedKind `required:"true"`
}

type listRulesOutput struct {
	NextToken *string `json:",omitempty"`
	Rules     []ruleSummary
}

type ruleSummary struct {
	Description     *string `json:",omitempty"`
	Identifier      *string
	LockState       *string `json:",omitempty"`
	RetentionPeriod *retention
	RuleArn         *string
}

// mostRules is how many rules a page has unless it is asked for fewer.
const mostRules = 1000

// listRules lists the rules about one kind of resource.
func (s *server) listRules(ctx context.Context, who origami.Caller, in *listRulesInput) (*listRulesOutput, error) {
	keep, err := s.ruleFilter(in)
	if err != nil {
		return nil, err
	}
	limit, asked := mostRules, askedFor(*in)
	if in.MaxResults != nil {
		limit = int(*in.MaxResults)
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account}
	if optional.Value(in.NextToken) != "" {
		after, err := s.openPage(who, asked, *in.NextToken)
		if err != nil {
			return nil, err
		}
		q.After = string(after)
	}
	out := &listRulesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.Rules, out.NextToken = []ruleSummary{}, nil
		for r, err := range tx.RetentionRules(q) {
			if err != nil {
				return err
			}
			if !keep(r) {
				continue
			}
			if n := len(out.Rules); n == limit {
				out.NextToken = s.pageToken(who, asked, origami.RuleID(*out.Rules[n-1].Identifier))
				return nil
			}
			out.Rules = append(out.Rules, ruleSummary{optional.Text(r.Description), optional.Text(r.ID), optional.Text(r.Lock(s.now())), wireRetention(r),
				optional.Text(ruleARN(r.Region, r.Owner, r.ID))})
		}
		return nil
	})
	return out, err
}

// ruleFilter is what a rule must be to be in a list.
func (s *server) ruleFilter(in *listRulesInput) (func(*origami.RetentionRule) bool, error) {
	include, err := parseResourceTags(in.ResourceTags)
	if err != nil {
		return nil, err
	}
	exclude, err := parseResourceTags(in.ExcludeResourceTags)
	if err != nil {
		return nil, err
	}
	switch *in.ResourceType {
	case origami.RetainSnapshots, origami.RetainImages, origami.RetainVolumes:
	default:
		return nil, invalid("The resource type %.64q is not known.", string(*in.ResourceType))
	}
	switch optional.Value(in.LockState) {
	case "", origami.RuleLocked, origami.RulePendingUnlock, origami.RuleUnlocked:
	default:
		return nil, invalid("The lock state %.64q is not known.", string(*in.LockState))
	}
	return func(r *origami.RetentionRule) bool {
		return r.Kind == *in.ResourceType && (in.LockState == nil || r.Lock(s.now()) == *in.LockState) &&
			(len(include) == 0 || sameTags(include, r.Include)) && (len(exclude) == 0 || sameTags(exclude, r.Exclude))
	}, nil
}

// askedFor is what a list is of, apart from the page.
func askedFor(in listRulesInput) string {
	in.MaxResults, in.NextToken = nil, nil
	asked, err := json.Marshal(in)
	if err != nil {
		panic(fmt.Sprintf("rbinserver: %v", err)) // it came from JSON
	}
	return string(asked)
}
