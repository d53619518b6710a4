package metadb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"origami"
	"origami/internal/metadb"
)

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dsn := range []string{"", "mysql://x", "sqlite:", "sqlite:" + dir + "/missing/meta.db", "sqlite:" + text, "sqlite:" + dir} {
		if db, err := metadb.Open(t.Context(), dsn); err == nil {
			db.Close()
			t.Errorf("Open(%q) succeeded", dsn)
		}
	}
	_, err := metadb.Open(t.Context(), "postgres://user:sesame@host:port/x")
	if err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a bad URL: got error %v, want one without the password", err)
	}
}

// Other users cannot read the files: they hold secret keys.
func TestFileModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a ?b#c%20d.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil { // as somebody's touch would
		t.Fatal(err)
	}
	db := open(t, "sqlite:"+path)
	update(t, db, func(tx *metadb.Tx) error { return tx.PutSetting("x", nil) })
	leave, err := db.JoinWorkers(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
		if !strings.HasPrefix(f.Name(), filepath.Base(path)) {
			t.Errorf("a file of another name: %s", f.Name())
		}
	}
	if len(files) < 3 {
		t.Errorf("%d files, want the database, its log and the lock", len(files))
	}
}

func TestUpdateRollsBack(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		no := errors.New("no")
		hooks := 0
		put := func(tx *metadb.Tx) error {
			tx.AfterCommit(func() { hooks++ })
			return tx.PutSetting("x", []byte("1"))
		}
		if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return errors.Join(put(tx), no) }); !errors.Is(err, no) {
			t.Errorf("got error %v, want %v", err, no)
		}
		func() {
			defer func() { recover() }()
			db.Update(t.Context(), func(tx *metadb.Tx) error { put(tx); panic("boom") })
		}()
		if hooks != 0 {
			t.Errorf("%d hooks ran of transactions that failed", hooks)
		}
		update(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.Setting("x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("a failed transaction left a row: %v", err)
			}
			return put(tx)
		})
		if hooks != 1 {
			t.Errorf("%d hooks ran after the commit, want 1", hooks)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Update(ctx, put); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: got error %v", err)
		}
	})
}

// A transaction in which a statement failed is not committed, even if its
// function goes on: PostgreSQL could not, so SQLite does not.
func TestBrokenTransaction(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			if err := tx.PutSetting("x", nil); err != nil {
				return err
			}
			missing := mapped(image(alice, "n"), snapshot(alice)) // a snapshot that is not there
			if err := tx.PutImage(missing); err == nil {
				t.Error("an image was put with a snapshot that does not exist")
			}
			return nil
		})
		if err == nil {
			t.Error("the transaction was committed")
		}
		view(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.Setting("x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("it left a row: %v", err)
			}
			return nil
		})
	})
}

func TestViewCannotWrite(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		err := db.View(t.Context(), func(tx *metadb.Tx) error { return tx.PutSetting("x", nil) })
		if err == nil {
			t.Error("a view changed the database")
		}
	})
}

// A view sees one state, whatever is committed meanwhile.
func TestViewIsASnapshot(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error { return tx.PutSetting("x", []byte("before")) })
		view(t, db, func(tx *metadb.Tx) error {
			for range 2 {
				got, err := tx.Setting("x")
				if err != nil || string(got) != "before" {
					t.Errorf("got %q, %v, want before", got, err)
				}
				if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutSetting("x", []byte("after")) }); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Transactions are serializable: no increment is lost.
func TestSerializable(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error { return tx.PutSetting("n", []byte("0")) })
		const workers, each = 8, 5
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range each {
					err := db.Update(t.Context(), func(tx *metadb.Tx) error {
						text, err := tx.Setting("n")
						if err != nil {
							return err
						}
						n, err := strconv.Atoi(string(text))
						if err != nil {
							return err
						}
						return tx.PutSetting("n", []byte(fmt.Sprint(n+1)))
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Setting("n")
			if want := fmt.Sprint(workers * each); string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
			return err
		})
	})
}

// A list can be used while the transaction changes what it shows.
func TestChangeWhileListing(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error {
			for n := range 10 {
				if err := tx.PutImage(image(alice, fmt.Sprint(n))); err != nil {
					return err
				}
			}
			return nil
		})
		update(t, db, func(tx *metadb.Tx) error {
			for i, err := range tx.Images(metadb.Query{Region: region, Viewer: alice}) {
				if err != nil {
					return err
				}
				if err := tx.DeleteImage(region, i.ID); err != nil {
					return err
				}
			}
			return nil
		})
		if got := imageNames(t, db, metadb.Query{Region: region, Viewer: metadb.System}); got != "" {
			t.Errorf("left: %s", got)
		}
	})
}

func TestPutIncomplete(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		for _, i := range []*origami.Image{{}, {ID: "ami-1", Region: region}, {ID: "ami-1", Owner: alice}, {Region: region, Owner: alice}} {
			if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutImage(i) }); err == nil {
				t.Errorf("put of %+v succeeded", i)
			}
		}
		i := image(alice, "n")
		update(t, db, func(tx *metadb.Tx) error { return tx.PutImage(i) })
		again := *i
		again.Name = "other"
		if err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutImage(&again) }); err == nil {
			t.Error("a second image of the same ID was put")
		}
	})
}
