package iam

import (
	"context"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// serviceEC2 is the name of EC2 as a principal: instances take their roles
// through it.
const serviceEC2 = "ec2.amazonaws.com"

// InstanceSession is how long credentials of an instance live.
const InstanceSession = 6 * time.Hour

// InstanceRole is the role that the instance profile of an instance hands out
// now: nil if it has none, and the error is NoSuchEntity if it is gone, though
// there may be another of its name.
func (s *Service) InstanceRole(ctx context.Context, i *origami.Instance) (*origami.Identity, error) {
	p, err := s.InstanceProfile(ctx, i.Owner, i.Profile[strings.LastIndexByte(i.Profile, '/')+1:])
	if err == nil && p.ID != i.ProfileID {
		err = origami.Errorf(CodeNoSuchEntity, "Instance Profile %s cannot be found.", i.ProfileID)
	}
	return p.Role, err
}

// AssumeForInstance makes credentials of a role for an instance, to which the
// metadata service delivers them by version "1.0" or "2.0". The role must trust
// EC2; otherwise the error is AccessDenied.
func (s *Service) AssumeForInstance(ctx context.Context, role string, i *origami.Instance, delivery string) (Temporary, error) {
	var out Temporary
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		r, err := tx.IdentityByID(role)
		if err != nil {
			return err
		}
		trust, err := trustOf(r)
		if err != nil {
			return err
		}
		keys := policy.Keys{}
		keys.Set("aws:SourceAccount", string(r.Account))
		keys.Set("aws:SourceArn", i.ARN())
		keys.Set("aws:PrincipalIsAWSService", "true")
		keys.Set("aws:PrincipalServiceName", serviceEC2)
		effect := trust.Evaluate(&policy.Request{
			Principal: policy.Principal{Service: serviceEC2}, Action: "sts:AssumeRole", Resource: r.ARN(), Keys: keys,
		})
		if effect != policy.Allow && effect != policy.AllowRole {
			return origami.Errorf(codeAccessDenied, "The role %s does not trust %s", r.ARN(), serviceEC2)
		}
		out, err = newSession(tx, origami.Session{
			Account: r.Account, Identity: r.ID, Name: string(i.ID),
			Instance: &origami.InstanceSource{ARN: i.ARN(), VPC: i.VPC, PrivateIP: i.PrivateIP, Delivery: delivery},
		}, InstanceSession)
		return err
	})
	return out, err
}
