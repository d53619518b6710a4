package ebs_test

import (
	"path/filepath"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	blockstoretest.RunIndex(t, func() blockstore.Index {
		db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return ebs.Index{DB: db}
	})
}
