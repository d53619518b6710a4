package iamserver

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"origami"
	"origami/internal/iam"
	"origami/internal/policy"
)

// contextEntry is a condition key of a simulation.
type contextEntry struct {
	Name   *string  `query:"ContextKeyName" valid:"required,min=5,max=256"`
	Type   *string  `query:"ContextKeyType"`
	Values []string `query:"ContextKeyValues" valid:"items=200"`
}

// contextTypes are the types of the values of condition keys.
var contextTypes = []string{
	"string", "stringList", "numeric", "numericList", "boolean", "booleanList", "ip", "ipList", "binary", "binaryList", "date", "dateList",
}

// contextKeys reads the condition keys of a simulation.
func (c *call) contextKeys() (policy.Keys, error) {
	keys := policy.Keys{}
	for _, e := range c.ContextEntries {
		if e.Type != nil && !slices.Contains(contextTypes, *e.Type) {
			return nil, invalidChoice("contextEntries.contextKeyType", *e.Type, strings.Join(contextTypes, ", "))
		}
		if e.Type != nil && len(e.Values) > 1 && !strings.HasSuffix(*e.Type, "List") {
			return nil, origami.Errorf("InvalidInput", "The context key %.256s of type %s has more than one value.", *e.Name, *e.Type)
		}
		keys.Set(*e.Name, e.Values...)
	}
	return keys, nil
}

type simulateOutput struct {
	Results     []wireSimulated `xml:"EvaluationResults>member"`
	IsTruncated *bool           `xml:"IsTruncated"`
	Marker      *string         `xml:"Marker"`
}

type wireSimulated struct {
	Action   *string         `xml:"EvalActionName"`
	Resource *string         `xml:"EvalResourceName"`
	Decision *string         `xml:"EvalDecision"`
	Matched  []wireStatement `xml:"MatchedStatements>member"`
	Missing  []string        `xml:"MissingContextValues>member"`
	Boundary *boundaryDetail `xml:"PermissionsBoundaryDecisionDetail"`
	Details  []wireDetail    `xml:"EvalDecisionDetails>entry" nil:"omit"`
	Specific []wireSpecific  `xml:"ResourceSpecificResults>member" nil:"omit"`
}

// wireDetail is what one kind of policies says when the resource is of another
// account. In one account there are none, of a resource that was named.
type wireDetail struct {
	Kind     *string `xml:"key"`
	Decision *string `xml:"value"`
}

// wireSpecific says once more what is decided about a resource that was named.
type wireSpecific struct {
	Resource *string         `xml:"EvalResourceName"`
	Decision *string         `xml:"EvalResourceDecision"`
	Matched  []wireStatement `xml:"MatchedStatements>member"`
	Missing  []string        `xml:"MissingContextValues>member" nil:"omit"`
	Details  []wireDetail    `xml:"EvalDecisionDetails>entry" nil:"omit"`
	Boundary *boundaryDetail `xml:"PermissionsBoundaryDecisionDetail"`
}

type wireStatement struct {
	Policy *string       `xml:"SourcePolicyId"`
	Type   *string       `xml:"SourcePolicyType"`
	Start  *wirePosition `xml:"StartPosition"`
	End    *wirePosition `xml:"EndPosition"`
}

type wirePosition struct {
	Line   *int32 `xml:"Line"`
	Column *int32 `xml:"Column"`
}

type boundaryDetail struct {
	Allowed *bool `xml:"AllowedByPermissionsBoundary"`
}

func toPosition(p policy.Position) *wirePosition {
	return &wirePosition{new(int32(p.Line)), new(int32(p.Column))}
}

// scenarios are the kinds of resources that a simulation of a launch must name,
// by ResourceHandlingOption.
var scenarios = map[string][]string{
	"EC2-Classic-InstanceStore":    {"instance", "image", "security-group"},
	"EC2-Classic-EBS":              {"instance", "image", "security-group", "volume"},
	"EC2-VPC-InstanceStore":        {"instance", "image", "security-group", "network-interface"},
	"EC2-VPC-InstanceStore-Subnet": {"instance", "image", "security-group", "network-interface", "subnet"},
	"EC2-VPC-EBS":                  {"instance", "image", "security-group", "network-interface", "volume"},
	"EC2-VPC-EBS-Subnet":           {"instance", "image", "security-group", "network-interface", "subnet", "volume"},
}

