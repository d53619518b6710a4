package iam

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Simulation is a question to policies about what they would allow.
type Simulation struct {
	// Source is the ARN of the user, group or role whose policies are asked, or
	// "" to ask those given alone.
	Source     string
	Policies   []string // asked beside those of the source
	Boundaries []string // at most one, in place of that of the source
	Actions    []string
	Resources  []string // ARNs; none means "*"

	ResourcePolicy string // of each of the resources, or ""
	ResourceOwner  string // ARN of the account of the resources, or ""
	Caller         string // ARN of the user who asks, or "" for the source
	Keys           policy.Keys
}

// Simulated is what policies say about one action on one resource.
type Simulated struct {
	Action, Resource string
	Decision         string // allowed, explicitDeny or implicitDeny
	Matched          []SimulatedStatement
	Missing          []string // condition keys that they ask about and that were not given
	Bounded          *bool    // whether the boundary allows it; nil without one
	Details          []SimulatedDetail
}

// SimulatedDetail is what one kind of policies says about a request for a
// resource of another account.
type SimulatedDetail struct{ Kind, Decision string }

// The kinds of policies that simulations tell apart, as IAM calls them.
const (
	identityPolicy = "IAM Policy"
	resourcePolicy = "Resource Policy"
)

// decision is the word for one.
func decision(allowed, denied bool) string {
	switch {
	case denied:
		return "explicitDeny"
	case allowed:
		return "allowed"
	}
	return "implicitDeny"
}

// SimulatedStatement is a statement that decided.
type SimulatedStatement struct {
	Policy     string // its name, or its place in the request
	Type       string // "IAM Policy" or "Resource Policy"
	Start, End policy.Position
}

// Bounds of a simulation.
const (
	maxSimulatedPolicies = 100
	maxSimulated         = 1000 // pairs of an action and a resource
)

// simulatedPolicy is a policy that is asked.
type simulatedPolicy struct {
	name, kind string
	doc        *policy.Document
	places     []policy.Match
}

// simulator has everything that is asked.
type simulator struct {
	identity []simulatedPolicy
	boundary *simulatedPolicy
	resource *simulatedPolicy
	who      policy.Principal
	owner    string // account of the resources, or ""
	keys     policy.Keys
}

func (m *simulator) add(list *[]simulatedPolicy, name, kind, text string, as policy.Kind) error {
	d, err := parse(text, as)
	if err != nil {
		return err
	}
	places, err := policy.Positions(text)
	if err != nil {
		return err
	}
	*list = append(*list, simulatedPolicy{name, kind, d, places})
	return nil
}

// Simulate asks policies about each action on each resource, in their order.
func (s *Service) Simulate(ctx context.Context, account origami.AccountID, q Simulation) ([]Simulated, error) {
	if len(q.Resources) == 0 {
		q.Resources = []string{"*"}
	}
	if len(q.Actions)*len(q.Resources) > maxSimulated {
		return nil, origami.Errorf(codeInvalidInput, "The simulation has more than %d pairs of an action and a resource.", maxSimulated)
	}
	for _, a := range q.Actions {
		service, name, ok := strings.Cut(a, ":")
		if !ok || service == "" || name == "" || strings.ContainsAny(a, "*? ") {
			return nil, origami.Errorf(codeInvalidInput, "Invalid action name: %.128s", a)
		}
	}
	m, err := s.simulator(ctx, account, q)
	if err != nil {
		return nil, err
	}
	var out []Simulated
	for _, a := range q.Actions {
		for _, r := range q.Resources {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			out = append(out, m.ask(a, r))
		}
	}
	return out, nil
}

// simulator reads everything that a simulation asks.
func (s *Service) simulator(ctx context.Context, account origami.AccountID, q Simulation) (*simulator, error) {
	m := &simulator{keys: q.Keys}
	if q.Source != "" {
		if err := s.db.View(ctx, func(tx *metadb.Tx) error { return m.collect(tx, account, q) }); err != nil {
			return nil, err
		}
	}
	if err := m.given(q); err != nil {
		return nil, err
	}
	if q.Caller != "" {
		part := strings.SplitN(q.Caller, ":", 6)
		if len(part) != 6 || part[2] != "iam" || len(part[4]) != 12 || !strings.HasPrefix(part[5], "user/") {
			return nil, origami.Errorf(codeInvalidInput, "Invalid caller ARN: %.256s. It must be the ARN of an IAM user.", q.Caller)
		}
		m.who = policy.Principal{Account: part[4], ARN: q.Caller}
	}
	if m.resource != nil && m.who.ARN == "" {
		return nil, origami.Errorf(codeInvalidInput, "A CallerArn is required when a ResourcePolicy is given and the policies are not those of a user.")
	}
	if q.ResourceOwner != "" {
		part := strings.SplitN(q.ResourceOwner, ":", 6)
		if len(part) != 6 || part[5] != "root" || len(part[4]) != 12 {
			return nil, origami.Errorf(codeInvalidInput, "Invalid resource owner: %.256s. It must be the ARN of an account.", q.ResourceOwner)
		}
		m.owner = part[4]
	}
	return m, nil
}

// given reads the policies that the question brings along.
func (m *simulator) given(q Simulation) error {
	if len(q.Policies) > maxSimulatedPolicies || len(q.Boundaries) > 1 {
		return origami.Errorf(codeInvalidInput, "A simulation has at most %d policies and one permissions boundary.", maxSimulatedPolicies)
	}
	for n, text := range q.Policies {
		if err := m.add(&m.identity, fmt.Sprintf("PolicyInputList.%d", n+1), identityPolicy, text, policy.Identity); err != nil {
			return err
		}
	}
	var list []simulatedPolicy
	for n, text := range q.Boundaries {
		if err := m.add(&list, fmt.Sprintf("PermissionsBoundaryPolicyInputList.%d", n+1), identityPolicy, text, policy.Identity); err != nil {
			return err
		}
		m.boundary = &list[0]
	}
	if q.ResourcePolicy == "" {
		return nil
	}
	list = nil
	if err := m.add(&list, "ResourcePolicy", resourcePolicy, q.ResourcePolicy, policy.Resource); err != nil {
		return err
	}
	m.resource = &list[0]
	return nil
}

