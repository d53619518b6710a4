package ec2server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// declaration is what an operation is about, parsed.
type declaration []aspect

// aspect is one entry of a declaration.
type aspect struct {
	kind    string     // "volume"; "*" for whatever an ID is of
	members [][]string // paths that name it; nil of what the operation makes
	collect collector  // or this
}

// collector adds what a declaration cannot say. It may change the input that
// the following aspects see.
type collector func(c *collection) error

// collectors lists them by the names that declarations use.
var collectors = map[string]collector{
	"AnyVolume":             collectAnyVolume,
	"Launch":                collectLaunch,
	"LaunchVolumes":         collectLaunchVolumes,
	"AssociatedSnapshots":   collectAssociatedSnapshots,
	"InstanceOfVolume":      collectInstanceOfVolume,
	"InstanceOfAssociation": collectInstanceOfAssociation,
	"NewProfile":            collectNewProfile,
	"SourceImage":           collectSourceImage,
	"SourceSnapshot":        collectSourceSnapshot,
	"VPCOfGroup":            collectVPCOfGroup,
	"VolumesOfInstance":     collectVolumesOfInstance,
}

// parseResources reads the declaration of an operation.
func parseResources(text string, in any) (declaration, error) {
	var d declaration
	for _, word := range strings.Fields(text) {
		if name, ok := strings.CutPrefix(word, "+"); ok {
			if collectors[name] == nil {
				return nil, fmt.Errorf("no collector %s", name)
			}
			d = append(d, aspect{collect: collectors[name]})
			continue
		}
		kind, members, named := strings.Cut(word, "=")
		if !named {
			kind, made := strings.CutSuffix(kind, "+")
			if !made {
				return nil, fmt.Errorf("%s is neither named nor made", word)
			}
			d = append(d, aspect{kind: kind})
			continue
		}
		a := aspect{kind: kind}
		for m := range strings.SplitSeq(members, "|") {
			path := strings.Split(m, ".")
			if err := checkPath(reflect.TypeOf(in), path); err != nil {
				return nil, err
			}
			a.members = append(a.members, path)
		}
		d = append(d, a)
	}
	return d, nil
}

// checkPath checks that an input has a member that holds text.
func checkPath(t reflect.Type, path []string) error {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if len(path) == 0 {
		if t.Kind() != reflect.String {
			return fmt.Errorf("%s is not text", t)
		}
		return nil
	}
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("%s has no members", t)
	}
	f, ok := t.FieldByName(path[0])
	if !ok {
		return fmt.Errorf("%s has no member %s", t, path[0])
	}
	return checkPath(f.Type, path[1:])
}

// texts collects what is at the end of a path.
func texts(v reflect.Value, path []string) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return texts(v.Elem(), path)
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, texts(v.Index(i), path)...)
		}
		return out
	case reflect.Struct:
		return texts(v.FieldByName(path[0]), path[1:])
	}
	if v.String() == "" {
		return nil
	}
	return []string{v.String()}
}

// want is something that a request needs to be allowed.
type want struct {
	action    string
	resources []iam.Resource
}

// collection gathers what a request wants.
type collection struct {
	tx     *metadb.Tx
	server *Server
	who    origami.Caller
	op     string
	in     any
	keys   policy.Keys // of the request, for every resource
	tagged map[string]origami.Tags
	main   []iam.Resource
	more   []want

	profile string // ARN of the instance profile of a launch, or ""
	// overridden are the kinds of resources that a launch by a template says
	// something about itself; nil of a launch without a template.
	overridden map[string]bool
}

