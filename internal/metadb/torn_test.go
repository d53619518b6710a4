package metadb_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"origami/internal/metadb"
)

// Sizes in SQLite's files, from its description of the write-ahead log.
const (
	walHeader   = 32
	frameHeader = 24
	pageSize    = 4096
)

// history is a database after some transactions: its two files, and where the
// log ended after each.
type history struct {
	dir     string // where copies are opened
	db, wal []byte
	ends    []int // of the log, after transaction n
}

// record commits transactions, each of two settings that must stay equal and
// one that grows, and keeps the files as they were before the log was folded
// into the database.
func record(t *testing.T, dir string, transactions int) *history {
	t.Helper()
	path := filepath.Join(dir, "live.db")
	db := open(t, "sqlite:"+path)
	h := &history{dir: dir}
	rng := rand.New(rand.NewPCG(1, 1))
	for n := range transactions {
		update(t, db, func(tx *metadb.Tx) error {
			value := []byte(strconv.Itoa(n))
			bulk := make([]byte, rng.IntN(9000)) // now and then more than a page
			return errors.Join(tx.PutSetting("a", value), tx.PutSetting(fmt.Sprint("bulk", n%7), bulk), tx.PutSetting("b", value))
		})
		h.ends = append(h.ends, int(mustSize(t, path+"-wal")))
	}
	h.db, h.wal = mustRead(t, path), mustRead(t, path+"-wal")
	if h.ends[0] <= walHeader || len(h.wal) < h.ends[len(h.ends)-1] {
		t.Fatalf("log of %d bytes, ends %v: it was folded too early to test anything", len(h.wal), h.ends)
	}
	return h
}

func mustSize(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reopen opens the database that a crash left in the two files, and returns
// the last transaction in it.
func (h *history) reopen(t *testing.T, db, wal []byte) int {
	t.Helper()
	path := filepath.Join(h.dir, "torn.db")
	for _, suffix := range []string{"-wal", "-shm", "-workers"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(path, db, 0o600), os.WriteFile(path+"-wal", wal, 0o600)); err != nil {
		t.Fatal(err)
	}
	found, err := metadb.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	last := -1
	view(t, found, func(tx *metadb.Tx) error {
		a, err := tx.Setting("a")
		if errors.Is(err, metadb.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := tx.Setting("b")
		if err == nil && string(a) != string(b) {
			t.Errorf("half a transaction: %s and %s", a, b)
		}
		last, _ = strconv.Atoi(string(a))
		return err
	})
	return last
}

// TestTornLog opens what power cuts leave of the write-ahead log and of the
// database while the log is folded into it. A commit syncs the log up to its
// end: beyond that, each sector of the next transaction arrived or did not, or
// is rubbish, and the file ends anywhere. Every transaction that returned is
// there, and of the next all or nothing.
//
// This takes SQLite's word that it does sync at every commit (it is told
// synchronous=FULL) and that the disk does as it is told; it shows that what we
// ask of it is enough, under torn writes, and that our opening of the database
// copes. TestKilledWriters shows the same of processes that are killed.
func TestTornLog(t *testing.T) {
	t.Parallel()
	const sector = 512
	points := 0
	h := record(t, t.TempDir(), 60)
	rng := rand.New(rand.NewPCG(2, 2))
	for range 250 {
		points++
		n := rng.IntN(len(h.ends) - 1)
		end, next := h.ends[n], h.ends[n+1]
		wal := append([]byte(nil), h.wal[:next]...)
		for at := end; at < next; at += sector {
			part := wal[at:min(at+sector, next)]
			switch rng.IntN(4) {
			case 0:
				clear(part)
			case 1:
				for i := range part {
					part[i] = byte(rng.Uint32())
				}
			}
		}
		if rng.IntN(2) == 0 {
			wal = wal[:end+rng.IntN(next-end+1)]
		}
		last := h.reopen(t, h.db, wal)
		if last != n && last != n+1 || t.Failed() {
			t.Fatalf("point %d: found transaction %d, want %d or all of the next", points, last, n)
		}
	}
	for range 150 {
		points++
		// The log is whole and synced; pages of it are being copied.
		db := append([]byte(nil), h.db...)
		for at := walHeader; at < len(h.wal); at += frameHeader + pageSize {
			page := int(binary.BigEndian.Uint32(h.wal[at:])) - 1
			if need := (page + 1) * pageSize; len(db) < need {
				if rng.IntN(2) == 0 {
					continue
				}
				db = append(db, make([]byte, need-len(db))...)
			}
			to := db[page*pageSize : (page+1)*pageSize]
			for s := 0; s < pageSize; s += sector {
				if rng.IntN(2) == 0 {
					copy(to[s:s+sector], h.wal[at+frameHeader+s:])
				}
			}
		}
		if last, want := h.reopen(t, db, h.wal), len(h.ends)-1; last != want || t.Failed() {
			t.Fatalf("point %d: found transaction %d, want %d", points, last, want)
		}
	}
	t.Logf("%d crash points", points)
}
