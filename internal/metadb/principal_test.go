package metadb_test

import (
	"errors"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
)

func TestPrincipalExists(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error {
			created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			return errors.Join(
				tx.PutAccount(&origami.Account{ID: alice, Name: "a", Created: created}),
				tx.PutIdentity(&origami.Identity{ID: "AIDA1", Account: alice, Kind: origami.KindUser, Path: "/team/", Name: "Ann", Created: created}))
		})
		view(t, db, func(tx *metadb.Tx) error {
			for arn, want := range map[string]bool{
				"arn:aws:iam::111111111111:root":                 true,
				"arn:aws:iam::222222222222:root":                 false,
				"arn:aws:iam::111111111111:user/team/Ann":        true,
				"arn:aws:iam::111111111111:user/Ann":             false,
				"arn:aws:iam::111111111111:user/team/ann":        false,
				"arn:aws:iam::111111111111:role/team/Ann":        false,
				"arn:aws:iam::222222222222:user/team/Ann":        false,
				"arn:aws:sts::111111111111:assumed-role/any/one": true,
				"arn:aws:sts::222222222222:assumed-role/any/one": false,
				"arn:aws:iam::111111111111:user/":                false,
				"111111111111":                                   false,
				"":                                               false,
			} {
				if _, got, err := tx.PrincipalID(arn); got != want || err != nil {
					t.Errorf("%q: got %t, %v, want %t", arn, got, err, want)
				}
			}
			return nil
		})
	})
}
