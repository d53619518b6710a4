package iam_test

import (
	"testing"

	"origami/internal/iam"
	"origami/internal/metadb"
)

// BenchmarkAuthenticate measures what every request pays: the look-up of its
// key.
func BenchmarkAuthenticate(b *testing.B) {
	db, err := metadb.Open(b.Context(), "sqlite:"+b.TempDir()+"/db")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := iam.New(db)
	_, k, err := s.CreateAccount(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), k.ID, ""); err != nil {
			b.Fatal(err)
		}
	}
}
