package ec2server

import (
	"context"
	"iter"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeInstances lists the caller's instances by reservation.
func (s *Server) DescribeInstances(ctx context.Context, who origami.Caller, in *ec2api.DescribeInstancesInput) (*ec2api.DescribeInstancesOutput, error) {
	if in.MaxResults != nil && len(in.InstanceIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeInstances", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := instanceProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	ids, err := parseInstanceIDs(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range ids {
		q.IDs = append(q.IDs, string(id))
	}
	out := &ec2api.DescribeInstancesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := instancesExist(tx, who, ids); err != nil {
			return err
		}
		match := func(v tagged[instanceView]) bool { return instanceProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, views(tx, tx.Instances(q)), func(v instanceView) string { return string(v.ID) }, match)
		out.Reservations = wireReservations(found)
		out.NextToken = next
		return err
	})
	return out, err
}

// views completes each instance of a list.
func views(tx *metadb.Tx, seq iter.Seq2[*origami.Instance, error]) iter.Seq2[instanceView, error] {
	return func(yield func(instanceView, error) bool) {
		for i, err := range seq {
			var v instanceView
			if err == nil {
				v, err = viewInstance(tx, i)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// wireReservations groups instances by reservation, in order of their launch
// index within each.
func wireReservations(found []tagged[instanceView]) []ec2api.Reservation {
	slices.SortStableFunc(found, func(a, b tagged[instanceView]) int {
		if c := strings.Compare(string(a.noun.Reservation), string(b.noun.Reservation)); c != 0 {
			return c
		}
		return a.noun.LaunchIndex - b.noun.LaunchIndex
	})
	var out []ec2api.Reservation
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].noun.Reservation == found[0].noun.Reservation {
			n++
		}
		out = append(out, wireReservation(found[:n]))
		found = found[n:]
	}
	return out
}

// instancesExist names all instances that are not the caller's in one error.
func instancesExist(tx *metadb.Tx, who origami.Caller, ids []origami.InstanceID) error {
	var missing []string
	for _, id := range ids {
		_, err := tx.Instance(who.Region, who.Account, id)
		if isCode(err, origami.CodeInvalidInstanceIDNotFound) {
			missing = append(missing, string(id))
		} else if err != nil {
			return err
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case 1:
		return origami.NotFound(origami.InstanceID(missing[0]))
	}
	return origami.Errorf(origami.CodeInvalidInstanceIDNotFound, "The instance IDs '%s' do not exist", strings.Join(missing, ", "))
}
