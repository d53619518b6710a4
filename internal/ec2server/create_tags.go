package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// maxTagged is how many resources one request may tag.
const maxTagged = 1000

// CreateTags tags resources, replacing tags of the same keys. The tags of an
// image that is shared with the caller are the caller's own.
func (s *Server) CreateTags(ctx context.Context, who origami.Caller, in *ec2api.CreateTagsInput) (*ec2api.CreateTagsOutput, error) {
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter Tag")
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := taggable(tx, who, in.Resources); err != nil {
			return err
		}
		return tx.PutTags(who.Region, who.Account, in.Resources, tags)
	})
	return &ec2api.CreateTagsOutput{}, err
}

// DeleteTags removes tags from resources: those of the given keys, whatever
// their value if none is given, or all.
func (s *Server) DeleteTags(ctx context.Context, who origami.Caller, in *ec2api.DeleteTagsInput) (*ec2api.DeleteTagsOutput, error) {
	tags := make(map[string]*string, len(in.Tags))
	for _, t := range in.Tags {
		if err := origami.ValidateTagKey(deref(t.Key)); err != nil {
			return nil, err
		}
		tags[*t.Key] = t.Value
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := taggable(tx, who, in.Resources); err != nil {
			return err
		}
		return tx.DeleteTags(who.Region, who.Account, in.Resources, tags)
	})
	return &ec2api.DeleteTagsOutput{}, err
}

// taggable checks that every ID is of a resource that the caller may see.
func taggable(tx *metadb.Tx, who origami.Caller, ids []string) error {
	if len(ids) > maxTagged {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The request names %d resources. At most %d can be tagged at once.", len(ids), maxTagged)
	}
	for _, id := range ids {
		if kind := origami.ResourceType(id); kind == "" || kind == "task" { // tasks are not EC2's
			return origami.Errorf(origami.CodeInvalidID, "The ID '%.64s' is not valid", id)
		}
		if err := tx.Visible(who.Region, who.Account, id); err != nil {
			return err
		}
	}
	return nil
}
