package iam

import (
	"context"
	"errors"

	"origami"
)

// EraseUser deletes a user of an account and everything that hangs on it:
// access keys, memberships in groups, policies. One that fails can be repeated.
func (s *Service) EraseUser(ctx context.Context, account origami.AccountID, name string) error {
	u, err := s.Identity(ctx, account, origami.KindUser, name)
	if err != nil {
		return err
	}
	keys, err := s.AccessKeys(ctx, account, name)
	if err != nil {
		return err
	}
	groups, err := s.GroupsOf(ctx, account, name)
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range keys {
		errs = append(errs, s.DeleteAccessKey(ctx, account, name, k.ID))
	}
	for _, g := range groups {
		errs = append(errs, s.SetGroup(ctx, account, name, g.Name, false))
	}
	for _, arn := range u.Attached {
		errs = append(errs, s.Detach(ctx, account, origami.KindUser, name, arn))
	}
	for policy := range u.Inline {
		errs = append(errs, s.DeleteInline(ctx, account, origami.KindUser, name, policy))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.DeleteIdentity(ctx, account, origami.KindUser, name)
}
