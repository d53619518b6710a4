package metadb

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"time"
)

// BlockLocation is where a block lies. The zero BlockLocation is nowhere.
type BlockLocation struct {
	Pack   [16]byte
	Offset int64
	Length int32
}

// PackRow describes a pack of the block store.
type PackRow struct {
	ID      [16]byte
	Class   uint8
	Domain  string
	Size    int64
	Records int
	Created time.Time // to the nanosecond
}

// BlockRow is one record of a pack.
type BlockRow struct {
	ID     [32]byte
	Offset int64
	Length int32
}

// Sizes of the statements about blocks: rows in an INSERT, and IDs in a
// SELECT, which always has the same number of marks so that one prepared
// statement serves.
const (
	insertRows = 100
	lookupIDs  = 128
)

// LookupBlocks tells where blocks of a domain lie, in the order of ids: the
// zero location for one that is not there.
func (db *DB) LookupBlocks(ctx context.Context, domain string, ids [][32]byte) ([]BlockLocation, error) {
	out := make([]BlockLocation, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	err := db.View(ctx, func(tx *Tx) error {
		number, ok, err := tx.domain(domain)
		if err != nil || !ok {
			return err
		}
		found := make(map[[32]byte]BlockLocation, len(ids))
		for some := range slices.Chunk(ids, lookupIDs) {
			if err := tx.lookup(number, some, found); err != nil {
				return err
			}
		}
		for i, id := range ids {
			out[i] = found[id]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up blocks: %w", err)
	}
	return out, nil
}

// lookup adds the locations of at most lookupIDs blocks to found.
func (tx *Tx) lookup(domain int64, ids [][32]byte, found map[[32]byte]BlockLocation) error {
	n := lookupIDs
	if len(ids) == 1 {
		n = 1
	}
	args := make([]any, 1, n+1)
	args[0] = domain
	for i := range n {
		args = append(args, ids[min(i, len(ids)-1)][:]) // repeating the last is harmless
	}
	type row struct {
		id  []byte
		loc BlockLocation
	}
	var pack []byte
	rows, err := collect(tx, func(r *sql.Rows) (row, error) {
		var b row
		err := r.Scan(&b.id, &pack, &b.loc.Offset, &b.loc.Length)
		if err == nil && (len(b.id) != 32 || copy(b.loc.Pack[:], pack) != 16) {
			err = fmt.Errorf("row of block %x is malformed", b.id)
		}
		return b, err
	}, lookupQueries[n == 1], args...)
	for _, b := range rows {
		found[[32]byte(b.id)] = b.loc
	}
	return err
}

// lookupQueries are for one ID (true) and for lookupIDs of them (false).
var lookupQueries = map[bool]string{true: lookupQuery(1), false: lookupQuery(lookupIDs)}

func lookupQuery(n int) string {
	return `SELECT b.id, p.id, b.start, b.length FROM blocks b, packs p
WHERE b.domain = ? AND b.id IN (` + marks(n) + `) AND p.number = b.pack`
}

// AddBlocks records a pack and its blocks, durably. A block that the domain
// has already keeps its location. A pack that is there already changes
// nothing.
func (db *DB) AddBlocks(ctx context.Context, pack PackRow, rows []BlockRow) error {
	err := db.Update(ctx, func(tx *Tx) error {
		_, there, err := one[int64](tx, `SELECT number FROM packs WHERE id = ?`, pack.ID[:])
		if err != nil || there {
			return err
		}
		domain, err := tx.makeDomain(pack.Domain)
		if err != nil {
			return err
		}
		last, _, err := one[int64](tx, `SELECT COALESCE(MAX(number), 0) FROM packs`)
		if err != nil {
			return err
		}
		number := last + 1
		_, err = tx.exec(`INSERT INTO packs (number, id, domain, class, size, records, created) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			number, pack.ID[:], domain, int64(pack.Class), pack.Size, pack.Records, pack.Created.UnixNano())
		if err != nil {
			return err
		}
		for some := range slices.Chunk(rows, insertRows) {
			if err := tx.insertBlocks(domain, number, some); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add blocks: %w", err)
	}
	return nil
}

func (tx *Tx) insertBlocks(domain, pack int64, rows []BlockRow) error {
	query := `INSERT INTO blocks (id, domain, pack, start, length) VALUES `
	args := make([]any, 0, 5*len(rows))
	for i := range rows {
		if i > 0 {
			query += ", "
		}
		query += "(?, ?, ?, ?, ?)"
		args = append(args, rows[i].ID[:], domain, pack, rows[i].Offset, int64(rows[i].Length))
	}
	_, err := tx.exec(query+` ON CONFLICT (id, domain) DO NOTHING`, args...)
	return err
}

// Packs yields all packs, in the order in which they were added.
func (db *DB) Packs(ctx context.Context) iter.Seq2[PackRow, error] {
	return func(yield func(PackRow, error) bool) {
		var last int64
		for {
			const n = 1000
			var packs []PackRow
			err := db.View(ctx, func(tx *Tx) (err error) {
				packs, err = collect(tx, func(r *sql.Rows) (PackRow, error) {
					var p PackRow
					var id []byte
					var created int64
					err := r.Scan(&last, &id, &p.Domain, &p.Class, &p.Size, &p.Records, &created)
					if err == nil && copy(p.ID[:], id) != 16 {
						err = fmt.Errorf("row of pack %x is malformed", id)
					}
					p.Created = time.Unix(0, created).UTC()
					return p, err
				}, `SELECT p.number, p.id, d.name, p.class, p.size, p.records, p.created
FROM packs p JOIN block_domains d ON d.number = p.domain WHERE p.number > ? ORDER BY p.number LIMIT ?`, last, n)
				return err
			})
			if err != nil {
				yield(PackRow{}, fmt.Errorf("list packs: %w", err))
				return
			}
			for _, p := range packs {
				if !yield(p, nil) {
					return
				}
			}
			if len(packs) < n {
				return
			}
		}
	}
}

// ResetBlocks removes all packs and blocks, durably.
func (db *DB) ResetBlocks(ctx context.Context) error {
	err := db.Update(ctx, func(tx *Tx) error {
		if _, err := tx.exec(`DELETE FROM blocks`); err != nil {
			return err
		}
		_, err := tx.exec(`DELETE FROM packs`)
		return err
	})
	if err != nil {
		return fmt.Errorf("reset block index: %w", err)
	}
	return nil
}

// domain is the number of a key domain, if it has one. Numbers are never
// changed or removed, so what was committed is remembered.
func (tx *Tx) domain(name string) (int64, bool, error) {
	tx.db.domainMu.Lock()
	n, ok := tx.db.domains[name]
	tx.db.domainMu.Unlock()
	if ok {
		return n, true, nil
	}
	n, ok, err := one[int64](tx, `SELECT number FROM block_domains WHERE name = ?`, name)
	if err == nil && ok {
		tx.AfterCommit(func() {
			tx.db.domainMu.Lock()
			defer tx.db.domainMu.Unlock()
			tx.db.domains[name] = n
		})
	}
	return n, ok, err
}

// makeDomain is the number of a key domain, which gets one if it has none.
func (tx *Tx) makeDomain(name string) (int64, error) {
	n, ok, err := tx.domain(name)
	if err != nil || ok {
		return n, err
	}
	last, _, err := one[int64](tx, `SELECT COALESCE(MAX(number), 0) FROM block_domains`)
	if err != nil {
		return 0, err
	}
	_, err = tx.exec(`INSERT INTO block_domains (number, name) VALUES (?, ?)`, last+1, name)
	return last + 1, err
}
