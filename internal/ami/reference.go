package ami

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"origami"
	"origami/internal/metadb"
)

// Newest versions of a launch template that are looked at if a request does not
// say how many, and the most that it can ask for.
const (
	referenceDepth = 10
	usageDepth     = 20
	maxDepth       = 10_000
)

// resourceKinds lists the kinds of resources that can refer to images. Those of
// other services refer to none here.
var resourceKinds = []string{
	origami.InstanceResource, origami.LaunchTemplateResource, origami.ParameterResource,
	origami.ImageRecipeResource, origami.ContainerRecipe,
}

// UseOption is an option of a kind of resource, as requests give it.
type UseOption struct {
	Name   string // "state-name", "version-depth"
	Values []string
}

// Reference is a resource of the caller's that refers to an image.
type Reference struct {
	Image    origami.ImageID
	Resource string // kind
	ARN      string
}

// Key orders references.
func (r Reference) Key() string { return string(r.Image) + " " + r.Resource + " " + r.ARN }

// AllReferences selects resources of every kind that can refer to an image.
func AllReferences() []origami.ImageUse {
	var out []origami.ImageUse
	for _, kind := range resourceKinds {
		out = append(out, origami.ImageUse{Resource: kind, Depth: referenceDepth})
	}
	return out
}

// ReferenceUse reads one kind of resource that a request for references selects.
func ReferenceUse(kind string, options []UseOption) (origami.ImageUse, error) {
	return use(kind, resourceKinds, referenceDepth, options, true)
}

// UsageUse reads one kind of resource that a usage report is to count.
func UsageUse(kind string, options []UseOption) (origami.ImageUse, error) {
	return use(kind, []string{origami.InstanceResource, origami.LaunchTemplateResource}, usageDepth, options, false)
}

func use(kind string, kinds []string, depth int64, options []UseOption, states bool) (origami.ImageUse, error) {
	u := origami.ImageUse{Resource: kind}
	if !slices.Contains(kinds, kind) {
		return u, invalidValue("resourceType", kind, "It is not a resource type of this operation.")
	}
	if kind == origami.LaunchTemplateResource {
		u.Depth = depth
	}
	for _, o := range options {
		switch {
		case o.Name == "state-name" && kind == origami.InstanceResource && states:
			for _, v := range o.Values {
				if !slices.Contains(instanceStates, origami.InstanceState(v)) {
					return u, invalidValue("state-name", v, "It is not a state of instances.")
				}
			}
			u.States = o.Values
		case o.Name == "version-depth" && kind == origami.LaunchTemplateResource:
			if len(o.Values) != 1 {
				return u, origami.Errorf(origami.CodeInvalidParameterValue, "The option version-depth takes one value.")
			}
			n, err := strconv.ParseInt(o.Values[0], 10, 64)
			if err != nil || n < 1 || n > maxDepth {
				return u, invalidValue("version-depth", o.Values[0], fmt.Sprintf("It must be between 1 and %d.", maxDepth))
			}
			u.Depth = n
		default:
			return u, invalidValue("optionName", o.Name, "It is not an option of "+kind+".")
		}
	}
	return u, nil
}

var instanceStates = []origami.InstanceState{
	origami.InstancePending, origami.InstanceRunning, origami.InstanceShuttingDown,
	origami.InstanceTerminated, origami.InstanceStopping, origami.InstanceStopped,
}

// References lists the resources of the caller's that refer to images, in order
// of their keys. The caller need not see the images.
func (s *Service) References(tx *metadb.Tx, who origami.Caller, ids []origami.ImageID, uses []origami.ImageUse) ([]Reference, error) {
	var out []Reference
	for _, u := range uses {
		var err error
		switch u.Resource {
		case origami.InstanceResource:
			out, err = instancesOf(tx, who, ids, u, out)
		case origami.LaunchTemplateResource:
			out, err = templatesOf(tx, who, ids, u, out)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b Reference) int { return cmp.Compare(a.Key(), b.Key()) })
	return slices.Compact(out), nil
}

func instancesOf(tx *metadb.Tx, who origami.Caller, ids []origami.ImageID, u origami.ImageUse, out []Reference) ([]Reference, error) {
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: []origami.Filter{{Name: "image-id", Values: texts(ids)}}}
	for i, err := range tx.Instances(q) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, i.Image) && (len(u.States) == 0 || slices.Contains(u.States, string(i.State))) {
			arn := fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", i.Region, i.Owner, i.ID)
			out = append(out, Reference{i.Image, u.Resource, arn})
		}
	}
	return out, nil
}

func templatesOf(tx *metadb.Tx, who origami.Caller, ids []origami.ImageID, u origami.ImageUse, out []Reference) ([]Reference, error) {
	err := templateImages(tx, metadb.Query{Region: who.Region, Viewer: who.Account}, u.Depth, func(v *origami.LaunchTemplateVersion, images []origami.ImageID) {
		for _, id := range images {
			if slices.Contains(ids, id) {
				arn := fmt.Sprintf("arn:aws:ec2:%s:%s:launch-template/%s", v.Region, v.Owner, v.Template)
				out = append(out, Reference{id, u.Resource, arn})
			}
		}
	})
	return out, err
}

// templateImages calls f with one version of each launch template that q
// selects and with the images that its newest versions name, each once.
func templateImages(tx *metadb.Tx, q metadb.Query, depth int64, f func(*origami.LaunchTemplateVersion, []origami.ImageID)) error {
	var last *origami.LaunchTemplateVersion
	var newest []origami.ImageID // of the versions of the last template, oldest first
	flush := func() {
		if last == nil {
			return
		}
		newest = newest[max(0, len(newest)-int(depth)):]
		slices.Sort(newest)
		f(last, slices.Compact(newest))
		newest = newest[:0]
	}
	for v, err := range tx.LaunchTemplateVersions(q) {
		if err != nil {
			return err
		}
		if last != nil && v.Template != last.Template {
			flush()
		}
		var data struct{ ImageId origami.ImageID }
		if err := json.Unmarshal(v.Data, &data); err != nil {
			return fmt.Errorf("decode version %d of launch template %s: %w", v.Number, v.Template, err)
		}
		last, newest = v, append(newest, data.ImageId)
	}
	flush()
	return nil
}

// texts are values of a string type as strings.
func texts[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
