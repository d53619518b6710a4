package iam

import (
	"context"
	"errors"
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

// InstanceRole is the role that an instance profile hands out now, or nil if
// the profile is gone or has none.
func (s *Service) InstanceRole(ctx context.Context, account origami.AccountID, profile string) (*origami.Identity, error) {
	p, err := s.InstanceProfile(ctx, account, profile)
	if errors.Is(err, &origami.Error{Code: codeNoSuchEntity}) {
		return nil, nil
	}
	return p.Role, err
}

// AssumeForInstance makes credentials of a role for an instance. The role must
// trust EC2; otherwise the error is AccessDenied.
func (s *Service) AssumeForInstance(ctx context.Context, role string, instance origami.InstanceID) (Temporary, error) {
	var out Temporary
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		r, err := tx.IdentityByID(role)
		if err != nil {
			return err
		}
		trust, err := parse(r.Trust, policy.Trust)
		if err != nil {
			return err
		}
		keys := policy.Keys{}
		keys.Set("aws:SourceAccount", string(r.Account))
		effect := trust.Evaluate(&policy.Request{
			Principal: policy.Principal{Service: serviceEC2}, Action: "sts:AssumeRole", Resource: r.ARN(), Keys: keys,
		})
		if effect != policy.Allow && effect != policy.AllowRole {
			return origami.Errorf(codeAccessDenied, "The role %s does not trust %s", r.ARN(), serviceEC2)
		}
		out, err = newSession(tx, origami.Session{Account: r.Account, Identity: r.ID, Name: string(instance)}, InstanceSession)
		return err
	})
	return out, err
}
