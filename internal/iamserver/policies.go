package iamserver

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
)

func putInline(c *call) (any, error) {
	return nil, c.iam.PutInline(c.ctx, c.who.Account, c.kind, c.name(), *c.PolicyName, *c.PolicyDocument)
}

type inlineOutput struct {
	UserName       *string `xml:"UserName"`
	GroupName      *string `xml:"GroupName"`
	RoleName       *string `xml:"RoleName"`
	PolicyName     *string `xml:"PolicyName"`
	PolicyDocument *string `xml:"PolicyDocument"`
}

func getInline(c *call) (any, error) {
	d, err := c.iam.Inline(c.ctx, c.who.Account, c.kind, c.name(), *c.PolicyName)
	if err != nil {
		return nil, err
	}
	return &inlineOutput{c.UserName, c.GroupName, c.RoleName, c.PolicyName, wireDocument(d)}, nil
}

func deleteInline(c *call) (any, error) {
	return nil, c.iam.DeleteInline(c.ctx, c.who.Account, c.kind, c.name(), *c.PolicyName)
}

type namesOutput struct {
	PolicyNames []string `xml:"PolicyNames>member"`
	IsTruncated *bool    `xml:"IsTruncated"`
	Marker      *string  `xml:"Marker"`
}

func listInline(c *call) (any, error) {
	i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, c.name())
	if err != nil {
		return nil, err
	}
	names := slices.SortedFunc(maps.Keys(i.Inline), func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	items, truncated, next, err := page(c, names, func(s string) string { return s })
	return &namesOutput{items, truncated, next}, err
}

func attach(c *call) (any, error) {
	return nil, c.iam.Attach(c.ctx, c.who.Account, c.kind, c.name(), *c.PolicyARN)
}

func detach(c *call) (any, error) {
	return nil, c.iam.Detach(c.ctx, c.who.Account, c.kind, c.name(), *c.PolicyARN)
}

type attachedOutput struct {
	AttachedPolicies []attachedPolicy `xml:"AttachedPolicies>member"`
	IsTruncated      *bool            `xml:"IsTruncated"`
	Marker           *string          `xml:"Marker"`
}

type attachedPolicy struct {
	Name *string `xml:"PolicyName"`
	ARN  *string `xml:"PolicyArn"`
}

func listAttached(c *call) (any, error) {
	i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, c.name())
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, arn := range slices.Sorted(slices.Values(i.Attached)) {
		if _, path, _ := strings.Cut(arn, ":policy"); strings.HasPrefix(path, optional.Value(c.PathPrefix)) {
			arns = append(arns, arn)
		}
	}
	slices.SortFunc(arns, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	items, truncated, next, err := page(c, arns, func(s string) string { return s })
	out := &attachedOutput{IsTruncated: truncated, Marker: next}
	for _, arn := range items {
		out.AttachedPolicies = append(out.AttachedPolicies, attachedPolicy{new(arn[strings.LastIndexByte(arn, '/')+1:]), &arn})
	}
	return out, err
}

type policyOutput struct {
	Policy *wirePolicy `xml:"Policy"`
}

func createPolicy(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	p, err := c.iam.CreatePolicy(c.ctx, c.who.Account, optional.Value(c.Path), *c.PolicyName, optional.Value(c.Description), *c.PolicyDocument, tags)
	if err != nil {
		return nil, err
	}
	return &policyOutput{new(toPolicy(iam.ListedPolicy{Policy: p}, true))}, nil
}

func getPolicy(c *call) (any, error) {
	p, attached, bounded, err := c.iam.Policy(c.ctx, c.who.Account, *c.PolicyARN)
	if err != nil {
		return nil, err
	}
	return &policyOutput{new(toPolicy(iam.ListedPolicy{Policy: p, Attached: attached, Bounded: bounded}, true))}, nil
}

func deletePolicy(c *call) (any, error) {
	return nil, c.iam.DeletePolicy(c.ctx, c.who.Account, *c.PolicyARN)
}

type policiesOutput struct {
	Policies    []wirePolicy `xml:"Policies>member"`
	IsTruncated *bool        `xml:"IsTruncated"`
	Marker      *string      `xml:"Marker"`
}

func listPolicies(c *call) (any, error) {
	scope, usage := optional.Value(c.Scope), optional.Value(c.PolicyUsageFilter)
	if !slices.Contains([]string{"", "All", "AWS", "Local"}, scope) {
		return nil, invalidChoice("scope", scope, "All, AWS, Local")
	}
	if !slices.Contains([]string{"", "PermissionsPolicy", "PermissionsBoundary"}, usage) {
		return nil, invalidChoice("policyUsageFilter", usage, "PermissionsPolicy, PermissionsBoundary")
	}
	all, err := c.iam.Policies(c.ctx, c.who.Account, scope != "AWS", scope != "Local", optional.Value(c.PathPrefix))
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p iam.ListedPolicy) bool {
		return optional.Value(c.OnlyAttached) && p.Attached == 0 || usage == "PermissionsBoundary" && p.Bounded == 0
	})
	items, truncated, next, err := page(c, all, func(p iam.ListedPolicy) string { return p.Name + " " + p.ARN() })
	out := &policiesOutput{IsTruncated: truncated, Marker: next}
	for _, p := range items {
		out.Policies = append(out.Policies, toPolicy(p, false))
	}
	return out, err
}

