package ec2server

import (
	"encoding/json"
	"fmt"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// recast copies what two structures of the model have in common: the members
// of the same names. The model has several structures for the parameters of a
// launch, which differ in the names of their types only.
func recast[To any](from any) (*To, error) {
	text, err := json.Marshal(from)
	if err != nil {
		return nil, err
	}
	to := new(To)
	if err := json.Unmarshal(text, to); err != nil {
		return nil, fmt.Errorf("recast %T as %T: %w", from, to, err)
	}
	return to, nil
}

// templateData writes the parameters of a template as its versions keep them:
// those that are given.
func templateData(in *ec2api.RequestLaunchTemplateData) (json.RawMessage, error) {
	if in == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter LaunchTemplateData")
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var all any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	given := withoutNull(all)
	if given == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter LaunchTemplateData")
	}
	return json.Marshal(given)
}

// withoutNull drops what is not given, and what is empty without it.
func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if member = withoutNull(member); member == nil {
				delete(v, name)
			} else {
				v[name] = member
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for n := range v {
			if v[n] = withoutNull(v[n]); v[n] == nil {
				v[n] = map[string]any{}
			}
		}
	}
	return v
}

// checkTemplateData refuses what no launch could ever take.
func checkTemplateData(in *ec2api.RequestLaunchTemplateData) error {
	if in == nil {
		return nil // refused by templateData
	}
	launch, err := fillLaunch(&ec2api.RunInstancesInput{}, in)
	if err != nil {
		return err
	}
	if launch.ImageId == nil {
		launch.ImageId = ptr(string(origami.NewImageID()))
	}
	_, err = parseLaunch(launch)
	return err
}

// wireTemplate writes a launch template.
func wireTemplate(t *origami.LaunchTemplate, tags origami.Tags) *ec2api.LaunchTemplate {
	return &ec2api.LaunchTemplate{
		CreateTime: ptr(t.Created), CreatedBy: text(t.CreatedBy), DefaultVersionNumber: ptr(t.Default), LatestVersionNumber: ptr(t.Latest),
		LaunchTemplateId: text(t.ID), LaunchTemplateName: text(t.Name), Tags: wireTags(tags),
	}
}

// wireTemplateVersion writes a version of a launch template.
func wireTemplateVersion(t *origami.LaunchTemplate, v *origami.LaunchTemplateVersion) (*ec2api.LaunchTemplateVersion, error) {
	data := new(ec2api.ResponseLaunchTemplateData)
	if err := json.Unmarshal(v.Data, data); err != nil {
		return nil, fmt.Errorf("version %d of %s: %w", v.Number, t.ID, err)
	}
	return &ec2api.LaunchTemplateVersion{
		CreateTime: ptr(v.Created), CreatedBy: text(v.CreatedBy), DefaultVersion: ptr(v.Number == t.Default), LaunchTemplateData: data,
		LaunchTemplateId: text(t.ID), LaunchTemplateName: text(t.Name), VersionDescription: text(v.Description), VersionNumber: ptr(v.Number),
	}, nil
}

// applyTemplate completes a launch by the template that it names. It returns
// the launch, and which template and version that was.
func (s *Server) applyTemplate(tx *metadb.Tx, who origami.Caller, in *ec2api.RunInstancesInput) (*ec2api.RunInstancesInput, *origami.LaunchTemplateVersion, error) {
	spec := in.LaunchTemplate
	if spec == nil {
		return in, nil, nil
	}
	t, err := s.instances.Template(tx, who, instance.TemplateRef{ID: deref(spec.LaunchTemplateId), Name: deref(spec.LaunchTemplateName)})
	if err != nil {
		return nil, nil, err
	}
	v, err := s.instances.TemplateVersion(tx, t, deref(spec.Version))
	if err != nil {
		return nil, nil, err
	}
	data := new(ec2api.RequestLaunchTemplateData)
	if err := json.Unmarshal(v.Data, data); err != nil {
		return nil, nil, fmt.Errorf("version %d of %s: %w", v.Number, t.ID, err)
	}
	out, err := fillLaunch(in, data)
	return out, v, err
}