// permit asks whether a caller may do an operation. The root of an account
// may, and nothing is looked up for it.
func (h *Handler) permit(ctx context.Context, who origami.Caller, op *ec2api.Operation, in any) error {
	if h.authorize == nil {
		return nil
	}
	action := "ec2:" + op.Name
	server, ok := h.server.(*Server)
	if !ok || iam.Root(who) {
		return h.authorize(ctx, who, action)
	}
	var wants []want
	err := server.db.View(ctx, func(tx *metadb.Tx) (err error) {
		c := &collection{tx: tx, server: server, who: who, op: op.Name, in: in, keys: policy.Keys{}}
		wants, err = c.collect(action, h.declared[op.Name])
		return err
	})
	if err != nil {
		return err
	}
	for _, w := range wants {
		err := h.authorize(ctx, who, w.action, w.resources...)
		var e *origami.Error
		if errors.As(err, &e) && e.Code == "AccessDenied" { // of IAM, in the words of EC2
			return origami.Errorf(origami.CodeUnauthorizedOperation, "You are not authorized to perform this operation. %s", e.Message)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// collect gathers everything that a declaration says.
func (c *collection) collect(action string, d declaration) ([]want, error) {
	c.keys.Set("ec2:Region", string(c.who.Region))
	c.requestKeys()
	if err := c.tagsOnCreation(); err != nil {
		return nil, err
	}
	for _, a := range d {
		if err := c.add(a); err != nil {
			return nil, err
		}
	}
	c.main = changeByChange(c.main)
	if len(c.main) == 0 {
		c.main = []iam.Resource{{ARN: "*", Keys: c.keys}}
	}
	wants := append([]want{{action, c.main}}, c.more...)
	for _, kind := range slices.Sorted(maps.Keys(c.tagged)) {
		r := c.made(kind)
		r.Keys.Set("ec2:CreateAction", c.op)
		wants = append(wants, want{"ec2:CreateTags", []iam.Resource{r}})
	}
	return wants, nil
}

// shareKeys are the condition keys with whom a snapshot shall be shared, or no
// more.
var shareKeys = []string{"ec2:add/userid", "ec2:add/group", "ec2:remove/userid", "ec2:remove/group"}

// changeByChange asks about each account and group among shareKeys by itself: a
// policy that lets a snapshot be shared with one account does not let it be
// shared with that and another, or with that and everybody.
func changeByChange(all []iam.Resource) []iam.Resource {
	var out []iam.Resource
	for _, r := range all {
		rest := maps.Clone(r.Keys)
		for _, key := range shareKeys {
			delete(rest, key)
		}
		before := len(out)
		for _, key := range shareKeys {
			for _, v := range slices.Compact(slices.Sorted(slices.Values(r.Keys[key]))) {
				keys := maps.Clone(rest)
				keys[key] = []string{v}
				out = append(out, iam.Resource{ARN: r.ARN, Keys: keys})
			}
		}
		if len(out) == before {
			out = append(out, r)
		}
	}
	return out
}

// add gathers one aspect.
func (c *collection) add(a aspect) error {
	if a.collect != nil {
		return a.collect(c)
	}
	if a.members == nil {
		c.main = append(c.main, c.made(a.kind))
		return nil
	}
	for _, path := range a.members {
		find := c.existing
		if last := path[len(path)-1]; strings.HasSuffix(last, "Name") || last == "SecurityGroups" {
			find = c.named
		}
		for _, id := range texts(reflect.ValueOf(c.in), path) {
			r, err := find(a.kind, id)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(c.main, func(have iam.Resource) bool { return have.ARN == r.ARN }) {
				c.main = append(c.main, r)
			}
		}
	}
	return nil
}

// arn names a resource of a kind. Images and snapshots are of no account.
func (c *collection) arn(kind, id string) string {
	account := string(c.who.Account)
	if kind == "image" || kind == "snapshot" {
		account = ""
	}
	return "arn:aws:ec2:" + string(c.who.Region) + ":" + account + ":" + kind + "/" + id
}

// tagsOnCreation reads the tags that the request wants on what it makes.
func (c *collection) tagsOnCreation() error {
	f := reflect.ValueOf(c.in).Elem().FieldByName("TagSpecifications")
	if !f.IsValid() {
		return nil
	}
	specs, ok := f.Interface().([]ec2api.TagSpecification)
	if !ok {
		return nil
	}
	c.tagged = make(map[string]origami.Tags)
	for _, s := range specs {
		kind := deref(s.ResourceType)
		if len(s.Tags) == 0 {
			continue
		}
		tags := c.tagged[kind]
		if tags == nil {
			tags = origami.Tags{}
			c.tagged[kind] = tags
		}
		for _, t := range s.Tags {
			tags[deref(t.Key)] = deref(t.Value)
		}
	}
	return nil
}
