package rbinserver

import (
	"context"
	"errors"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
	"origami/internal/policy"
	"origami/internal/restjson"
)

// authorizer asks for each request about the rule that it names.
func (s *server) authorizer(ask func(context.Context, origami.Caller, string, ...iam.Resource) error) restjson.Authorizer {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, who origami.Caller, action string, in any) error {
		if iam.Root(who) {
			return ask(ctx, who, action)
		}
		r := iam.Resource{ARN: ruleARN(who.Region, who.Account, "*"), Keys: policy.Keys{}}
		switch in := in.(type) {
		case *createRuleInput:
			r.Keys.Set("rbin:Request/ResourceType", string(optional.Value(in.ResourceType)))
			requestTags(r.Keys, in.Tags)
		case *listRulesInput:
			r.Keys.Set("rbin:Request/ResourceType", string(optional.Value(in.ResourceType)))
		case *updateRuleInput:
			if in.ResourceType != nil {
				r.Keys.Set("rbin:Request/ResourceType", string(*in.ResourceType))
			}
		case *tagResourceInput:
			requestTags(r.Keys, in.Tags)
		case *untagResourceInput:
			r.Keys.Set("aws:TagKeys", in.TagKeys...)
		}
		if in, ok := in.(named); ok {
			r.ARN = ruleARN(who.Region, who.Account, origami.RuleID(in.rule()))
			if err := s.ruleKeys(ctx, who, origami.RuleID(in.rule()), r.Keys); err != nil {
				return err
			}
		}
		return ask(ctx, who, action, r)
	}
}

// requestTags adds the tags that a rule shall have.
func requestTags(keys policy.Keys, tags []tag) {
	for _, t := range tags {
		keys.Set("aws:TagKeys", t.Key)
		keys.Set("aws:RequestTag/"+t.Key, t.Value)
	}
}

// ruleKeys adds what is known of a rule of the caller's account. Of one that is
// not there nothing is: the operation says so.
func (s *server) ruleKeys(ctx context.Context, who origami.Caller, id origami.RuleID, keys policy.Keys) error {
	r, err := s.read(ctx, who, id)
	var e *origami.Error
	if errors.As(err, &e) {
		return nil
	}
	if err != nil {
		return err
	}
	keys.Set("rbin:Attribute/ResourceType", string(r.Kind))
	for k, v := range r.Tags {
		keys.Set("aws:ResourceTag/"+k, v)
	}
	return nil
}
