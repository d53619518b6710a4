package metadb_test

import (
	"path/filepath"
	"testing"

	"origami"
	"origami/internal/metadb"
)

func TestSmoke(t *testing.T) {
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x ?#%.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	img := &origami.Image{ID: origami.NewImageID(), Region: "r", Owner: "1", Name: "n", State: "available"}
	if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutImage(img) }); err != nil {
		t.Fatal(err)
	}
	db.View(t.Context(), func(tx *metadb.Tx) error {
		for i, err := range tx.Images(metadb.Query{Region: "r", Viewer: "1"}) {
			t.Log(i, err)
		}
		for i, err := range tx.Images(metadb.Query{Region: "r", Viewer: "1", Filters: []origami.Filter{{Name: "tag:a", Values: []string{"x"}}}}) {
			t.Log(i, err)
		}
		return nil
	})
}
