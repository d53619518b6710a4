package iam

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"origami"
	"origami/internal/policy"
)

// SessionTag is a tag that a session of a role is to have.
type SessionTag struct{ Key, Value string }

// sessionMarks are what a session of a role is marked with, beside its name.
type sessionMarks struct {
	tags       origami.Tags
	transitive []string // keys of the tags that sessions of further roles inherit
	source     string   // source identity, which they inherit as well
}

// marks checks what a session is to be marked with, and adds what it inherits
// from the session that asks for it, if it is not nil.
func (spec *AssumeSpec) marks(from *origami.Session) (sessionMarks, error) {
	var m sessionMarks
	var err error
	if m.source, err = spec.sourceOf(from); err != nil {
		return m, err
	}
	if m.tags, err = spec.checkTags(); err != nil {
		return m, err
	}
	for _, key := range spec.Transitive {
		if !hasKey(maps.Keys(m.tags), key) {
			return m, origami.Errorf(origami.CodeInvalidParameterValue, "The specified transitive tag key must be included in the requested tags.")
		}
		if !hasKey(slices.Values(m.transitive), key) {
			m.transitive = append(m.transitive, key)
		}
	}
	if from == nil {
		return m, nil
	}
	for _, key := range from.Transitive {
		if hasKey(maps.Keys(m.tags), key) {
			return m, origami.Errorf(origami.CodeInvalidParameterValue,
				"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	m.transitive = append(m.transitive, from.Transitive...)
	for key, value := range from.Tags {
		if hasKey(slices.Values(from.Transitive), key) {
			m.tags[key] = value
		}
	}
	// Else each session of a chain could have more than the one before.
	if len(m.tags) > origami.MaxTags {
		return m, origami.Errorf(origami.CodeInvalidParameterValue,
			"A session has at most %d tags, those that it inherits among them.", origami.MaxTags)
	}
	return m, nil
}

// checkTags makes tags of the list of them.
func (spec *AssumeSpec) checkTags() (origami.Tags, error) {
	tags := make(origami.Tags, len(spec.Tags))
	for _, t := range spec.Tags {
		if hasKey(maps.Keys(tags), t.Key) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		tags[t.Key] = t.Value
	}
	if len(tags) > origami.MaxTags {
		return nil, origami.Errorf(codeValidation, "1 validation error detected: Value at 'tags' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", origami.MaxTags)
	}
	var e *origami.Error
	if err := tags.Validate(); errors.As(err, &e) {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "%s", e.Message)
	}
	return tags, nil
}

// sourceOf is the source identity of the session. One that the asking session
// has cannot be changed.
func (spec *AssumeSpec) sourceOf(from *origami.Session) (string, error) {
	inherited := ""
	if from != nil {
		inherited = from.SourceIdentity
	}
	switch {
	case spec.SourceIdentity == "":
		return inherited, nil
	case inherited != "" && inherited != spec.SourceIdentity:
		return "", origami.Errorf(codeValidation, "The source identity is already set for this assume role session")
	}
	if err := checkSessionName("sourceIdentity", spec.SourceIdentity); err != nil {
		return "", err
	}
	if len(spec.SourceIdentity) >= 4 && strings.EqualFold(spec.SourceIdentity[:4], "aws:") {
		return "", origami.Errorf(codeValidation, "The source identity must not begin with aws:")
	}
	return spec.SourceIdentity, nil
}

// checkSessionName checks a name that a session is known by.
func checkSessionName(parameter, name string) error {
	refused := func(constraint string) error {
		return origami.Errorf(codeValidation, "1 validation error detected: Value '%.256s' at '%s' failed to satisfy constraint: %s", name, parameter, constraint)
	}
	switch {
	case len(name) < 2:
		return refused("Member must have length greater than or equal to 2")
	case len(name) > 64:
		return refused("Member must have length less than or equal to 64")
	case checkEntityName(parameter, name, 64) != nil:
		return refused(`Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	return nil
}

// conditions adds what policies may ask about the marks of a session: the tags
// that were asked for, the keys that sessions of further roles will inherit, and
// the source identity.
func (m sessionMarks) conditions(keys policy.Keys, asked []SessionTag) {
	for _, t := range asked {
		keys.Set("aws:RequestTag/"+t.Key, t.Value)
		keys.Set("aws:TagKeys", t.Key)
	}
	if len(m.transitive) > 0 {
		keys.Set("sts:TransitiveTagKeys", m.transitive...)
	}
	if m.source != "" {
		keys.Set("sts:SourceIdentity", m.source)
	}
}

// actions are what the role's trust policy and the caller's policies must allow.
func (m sessionMarks) actions() []string {
	out := []string{"sts:AssumeRole"}
	if len(m.tags) > 0 {
		out = append(out, "sts:TagSession")
	}
	if m.source != "" {
		out = append(out, "sts:SetSourceIdentity")
	}
	return out
}

// hasKey reports whether a key is among others, whatever the case.
func hasKey(keys func(func(string) bool), key string) bool {
	for k := range keys {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}

// principalTags are the tags of a principal: those of its session come before
// those of its role.
func principalTags(i *origami.Identity, t *origami.Session) origami.Tags {
	if t == nil || len(t.Tags) == 0 {
		return i.Tags
	}
	out := maps.Clone(t.Tags)
	for k, v := range i.Tags {
		if !hasKey(maps.Keys(t.Tags), k) {
			out[k] = v
		}
	}
	return out
}
