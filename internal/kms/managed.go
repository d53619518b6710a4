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

// managedService is the service whose managed key the alias names, or "".
func managedService(alias string) string {
	service, ok := strings.CutPrefix(alias, reservedPrefix)
	if _, known := managedServices[service]; !ok || !known {
		return ""
	}
	return service
}

// managedRotation is the period in which keys of AWS services are rotated.
const managedRotation = 365

// createManaged makes the managed key of a service in an account, and its
// alias.
func (s *Service) createManaged(tx *metadb.Tx, region origami.Region, owner origami.AccountID, service string) (*origami.KMSKey, error) {
	m := managedServices[service]
	k := &origami.KMSKey{
		ID: origami.NewKMSKeyID(false), Region: region, Owner: owner, Managed: service, Description: m.description,
		State: origami.KMSKeyEnabled, Policy: managedPolicy(region, owner, m.via), RotationDays: managedRotation,
	}
	if err := s.putNew(tx, k); err != nil {
		return nil, fmt.Errorf("make the key of %s: %w", service, err)
	}
	a := &origami.KMSAlias{Name: reservedPrefix + service, Region: region, Owner: owner, Key: k.ID, Created: k.Created, Updated: k.Created}
	if err := tx.PutKMSAlias(a); err != nil {
		return nil, fmt.Errorf("make the alias of the key of %s: %w", service, err)
	}
	return k, nil
}

// ensureManaged makes the managed key that r names if it is not there.
func (s *Service) ensureManaged(ctx context.Context, r reference) error {
	exists := func(tx *metadb.Tx) error {
		_, err := tx.KMSAlias(r.region, r.account, r.alias)
		return err
	}
	err := s.view(ctx, exists)
	if !errors.Is(err, metadb.ErrNotFound) {
		return err
	}
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		err := exists(tx)
		if errors.Is(err, metadb.ErrNotFound) {
			_, err = s.createManaged(tx, r.region, r.account, managedService(r.alias))
		}
		return err
	})
}