// checkScenario checks that the resources of a scenario are there.
func (c *call) checkScenario() error {
	if c.ResourceHandlingOption == nil {
		return nil
	}
	needed, ok := scenarios[*c.ResourceHandlingOption]
	if !ok {
		return invalidChoice("resourceHandlingOption", *c.ResourceHandlingOption, strings.Join(slices.Sorted(maps.Keys(scenarios)), ", "))
	}
	for _, kind := range needed {
		if !slices.ContainsFunc(c.ResourceARNs, func(arn string) bool {
			part := strings.SplitN(arn, ":", 6)
			return len(part) == 6 && part[2] == "ec2" && strings.HasPrefix(part[5], kind+"/")
		}) {
			return origami.Errorf("InvalidInput", "The scenario %s requires a resource of the type %s.", *c.ResourceHandlingOption, kind)
		}
	}
	return nil
}

// simulate answers SimulateCustomPolicy and SimulatePrincipalPolicy.
func simulate(c *call) (any, error) {
	if err := c.checkScenario(); err != nil {
		return nil, err
	}
	keys, err := c.contextKeys()
	if err != nil {
		return nil, err
	}
	q := iam.Simulation{
		Policies: c.PolicyInputList, Boundaries: c.BoundaryInputList, Actions: c.ActionNames, Resources: c.ResourceARNs, Keys: keys,
	}
	for to, from := range map[*string]*string{
		&q.Source: c.PolicySourceARN, &q.Caller: c.CallerARN, &q.ResourcePolicy: c.ResourcePolicy, &q.ResourceOwner: c.ResourceOwner,
	} {
		if from != nil {
			*to = *from
		}
	}
	all, err := c.iam.Simulate(c.ctx, c.who.Account, q)
	if err != nil {
		return nil, err
	}
	type numbered struct {
		iam.Simulated
		n int
	}
	var list []numbered
	for n, s := range all {
		list = append(list, numbered{s, n})
	}
	items, truncated, next, err := page(c, list, func(s numbered) string { return fmt.Sprintf("%08d", s.n) })
	if err != nil {
		return nil, err
	}
	out := &simulateOutput{IsTruncated: truncated, Marker: next}
	for _, s := range items {
		w := wireSimulated{Action: &s.Action, Resource: &s.Resource, Decision: &s.Decision, Missing: s.Missing}
		if s.Bounded != nil {
			w.Boundary = &boundaryDetail{s.Bounded}
		}
		for _, m := range s.Matched {
			w.Matched = append(w.Matched, wireStatement{&m.Policy, &m.Type, toPosition(m.Start), toPosition(m.End)})
		}
		if len(q.Resources) > 0 {
			w.specify(s.Details)
		}
		out.Results = append(out.Results, w)
	}
	return out, nil
}

// specify adds what is told about resources that were named.
func (w *wireSimulated) specify(details []iam.SimulatedDetail) {
	w.Details = []wireDetail{}
	for _, d := range details {
		w.Details = append(w.Details, wireDetail{&d.Kind, &d.Decision})
	}
	one := wireSpecific{Resource: w.Resource, Decision: w.Decision, Matched: w.Matched, Missing: w.Missing, Boundary: w.Boundary}
	if len(details) > 0 {
		one.Details = w.Details
	}
	w.Specific = []wireSpecific{one}
}

type contextKeysOutput struct {
	Names []string `xml:"ContextKeyNames>member"`
}

// contextKeysOf answers GetContextKeysForCustomPolicy and
// GetContextKeysForPrincipalPolicy.
func contextKeysOf(c *call) (any, error) {
	source := ""
	if c.PolicySourceARN != nil {
		source = *c.PolicySourceARN
	}
	names, err := c.iam.ContextKeys(c.ctx, c.who.Account, source, c.PolicyInputList)
	return &contextKeysOutput{names}, err
}

// aSource is the user, group or role whose policies are asked.
func aSource(c *call) (string, origami.Tags, error) { return *c.PolicySourceARN, nil, nil }
