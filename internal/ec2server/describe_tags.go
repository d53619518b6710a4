package ec2server

import (
	"context"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// tagProperties are the filters of DescribeTags.
var tagProperties = properties[metadb.Tag]{
	"key":           func(t metadb.Tag) []string { return one(t.Key) },
	"resource-id":   func(t metadb.Tag) []string { return one(t.Resource) },
	"resource-type": func(t metadb.Tag) []string { return one(origami.ResourceType(t.Resource)) },
	"value":         func(t metadb.Tag) []string { return []string{t.Value} },
}

// DescribeTags lists the tags of the caller.
func (s *Server) DescribeTags(ctx context.Context, who origami.Caller, in *ec2api.DescribeTagsInput) (*ec2api.DescribeTagsOutput, error) {
	p, err := s.page(who, "DescribeTags", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := tagProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.TagQuery{Region: who.Region, Account: who.Account, Filters: filters}
	q.After.Resource, q.After.Key, _ = strings.Cut(p.after, "/")
	out := &ec2api.DescribeTagsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for t, err := range tx.AllTags(q) {
			if err != nil {
				return err
			}
			// The filter tag:KEY matches a tag by itself.
			if !tagProperties.match(filters, t, origami.Tags{t.Key: t.Value}) {
				continue
			}
			if p.limit > 0 && len(out.Tags) == p.limit {
				last := out.Tags[len(out.Tags)-1]
				out.NextToken = p.next(*last.ResourceId + "/" + *last.Key)
				return nil
			}
			out.Tags = append(out.Tags, ec2api.TagDescription{
				Key: ptr(t.Key), ResourceId: ptr(t.Resource), ResourceType: text(origami.ResourceType(t.Resource)), Value: ptr(t.Value),
			})
		}
		return nil
	})
	return out, err
}
