package ec2server

import (
	"context"
	"time"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// CreateReplaceRootVolumeTask restarts an instance with another root volume.
func (s *Server) CreateReplaceRootVolumeTask(ctx context.Context, who origami.Caller, in *ec2api.CreateReplaceRootVolumeTaskInput) (*ec2api.CreateReplaceRootVolumeTaskOutput, error) {
	r := instance.ReplaceRootRequest{DeleteOld: deref(in.DeleteReplacedRootVolume), Token: deref(in.ClientToken), Fingerprint: fingerprint(in)}
	var err error
	if r.Instance, err = origami.ParseInstanceID(deref(in.InstanceId)); err != nil {
		return nil, err
	}
	if in.SnapshotId != nil {
		if r.Snapshot, err = origami.ParseSnapshotID(*in.SnapshotId); err != nil {
			return nil, err
		}
	}
	if in.ImageId != nil {
		if r.Image, err = origami.ParseImageID(*in.ImageId); err != nil {
			return nil, err
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "replace-root-volume-task")
	if err != nil {
		return nil, err
	}
	r.Tags = tags["replace-root-volume-task"]
	made, err := s.instances.ReplaceRoot(ctx, who, r)
	if err != nil {
		return nil, err
	}
	out := wireReplacement(made, r.Tags)
	return &ec2api.CreateReplaceRootVolumeTaskOutput{ReplaceRootVolumeTask: &out}, nil
}

// replacementProperties are the filters of DescribeReplaceRootVolumeTasks.
var replacementProperties = properties[*origami.RootReplacement]{
	"instance-id": func(r *origami.RootReplacement) []string { return one(r.Instance) },
}

// DescribeReplaceRootVolumeTasks lists replacements of root volumes.
func (s *Server) DescribeReplaceRootVolumeTasks(ctx context.Context, who origami.Caller, in *ec2api.DescribeReplaceRootVolumeTasksInput) (*ec2api.DescribeReplaceRootVolumeTasksOutput, error) {
	p, err := s.page(who, "DescribeReplaceRootVolumeTasks", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := replacementProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.ReplaceRootVolumeTaskIds {
		if _, err := origami.ParseReplaceRootTaskID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	out := &ec2api.DescribeReplaceRootVolumeTasksOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if _, err := tx.RootReplacement(who.Region, who.Account, origami.ReplaceRootTaskID(id)); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.RootReplacement]) bool {
			return replacementProperties.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.RootReplacements(q), func(r *origami.RootReplacement) string { return string(r.ID) }, match)
		for _, v := range found {
			out.ReplaceRootVolumeTasks = append(out.ReplaceRootVolumeTasks, wireReplacement(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// wireReplacement writes the replacement of a root volume. Its times are texts
// in the model.
func wireReplacement(r *origami.RootReplacement, tags origami.Tags) ec2api.ReplaceRootVolumeTask {
	out := ec2api.ReplaceRootVolumeTask{
		DeleteReplacedRootVolume: ptr(r.DeleteOld), ImageId: text(r.Image), InstanceId: text(r.Instance),
		ReplaceRootVolumeTaskId: text(r.ID), SnapshotId: text(r.Snapshot), StartTime: ptr(r.Started.UTC().Format(time.RFC3339)),
		Tags: wireTags(tags), TaskState: text(r.State),
	}
	if !r.Completed.IsZero() {
		out.CompleteTime = ptr(r.Completed.UTC().Format(time.RFC3339))
	}
	return out
}
