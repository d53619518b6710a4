package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// instanceStatus is what the two status checks say of an instance: "ok" while
// its machine runs, "initializing" before, "not-applicable" otherwise.
func instanceStatus(i *origami.Instance) (status, reachability string) {
	switch i.State {
	case origami.InstanceRunning:
		return "ok", "passed"
	case origami.InstancePending:
		return "initializing", "initializing"
	}
	return "not-applicable", ""
}

func statusOf(i *origami.Instance) []string {
	status, _ := instanceStatus(i)
	return one(status)
}

func reachabilityOf(i *origami.Instance) []string {
	_, reachability := instanceStatus(i)
	return one(reachability)
}

func noEvent(*origami.Instance) []string { return nil }

// statusProperties are the filters of DescribeInstanceStatus.
var statusProperties = properties[*origami.Instance]{
	"attached-ebs-status.reachability": reachabilityOf,
	"attached-ebs-status.status":       statusOf,
	"availability-zone":                func(i *origami.Instance) []string { return one(i.Zone) },
	"availability-zone-id":             func(i *origami.Instance) []string { return one(zoneID(i.Region, i.Zone)) },
	"event.code":                       noEvent,
	"event.description":                noEvent,
	"event.instance-event-id":          noEvent,
	"event.not-after":                  noEvent,
	"event.not-before":                 noEvent,
	"event.not-before-deadline":        noEvent,
	"instance-state-code":              func(i *origami.Instance) []string { return number(i.State.Code()) },
	"instance-state-name":              func(i *origami.Instance) []string { return one(i.State) },
	"instance-status.reachability":     reachabilityOf,
	"instance-status.status":           statusOf,
	"operator.managed":                 func(*origami.Instance) []string { return boolean(false) },
	"operator.principal":               noEvent,
	"system-status.reachability":       reachabilityOf,
	"system-status.status":             statusOf,
}

// DescribeInstanceStatus tells how instances fare: the running ones, or all.
func (s *Server) DescribeInstanceStatus(ctx context.Context, who origami.Caller, in *ec2api.DescribeInstanceStatusInput) (*ec2api.DescribeInstanceStatusOutput, error) {
	if in.MaxResults != nil && len(in.InstanceIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeInstanceStatus", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := statusProperties.parse(in.Filters)
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
	out := &ec2api.DescribeInstanceStatusOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := instancesExist(tx, who, ids); err != nil {
			return err
		}
		match := func(v tagged[*origami.Instance]) bool {
			shown := v.noun.State == origami.InstanceRunning || deref(in.IncludeAllInstances)
			return shown && statusProperties.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.Instances(q), func(i *origami.Instance) string { return string(i.ID) }, match)
		for _, v := range found {
			out.InstanceStatuses = append(out.InstanceStatuses, wireStatus(v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

func wireStatus(i *origami.Instance) ec2api.InstanceStatus {
	status, reachability := instanceStatus(i)
	summary := &ec2api.InstanceStatusSummary{Status: ptr(status)}
	volumes := &ec2api.EbsStatusSummary{Status: ptr(status)}
	if reachability != "" {
		summary.Details = []ec2api.InstanceStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
		volumes.Details = []ec2api.EbsStatusDetails{{Name: ptr("reachability"), Status: ptr(reachability)}}
	}
	return ec2api.InstanceStatus{
		AttachedEbsStatus: volumes, AvailabilityZone: text(i.Zone), AvailabilityZoneId: text(zoneID(i.Region, i.Zone)),
		InstanceId: text(i.ID), InstanceState: wireState(i.State), InstanceStatus: summary, SystemStatus: summary,
	}
}
