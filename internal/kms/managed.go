package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// EBSAlias names the key that EBS uses for an account that chose no other.
const EBSAlias = reservedPrefix + "ebs"

// managedServices lists the AWS services that have a key of their own in each
// account, and the service on whose behalf it may be used.
var managedServices = map[string]struct{ via, description string }{
	"ebs": {"ec2", "Default key that protects my EBS volumes when no other key is defined"},
}

// managed is the service whose managed key the reference means, if it is one of
// the caller's own account; else "".
func (r reference) managed(who origami.Caller) string {
	service, ok := strings.CutPrefix(r.alias, reservedPrefix)
	if _, known := managedServices[service]; !ok || !known || r.account != who.Account {
		return ""
	}
	return service
}

// managedRotation is the period in which keys of AWS services are rotated.
const managedRotation = 365

// makeManaged makes the managed key that r means, and its alias, unless they are
// there.
func (s *Service) makeManaged(tx *metadb.Tx, r reference) error {
	_, err := tx.KMSAlias(r.region, r.account, r.alias)
	if !errors.Is(err, metadb.ErrNotFound) {
		return err
	}
	service := strings.TrimPrefix(r.alias, reservedPrefix)
	m := managedServices[service]
	k := &origami.KMSKey{
		ID: origami.NewKMSKeyID(false), Region: r.region, Owner: r.account, Managed: service, Description: m.description,
		State: origami.KMSKeyEnabled, Policy: managedPolicy(r.region, r.account, m.via), RotationDays: managedRotation,
	}
	if err := s.putNew(tx, k); err != nil {
		return fmt.Errorf("make the key of %s: %w", service, err)
	}
	a := &origami.KMSAlias{Name: r.alias, Region: r.region, Owner: r.account, Key: k.ID, Created: k.Created, Updated: k.Created}
	if err := tx.PutKMSAlias(a); err != nil {
		return fmt.Errorf("make the alias of the key of %s: %w", service, err)
	}
	return nil
}

// ensureManaged is makeManaged in a transaction of its own, which is a cheap one
// once the key is there.
func (s *Service) ensureManaged(ctx context.Context, r reference) error {
	err := s.view(ctx, func(tx *metadb.Tx) error {
		_, err := tx.KMSAlias(r.region, r.account, r.alias)
		return err
	})
	if !errors.Is(err, metadb.ErrNotFound) {
		return err
	}
	return s.db.Update(ctx, func(tx *metadb.Tx) error { return s.makeManaged(tx, r) })
}
