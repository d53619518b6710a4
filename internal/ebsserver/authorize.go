package ebsserver

import (
	"context"
	"errors"
	"strconv"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/optional"
	"origami/internal/policy"
	"origami/internal/restjson"
)

// authorizer asks for each request about the snapshots that it names.
func (s *server) authorizer(ask func(context.Context, origami.Caller, string, ...iam.Resource) error) restjson.Authorizer {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context, who origami.Caller, action string, in any) error {
		if iam.Root(who) {
			return ask(ctx, who, action)
		}
		resources, err := s.resources(ctx, who, in)
		if err != nil {
			return err
		}
		return ask(ctx, who, action, resources...)
	}
}

// resources are the snapshots that an input names.
func (s *server) resources(ctx context.Context, who origami.Caller, in any) ([]iam.Resource, error) {
	switch in := in.(type) {
	case *startSnapshotInput:
		return []iam.Resource{started(who, in)}, nil
	case *putSnapshotBlockInput:
		return s.named(ctx, who, in.SnapshotID)
	case *completeSnapshotInput:
		return s.named(ctx, who, in.SnapshotID)
	case *getSnapshotBlockInput:
		return s.named(ctx, who, in.SnapshotID)
	case *listSnapshotBlocksInput:
		return s.named(ctx, who, in.SnapshotID)
	case *listChangedBlocksInput:
		return s.named(ctx, who, in.FirstSnapshotID, in.SecondSnapshotID)
	}
	return nil, nil
}

func snapshotARN(region origami.Region, id string) string {
	return "arn:aws:ec2:" + string(region) + "::snapshot/" + id
}

// started is the snapshot that a request would make.
func started(who origami.Caller, in *startSnapshotInput) iam.Resource {
	r := iam.Resource{ARN: snapshotARN(who.Region, "*"), Keys: policy.Keys{}}
	r.Keys.Set("ebs:VolumeSize", strconv.FormatInt(optional.Value(in.VolumeSize), 10))
	if in.Description != nil {
		r.Keys.Set("ebs:Description", *in.Description)
	}
	if in.ParentSnapshotID != nil {
		r.Keys.Set("ebs:ParentSnapshot", snapshotARN(who.Region, *in.ParentSnapshotID))
	}
	for _, t := range in.Tags {
		r.Keys.Set("aws:TagKeys", optional.Value(t.Key))
		r.Keys.Set("aws:RequestTag/"+optional.Value(t.Key), optional.Value(t.Value))
	}
	return r
}

// named are snapshots that exist, or do not: that comes later.
func (s *server) named(ctx context.Context, who origami.Caller, ids ...*string) ([]iam.Resource, error) {
	var out []iam.Resource
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		out = nil
		for _, id := range ids {
			if id == nil {
				continue
			}
			tags, err := tx.Tags(who.Region, who.Account, *id)
			if err != nil {
				return err
			}
			r := iam.Resource{ARN: snapshotARN(who.Region, *id), Keys: policy.Keys{}}
			for k, v := range tags[*id] {
				r.Keys.Set("aws:ResourceTag/"+k, v)
			}
			if err := snapshotKeys(tx, who, origami.SnapshotID(*id), r.Keys); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

// snapshotKeys adds what is known of a snapshot that the caller can see.
func snapshotKeys(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, keys policy.Keys) error {
	s, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		var e *origami.Error
		if errors.As(err, &e) {
			return nil // the operation says so
		}
		return err
	}
	keys.Set("aws:ResourceAccount", string(s.Owner))
	keys.Set("ebs:Description", s.Description)
	keys.Set("ebs:VolumeSize", strconv.FormatInt(s.VolumeSize, 10))
	if s.Upload != nil && s.Upload.Parent != "" {
		keys.Set("ebs:ParentSnapshot", snapshotARN(who.Region, string(s.Upload.Parent)))
	}
	return nil
}
