package ec2server

import (
	"context"
	"iter"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// DescribeInstanceTypes lists instance types and the facts about them.
func (s *Server) DescribeInstanceTypes(_ context.Context, who origami.Caller, in *ec2api.DescribeInstanceTypesInput) (*ec2api.DescribeInstanceTypesOutput, error) {
	p, err := s.page(who, "DescribeInstanceTypes", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := typeProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	if err := untagged(typeProperties, filters); err != nil {
		return nil, err
	}
	var missing []string
	for _, name := range in.InstanceTypes {
		if _, err := instance.TypeByName(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, origami.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%.512s]", strings.Join(missing, ", "))
	}
	keep := func(t *instance.Type) bool {
		return (len(in.InstanceTypes) == 0 || slices.Contains(in.InstanceTypes, t.Name)) && typeProperties.match(filters, t, nil)
	}
	found, next := pageOf(p, instance.Types(), func(t *instance.Type) string { return t.Name }, keep)
	out := &ec2api.DescribeInstanceTypesOutput{NextToken: next}
	for _, t := range found {
		out.InstanceTypes = append(out.InstanceTypes, wireType(t))
	}
	return out, nil
}

// pageOf takes the page of a list, which is in ascending order of key, from
// what keep accepts, and the token of the next page if there is more.
func pageOf[T any](p pager, list iter.Seq[T], key func(T) string, keep func(T) bool) ([]T, *string) {
	var kept []T
	for v := range list {
		if key(v) <= p.after && p.after != "" || !keep(v) {
			continue
		}
		if p.limit > 0 && len(kept) == p.limit {
			return kept, p.next(key(kept[len(kept)-1]))
		}
		kept = append(kept, v)
	}
	return kept, nil
}
