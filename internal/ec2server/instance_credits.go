package ec2server

import (
	"context"
	"errors"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// creditProperties are the filters of DescribeInstanceCreditSpecifications.
var creditProperties = properties[*origami.Instance]{
	"instance-id": func(i *origami.Instance) []string { return one(i.ID) },
}

// DescribeInstanceCreditSpecifications tells the credit option of burstable
// instances: of those named, or of all that have the option "unlimited".
func (s *Server) DescribeInstanceCreditSpecifications(ctx context.Context, who origami.Caller, in *ec2api.DescribeInstanceCreditSpecificationsInput) (*ec2api.DescribeInstanceCreditSpecificationsOutput, error) {
	if in.MaxResults != nil && len(in.InstanceIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeInstanceCreditSpecifications", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := creditProperties.parse(in.Filters)
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
	out := &ec2api.DescribeInstanceCreditSpecificationsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := haveCredits(tx, who, ids); err != nil {
			return err
		}
		match := func(v tagged[*origami.Instance]) bool {
			wanted := len(ids) > 0 || v.noun.CPUCredits == "unlimited"
			return wanted && v.noun.State != origami.InstanceTerminated && creditProperties.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.Instances(q), func(i *origami.Instance) string { return string(i.ID) }, match)
		for _, v := range found {
			out.InstanceCreditSpecifications = append(out.InstanceCreditSpecifications, ec2api.InstanceCreditSpecification{
				InstanceId: text(v.noun.ID), CpuCredits: text(v.noun.CPUCredits),
			})
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// haveCredits checks that instances exist and are burstable.
func haveCredits(tx *metadb.Tx, who origami.Caller, ids []origami.InstanceID) error {
	if err := instancesExist(tx, who, ids); err != nil {
		return err
	}
	for _, id := range ids {
		i, err := tx.Instance(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		if i.CPUCredits == "" {
			return origami.Errorf(instance.CodeCreditsUnsupported, "The instance type '%s' of the instance '%s' has no CPU credits.", i.Type, id)
		}
	}
	return nil
}

// ModifyInstanceCreditSpecification chooses the credit option of burstable
// instances, each for itself.
func (s *Server) ModifyInstanceCreditSpecification(ctx context.Context, who origami.Caller, in *ec2api.ModifyInstanceCreditSpecificationInput) (*ec2api.ModifyInstanceCreditSpecificationOutput, error) {
	if len(in.InstanceCreditSpecifications) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter InstanceCreditSpecification")
	}
	out := &ec2api.ModifyInstanceCreditSpecificationOutput{}
	for _, spec := range in.InstanceCreditSpecifications {
		if deref(spec.InstanceId) == "" || deref(spec.CpuCredits) == "" {
			return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameters InstanceId and CpuCredits of each instance")
		}
	}
	for _, spec := range in.InstanceCreditSpecifications {
		id, err := origami.ParseInstanceID(*spec.InstanceId)
		if err == nil {
			err = s.instances.SetCredits(ctx, who, id, *spec.CpuCredits)
		}
		var refused *origami.Error
		switch {
		case err == nil:
			out.SuccessfulInstanceCreditSpecifications = append(out.SuccessfulInstanceCreditSpecifications,
				ec2api.SuccessfulInstanceCreditSpecificationItem{InstanceId: text(id)})
		case errors.As(err, &refused) && refused.Code != origami.CodeInvalidParameterValue:
			out.UnsuccessfulInstanceCreditSpecifications = append(out.UnsuccessfulInstanceCreditSpecifications,
				ec2api.UnsuccessfulInstanceCreditSpecificationItem{
					InstanceId: spec.InstanceId,
					Error:      &ec2api.UnsuccessfulInstanceCreditSpecificationItemError{Code: text(refused.Code), Message: text(refused.Message)},
				})
		default:
			return nil, err
		}
	}
	return out, nil
}