// fillLaunch takes from a template what a launch does not say itself. Block
// devices and tags are merged: what is said about a device or a key counts.
func fillLaunch(in *ec2api.RunInstancesInput, d *ec2api.RequestLaunchTemplateData) (*ec2api.RunInstancesInput, error) {
	template, err := recast[ec2api.RunInstancesInput](d)
	if err != nil {
		return nil, err
	}
	out := *in
	fill(&out.ImageId, template.ImageId)
	fill(&out.InstanceType, template.InstanceType)
	fill(&out.KeyName, template.KeyName)
	fill(&out.UserData, template.UserData)
	fill(&out.InstanceInitiatedShutdownBehavior, template.InstanceInitiatedShutdownBehavior)
	fill(&out.DisableApiTermination, template.DisableApiTermination)
	fill(&out.DisableApiStop, template.DisableApiStop)
	fill(&out.EbsOptimized, template.EbsOptimized)
	fill(&out.Monitoring, template.Monitoring)
	fill(&out.Placement, template.Placement)
	fill(&out.MetadataOptions, template.MetadataOptions)
	fill(&out.IamInstanceProfile, template.IamInstanceProfile)
	fill(&out.CreditSpecification, template.CreditSpecification)
	fill(&out.CapacityReservationSpecification, template.CapacityReservationSpecification)
	fill(&out.EnclaveOptions, template.EnclaveOptions)
	fill(&out.HibernationOptions, template.HibernationOptions)
	if len(in.SecurityGroupIds) == 0 && len(in.SecurityGroups) == 0 {
		out.SecurityGroupIds, out.SecurityGroups = template.SecurityGroupIds, template.SecurityGroups
	}
	if len(in.NetworkInterfaces) == 0 {
		out.NetworkInterfaces = template.NetworkInterfaces
	}
	out.BlockDeviceMappings = fillDevices(in.BlockDeviceMappings, template.BlockDeviceMappings)
	out.TagSpecifications = fillTags(in.TagSpecifications, template.TagSpecifications)
	return &out, nil
}

func fill[T any](to **T, from *T) {
	if *to == nil {
		*to = from
	}
}

// fillDevices merges mappings, entry by entry.
func fillDevices(said, template []ec2api.BlockDeviceMapping) []ec2api.BlockDeviceMapping {
	out := append([]ec2api.BlockDeviceMapping{}, said...)
	for _, t := range template {
		found := false
		for n := range out {
			d := &out[n]
			if deref(d.DeviceName) != deref(t.DeviceName) {
				continue
			}
			found = true
			if d.Ebs != nil && t.Ebs != nil {
				e := *d.Ebs
				fill(&e.DeleteOnTermination, t.Ebs.DeleteOnTermination)
				fill(&e.Encrypted, t.Ebs.Encrypted)
				fill(&e.Iops, t.Ebs.Iops)
				fill(&e.KmsKeyId, t.Ebs.KmsKeyId)
				fill(&e.SnapshotId, t.Ebs.SnapshotId)
				fill(&e.Throughput, t.Ebs.Throughput)
				fill(&e.VolumeSize, t.Ebs.VolumeSize)
				fill(&e.VolumeType, t.Ebs.VolumeType)
				d.Ebs = &e
			}
		}
		if !found {
			out = append(out, t)
		}
	}
	return out
}

// fillTags merges tags, key by key.
func fillTags(said, template []ec2api.TagSpecification) []ec2api.TagSpecification {
	out := append([]ec2api.TagSpecification{}, said...)
	for _, t := range template {
		found := false
		for n := range out {
			if deref(out[n].ResourceType) != deref(t.ResourceType) {
				continue
			}
			found = true
			tags := append([]ec2api.Tag{}, out[n].Tags...)
			for _, tag := range t.Tags {
				if !hasKey(out[n].Tags, deref(tag.Key)) {
					tags = append(tags, tag)
				}
			}
			out[n].Tags = tags
		}
		if !found {
			out = append(out, t)
		}
	}
	return out
}

func hasKey(tags []ec2api.Tag, key string) bool {
	for _, t := range tags {
		if deref(t.Key) == key {
			return true
		}
	}
	return false
}
