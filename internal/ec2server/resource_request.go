package ec2server

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/policy"
)

// requestTags gives a resource the keys of the tags that it shall have.
func requestTags(keys policy.Keys, tags origami.Tags) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		keys.Set("aws:RequestTag/"+k, tags[k])
		keys.Set("aws:TagKeys", k)
	}
}

// requestKeys gathers keys that the whole request has: the tags of CreateTags
// and DeleteTags, the attributes of operations that change one, and accounts
// that a snapshot is shared with.
func (c *collection) requestKeys() {
	switch in := c.in.(type) {
	case *ec2api.CreateTagsInput:
		tags := origami.Tags{}
		for _, t := range in.Tags {
			tags[deref(t.Key)] = deref(t.Value)
		}
		requestTags(c.keys, tags)
	case *ec2api.DeleteTagsInput:
		for _, t := range in.Tags {
			c.keys.Set("aws:TagKeys", deref(t.Key))
			if t.Value != nil {
				c.keys.Set("aws:RequestTag/"+deref(t.Key), *t.Value)
			}
		}
	case *ec2api.ModifySnapshotAttributeInput:
		c.shares(in)
	case *ec2api.LockSnapshotInput:
		for name, n := range map[string]*int32{"ec2:SnapshotLockDuration": in.LockDuration, "ec2:SnapshotCoolOffPeriod": in.CoolOffPeriod} {
			if n != nil {
				c.keys.Set(name, strconv.Itoa(int(*n)))
			}
		}
	}
	if c.op == "DescribeImageAttribute" || c.op == "DescribeSnapshotAttribute" {
		return
	}
	c.attributes()
}

// attributes gathers which attribute a request changes, and to what.
func (c *collection) attributes() {
	if !strings.HasSuffix(c.op, "Attribute") {
		return
	}
	if v := member(c.in, "Attribute"); v.IsValid() {
		name := v.String()
		c.keys.Set("ec2:Attribute", strings.ToUpper(name[:min(1, len(name))])+name[min(1, len(name)):])
		if value := member(c.in, "Value"); value.IsValid() && value.Kind() == reflect.String {
			c.keys.Set("ec2:Attribute/"+name, value.String())
		}
	}
	v := reflect.ValueOf(c.in).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() != reflect.Pointer || f.IsNil() || f.Elem().Kind() != reflect.Struct {
			continue
		}
		name := v.Type().Field(i).Name
		value := f.Elem().FieldByName("Value")
		c.keys.Set("ec2:Attribute", name)
		if value.IsValid() && value.Kind() == reflect.Pointer && !value.IsNil() {
			c.keys.Set("ec2:Attribute/"+name, fmt.Sprint(value.Elem().Interface()))
		}
	}
	for _, name := range listedAttributes(c.in) {
		c.keys.Set("ec2:Attribute", name)
	}
}

// listedAttributes names the attributes that a request changes by lists of its
// own, which have no name of an attribute.
func listedAttributes(in any) []string {
	var names []string
	add := func(name string, is bool) {
		if is {
			names = append(names, name)
		}
	}
	switch in := in.(type) {
	case *ec2api.ModifyImageAttributeInput:
		add("LaunchPermission", in.OperationType != nil || len(in.UserIds)+len(in.UserGroups)+len(in.OrganizationArns)+len(in.OrganizationalUnitArns) > 0)
		add("ProductCodes", len(in.ProductCodes) > 0)
	case *ec2api.ModifySnapshotAttributeInput:
		add("CreateVolumePermission", in.OperationType != nil || len(in.UserIds)+len(in.GroupNames) > 0)
	case *ec2api.ModifyInstanceAttributeInput:
		add("GroupSet", len(in.Groups) > 0)
		add("BlockDeviceMapping", len(in.BlockDeviceMappings) > 0)
	}
	return names
}

// shares gathers with whom a snapshot shall be shared, or no more.
func (c *collection) shares(in *ec2api.ModifySnapshotAttributeInput) {
	add := func(change string, list []ec2api.CreateVolumePermission) {
		for _, p := range list {
			if p.UserId != nil {
				c.keys.Set("ec2:"+change+"/userId", *p.UserId)
			}
			if p.Group != nil {
				c.keys.Set("ec2:"+change+"/group", *p.Group)
			}
		}
	}
	if m := in.CreateVolumePermission; m != nil {
		add("Add", m.Add)
		add("Remove", m.Remove)
	}
	change := map[string]string{"add": "Add", "remove": "Remove"}[deref(in.OperationType)]
	if change == "" {
		return
	}
	c.keys.Set("ec2:"+change+"/userId", in.UserIds...)
	c.keys.Set("ec2:"+change+"/group", in.GroupNames...)
}
