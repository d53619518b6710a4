package iamserver

import (
	"encoding/base64"
	"slices"
	"strings"

	"origami"
	"origami/internal/optional"
)

// input has every parameter of every operation that is served.
type input struct {
	ActionNames              []string       `query:"ActionNames" valid:"items=1000"`
	BoundaryInputList        []string       `query:"PermissionsBoundaryPolicyInputList" valid:"items=10"`
	CallerARN                *string        `query:"CallerArn" valid:"max=2048"`
	ContextEntries           []contextEntry `query:"ContextEntries" valid:"items=200"`
	PolicyInputList          []string       `query:"PolicyInputList" valid:"items=100"`
	PolicySourceARN          *string        `query:"PolicySourceArn" valid:"min=20,max=2048"`
	ResourceARNs             []string       `query:"ResourceArns" valid:"items=1000"`
	ResourceHandlingOption   *string        `query:"ResourceHandlingOption" valid:"min=1,max=64"`
	ResourceOwner            *string        `query:"ResourceOwner" valid:"max=2048"`
	ResourcePolicy           *string        `query:"ResourcePolicy" valid:"max=131072"`
	AccessKeyID              *string        `query:"AccessKeyId" valid:"min=16,max=128"`
	AssignmentStatus         *string        `query:"AssignmentStatus"`
	AssumeRolePolicyDocument *string        `query:"AssumeRolePolicyDocument" valid:"max=131072"`
	Description              *string        `query:"Description,keepempty" valid:"max=1000"`
	EntityFilter             *string        `query:"EntityFilter"`
	GroupName                *string        `query:"GroupName" valid:"max=128"`
	InstanceProfileName      *string        `query:"InstanceProfileName" valid:"max=128"`
	Marker                   *string        `query:"Marker" valid:"max=2048"`
	MaxItems                 *int32         `query:"MaxItems" valid:"min=1,max=1000"`
	MaxSessionDuration       *int32         `query:"MaxSessionDuration" valid:"min=3600,max=43200"`
	NewGroupName             *string        `query:"NewGroupName" valid:"max=128"`
	NewPath                  *string        `query:"NewPath" valid:"max=512"`
	NewUserName              *string        `query:"NewUserName" valid:"max=64"`
	OnlyAttached             *bool          `query:"OnlyAttached"`
	Path                     *string        `query:"Path" valid:"max=512"`
	PathPrefix               *string        `query:"PathPrefix" valid:"max=512"`
	PermissionsBoundary      *string        `query:"PermissionsBoundary" valid:"min=20,max=2048"`
	PolicyARN                *string        `query:"PolicyArn" valid:"min=20,max=2048"`
	PolicyDocument           *string        `query:"PolicyDocument" valid:"max=131072"`
	PolicyName               *string        `query:"PolicyName" valid:"max=128"`
	PolicyUsageFilter        *string        `query:"PolicyUsageFilter"`
	RoleName                 *string        `query:"RoleName" valid:"max=64"`
	Scope                    *string        `query:"Scope"`
	ServiceName              *string        `query:"ServiceName"`
	SetAsDefault             *bool          `query:"SetAsDefault"`
	Status                   *string        `query:"Status"`
	TagKeys                  []string       `query:"TagKeys" valid:"items=50"`
	Tags                     []tag          `query:"Tags" valid:"items=50"`
	UserName                 *string        `query:"UserName" valid:"max=128"`
	VersionID                *string        `query:"VersionId" valid:"max=32"`
}

// tag is a tag in requests and answers.
type tag struct {
	Key   *string `query:"Key" xml:"Key" valid:"required"`
	Value *string `query:"Value,keepempty" xml:"Value" valid:"required"`
}

// tags reads the tags of a request.
func (c *call) tags() (origami.Tags, error) {
	out := make(origami.Tags)
	for _, t := range c.Tags {
		for k := range out {
			if strings.EqualFold(k, *t.Key) {
				return nil, origami.Errorf("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		out[*t.Key] = *t.Value
	}
	return out, nil
}

func wireTags(tags origami.Tags) []tag {
	var out []tag
	for k, v := range tags {
		out = append(out, tag{&k, &v})
	}
	slices.SortFunc(out, func(a, b tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out
}

// name is the name of what the operation is about, of its kind.
func (c *call) name() string {
	switch c.kind {
	case origami.KindUser:
		if c.UserName == nil {
			return c.self()
		}
		return *c.UserName
	case origami.KindGroup:
		return optional.Value(c.GroupName)
	case origami.KindRole:
		return optional.Value(c.RoleName)
	}
	return ""
}

// self is the name of the user who asks, or "" for the root and for roles.
func (c *call) self() string {
	if _, rest, ok := strings.Cut(c.who.ARN, ":user/"); ok {
		return rest[strings.LastIndexByte(rest, '/')+1:]
	}
	return ""
}

// Sizes of pages.
const defaultItems = 100

// page is the part of a sorted list that a request asks for: what comes after
// its marker. next is the marker of the following page, nil after the last.
func page[T any](c *call, all []T, key func(T) string) (items []T, truncated *bool, next *string, err error) {
	from := 0
	if c.Marker != nil {
		text, err := base64.RawURLEncoding.DecodeString(*c.Marker)
		after, ok := strings.CutPrefix(string(text), c.op+" ")
		if err != nil || !ok {
			return nil, nil, nil, origami.Errorf(codeValidation, "Invalid Marker.")
		}
		for from < len(all) && strings.ToLower(key(all[from])) <= after {
			from++
		}
	}
	n := defaultItems
	if c.MaxItems != nil {
		n = int(*c.MaxItems)
	}
	items = all[from:]
	if len(items) <= n {
		return items, new(false), nil, nil
	}
	items = items[:n]
	return items, new(true), new(base64.RawURLEncoding.EncodeToString([]byte(c.op + " " + strings.ToLower(key(items[n-1]))))), nil
}
