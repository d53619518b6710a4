package metadb_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
)

// launchOnce does what a verb with a client token does, and returns its result.
func launchOnce(t testing.TB, db *metadb.DB, account origami.AccountID, token string, print byte, result string) (string, error) {
	var out string
	err := db.Update(t.Context(), func(tx *metadb.Tx) error {
		earlier, done, err := tx.Once(account, region, "RunInstances", token, [32]byte{print})
		if err != nil || done {
			out = earlier
			return err
		}
		out = result
		return tx.SetOnce(account, region, "RunInstances", token, [32]byte{print}, result)
	})
	return out, err
}

func TestOnce(t *testing.T) {
	eachDSN(t, func(t *testing.T, dsn string) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		db := openWith(t, metadb.Config{Clock: func() time.Time { return now }}, dsn)
		steps := []struct {
			name    string
			account origami.AccountID
			token   string
			print   byte
			result  string
			want    string
			code    origami.Code
		}{
			{"first", alice, "t", 1, "r1", "r1", ""},
			{"again", alice, "t", 1, "r2", "r1", ""},
			{"other parameters", alice, "t", 2, "r3", "", origami.CodeIdempotentParameterMismatch},
			{"other case", alice, "T", 2, "r4", "r4", ""},
			{"other account", bob, "t", 2, "r5", "r5", ""},
			{"no token", alice, "", 1, "r6", "r6", ""},
			{"no token again", alice, "", 1, "r7", "r7", ""},
		}
		for _, s := range steps {
			got, err := launchOnce(t, db, s.account, s.token, s.print, s.result)
			wantCode(t, s.name, err, s.code)
			if got != s.want {
				t.Errorf("%s: got %q, want %q", s.name, got, s.want)
			}
		}
		now = now.Add(24*time.Hour - time.Second)
		if got, err := launchOnce(t, db, alice, "t", 1, "r8"); got != "r1" || err != nil {
			t.Errorf("after almost a day: got %q, %v, want r1", got, err)
		}
		now = now.Add(time.Second)
		if got, err := launchOnce(t, db, alice, "t", 9, "r9"); got != "r9" || err != nil {
			t.Errorf("after a day: got %q, %v, want r9", got, err)
		}
	})
}

// Of many requests with one token at once, one does it and all get its result.
func TestOnceRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		var wg sync.WaitGroup
		var results sync.Map
		for n := range 16 {
			wg.Go(func() {
				got, err := launchOnce(t, db, alice, "t", 1, fmt.Sprint(n))
				if err != nil {
					t.Error(err)
				}
				results.Store(got, true)
			})
		}
		wg.Wait()
		n := 0
		results.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Errorf("%d different results, want 1", n)
		}
	})
}