func invalidChoice(name, value, choices string) error {
	return origami.Errorf(codeValidation, "1 validation error detected: Value '%.64s' at '%s' failed to satisfy constraint: "+
		"Member must satisfy enum value set: [%s]", value, name, choices)
}

type versionOutput struct {
	Version *wireVersion `xml:"PolicyVersion"`
}

func toVersion(p *origami.Policy, v *origami.PolicyVersion, document bool) wireVersion {
	w := wireVersion{VersionID: versionID(v.Number), IsDefault: new(p.Default == v.Number), CreateDate: &v.Created}
	if document {
		w.Document = wireDocument(v.Document)
	}
	return w
}

// version reads "v3".
func (c *call) version() (int, error) {
	digits, ok := strings.CutPrefix(*c.VersionID, "v")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 {
		return 0, origami.Errorf(codeValidation, "1 validation error detected: Value '%.32s' at 'versionId' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: v[1-9][0-9]*", *c.VersionID)
	}
	return n, nil
}

func createVersion(c *call) (any, error) {
	v, err := c.iam.CreatePolicyVersion(c.ctx, c.who.Account, *c.PolicyARN, *c.PolicyDocument, optional.Value(c.SetAsDefault))
	if err != nil {
		return nil, err
	}
	return &versionOutput{&wireVersion{VersionID: versionID(v.Number), IsDefault: new(optional.Value(c.SetAsDefault)), CreateDate: &v.Created}}, nil
}

func getVersion(c *call) (any, error) {
	n, err := c.version()
	if err != nil {
		return nil, err
	}
	p, _, _, err := c.iam.Policy(c.ctx, c.who.Account, *c.PolicyARN)
	if err != nil {
		return nil, err
	}
	v := p.Version(n)
	if v == nil {
		return nil, iam.NoVersion(*c.PolicyARN, n)
	}
	return &versionOutput{new(toVersion(p, v, true))}, nil
}

func deleteVersion(c *call) (any, error) {
	n, err := c.version()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.DeletePolicyVersion(c.ctx, c.who.Account, *c.PolicyARN, n)
}

func setDefaultVersion(c *call) (any, error) {
	n, err := c.version()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.SetDefaultPolicyVersion(c.ctx, c.who.Account, *c.PolicyARN, n)
}

type versionsOutput struct {
	Versions    []wireVersion `xml:"Versions>member"`
	IsTruncated *bool         `xml:"IsTruncated"`
	Marker      *string       `xml:"Marker"`
}

func listVersions(c *call) (any, error) {
	p, _, _, err := c.iam.Policy(c.ctx, c.who.Account, *c.PolicyARN)
	if err != nil {
		return nil, err
	}
	items, truncated, next, err := page(c, p.Versions, func(v origami.PolicyVersion) string { return strconv.Itoa(1_000_000_000 + v.Number) })
	out := &versionsOutput{IsTruncated: truncated, Marker: next}
	for _, v := range items {
		out.Versions = append(out.Versions, toVersion(p, &v, false))
	}
	return out, err
}

type entitiesOutput struct {
	Groups      []entity `xml:"PolicyGroups>member"`
	Users       []entity `xml:"PolicyUsers>member"`
	Roles       []entity `xml:"PolicyRoles>member"`
	IsTruncated *bool    `xml:"IsTruncated"`
	Marker      *string  `xml:"Marker"`
}

type entity struct {
	GroupName *string `xml:"GroupName"`
	GroupID   *string `xml:"GroupId"`
	UserName  *string `xml:"UserName"`
	UserID    *string `xml:"UserId"`
	RoleName  *string `xml:"RoleName"`
	RoleID    *string `xml:"RoleId"`
}

func listEntities(c *call) (any, error) {
	filter, usage := optional.Value(c.EntityFilter), optional.Value(c.PolicyUsageFilter)
	kind, ok := map[string]origami.IdentityKind{
		"": "", "User": origami.KindUser, "Group": origami.KindGroup, "Role": origami.KindRole,
		"LocalManagedPolicy": "policy", "AWSManagedPolicy": "policy",
	}[filter]
	if !ok {
		return nil, invalidChoice("entityFilter", filter, "User, Role, Group, LocalManagedPolicy, AWSManagedPolicy")
	}
	all, err := c.iam.EntitiesOf(c.ctx, c.who.Account, *c.PolicyARN, usage == "PermissionsBoundary")
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i *origami.Identity) bool {
		return kind != "" && i.Kind != kind || !strings.HasPrefix(i.Path, optional.Value(c.PathPrefix))
	})
	key := func(i *origami.Identity) string { return i.Name + " " + string(i.Kind) }
	slices.SortFunc(all, func(a, b *origami.Identity) int {
		return strings.Compare(strings.ToLower(key(a)), strings.ToLower(key(b)))
	})
	items, truncated, next, err := page(c, all, key)
	out := &entitiesOutput{IsTruncated: truncated, Marker: next}
	for _, i := range items {
		switch i.Kind {
		case origami.KindUser:
			out.Users = append(out.Users, entity{UserName: &i.Name, UserID: &i.ID})
		case origami.KindGroup:
			out.Groups = append(out.Groups, entity{GroupName: &i.Name, GroupID: &i.ID})
		default:
			out.Roles = append(out.Roles, entity{RoleName: &i.Name, RoleID: &i.ID})
		}
	}
	return out, err
}
