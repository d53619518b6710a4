package iam

import (
	"context"
	"fmt"
	"slices"

	"origami"
	"origami/internal/metadb"
)

// OwnerAliases are the names under which an account can publish images, as
// Amazon's own accounts do.
var OwnerAliases = []string{"amazon", "aws-marketplace", "aws-backup-vault"}

// SetOwnerAlias makes an account publish its images under one of OwnerAliases;
// "" takes the alias away. Whoever runs the installation decides that.
func (s *Service) SetOwnerAlias(ctx context.Context, account origami.AccountID, alias string) error {
	if alias != "" && !slices.Contains(OwnerAliases, alias) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The alias '%.64s' is none of %v", alias, OwnerAliases)
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := accountExists(tx, account); err != nil {
			return err
		}
		return tx.SetOwnerAlias(account, alias)
	})
	if err != nil {
		return fmt.Errorf("set owner alias: %w", err)
	}
	return nil
}