// collect reads the policies of the source.
func (m *simulator) collect(tx *metadb.Tx, account origami.AccountID, q Simulation) error {
	i, err := sourceOf(tx, account, q.Source)
	if err != nil {
		return err
	}
	if i.Kind == origami.KindUser {
		m.who = policy.Principal{Account: string(account), ARN: i.ARN(), ID: i.ID}
	}
	groups, err := groupsOf(tx, i)
	if err != nil {
		return err
	}
	for _, i := range append([]*origami.Identity{i}, groups...) {
		kind := string(i.Kind)
		for _, name := range sortedNames(i.Inline) {
			if err := m.add(&m.identity, kind+"_"+i.Name+"_"+name, identityPolicy, i.Inline[name], policy.Identity); err != nil {
				return err
			}
		}
		for _, arn := range i.Attached {
			if err := m.managed(tx, &m.identity, account, arn); err != nil {
				return err
			}
		}
	}
	if i.Boundary == "" {
		return nil
	}
	var list []simulatedPolicy
	if err := m.managed(tx, &list, account, i.Boundary); err != nil {
		return err
	}
	m.boundary = &list[0]
	return nil
}

func (m *simulator) managed(tx *metadb.Tx, list *[]simulatedPolicy, account origami.AccountID, arn string) error {
	p, err := managed(tx, account, arn)
	if err != nil {
		return err
	}
	return m.add(list, p.Name, identityPolicy, p.Version(p.Default).Document, policy.Identity)
}

func sortedNames(m map[string]string) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// sourceOf finds the user, group or role of an account that an ARN names.
func sourceOf(tx *metadb.Tx, account origami.AccountID, arn string) (*origami.Identity, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "iam" {
		return nil, origami.Errorf(codeInvalidInput, "ARN %.256s is not valid.", arn)
	}
	kind, path, _ := strings.Cut(part[5], "/")
	if _, ok := kinds[origami.IdentityKind(kind)]; !ok {
		return nil, origami.Errorf(codeInvalidInput, "ARN %.256s is not of a user, group or role.", arn)
	}
	missing := origami.Errorf(CodeNoSuchEntity, "The %s with the ARN %.256s cannot be found.", kind, arn)
	if part[4] != string(account) {
		return nil, missing
	}
	i, err := tx.Identity(account, origami.IdentityKind(kind), path[strings.LastIndexByte(path, '/')+1:])
	if _, err := found(i, err, "%s", missing.Message); err != nil {
		return nil, err
	}
	if i.ARN() != arn {
		return nil, missing
	}
	return i, nil
}

// ask asks about one action on one resource.
func (m *simulator) ask(action, resource string) Simulated {
	r := &policy.Request{Principal: m.who, Action: action, Resource: resource, Keys: m.keys}
	allowed, denied, details := m.decide(r)
	out := Simulated{Action: action, Resource: resource, Decision: decision(allowed, denied), Details: details}
	asked := m.identity
	if m.boundary != nil {
		out.Bounded = new(m.boundary.doc.Evaluate(r) == policy.Allow)
		asked = append(slices.Clip(asked), *m.boundary)
	}
	if m.resource != nil {
		asked = append(slices.Clip(asked), *m.resource)
	}
	for _, p := range asked {
		for _, s := range p.doc.Matches(r, p.places) {
			if (s.Effect == policy.Deny) == denied {
				out.Matched = append(out.Matched, SimulatedStatement{p.name, p.kind, s.Start, s.End})
			}
		}
		for _, key := range p.doc.ContextKeys(action) {
			same := func(k string) bool { return strings.EqualFold(k, key) }
			if _, given := m.keys[strings.ToLower(key)]; !given && !slices.ContainsFunc(out.Missing, same) {
				out.Missing = append(out.Missing, key)
			}
		}
	}
	return out
}

// decide decides as [Service.Authorize] does. If the resource is of another
// account than the caller, the policies of both must allow, and details is what
// each says.
func (m *simulator) decide(r *policy.Request) (allowed, denied bool, details []SimulatedDetail) {
	var all policy.Policies
	for _, p := range m.identity {
		all.Identity = append(all.Identity, p.doc)
	}
	if m.boundary != nil {
		all.Boundary = m.boundary.doc
	}
	same := m.owner == "" || m.owner == m.who.Account
	if m.resource != nil && same {
		all.Resource = m.resource.doc
	}
	allowed, denied = all.Decide(r)
	if m.resource == nil || same {
		return allowed, denied, nil
	}
	theirs := m.resource.doc.Evaluate(r)
	shared, refused := theirs >= policy.AllowAccount && theirs != policy.Deny, theirs == policy.Deny
	details = []SimulatedDetail{{identityPolicy, decision(allowed, denied)}, {resourcePolicy, decision(shared, refused)}}
	return allowed && shared, denied || refused, details
}

// ContextKeys lists the condition keys that policies ask about: those of the
// user, group or role that an ARN names, if it is not "", and those given.
func (s *Service) ContextKeys(ctx context.Context, account origami.AccountID, source string, policies []string) ([]string, error) {
	m, err := s.simulator(ctx, account, Simulation{Source: source, Policies: policies})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range m.identity {
		out = append(out, p.doc.ContextKeys("")...)
	}
	slices.SortStableFunc(out, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(out, strings.EqualFold), nil
}
