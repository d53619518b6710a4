package metadb

import (
	"iter"
	"slices"

	"origami"
)

// Query selects nouns of one kind. Region and Viewer are always needed; other
// empty fields select nothing away.
type Query struct {
	Region origami.Region
	// Viewer is who asks: only what that account may see is yielded.
	Viewer origami.AccountID
	// IDs selects by ID. One that is missing or invisible is left out: the
	// caller tells by comparing.
	IDs []string
	// Owners selects what belongs to any of these accounts.
	Owners []origami.AccountID
	// ExecutableBy selects images that any of these accounts is explicitly
	// permitted to launch, or snapshots that it may make volumes from; "all"
	// means everybody. The viewer's own number means also the organization and
	// the organizational units that it is in; other numbers find what the
	// viewer owns, since only an owner knows whom else it permitted. On kinds
	// that cannot be shared it selects nothing.
	ExecutableBy []string
	// Filters narrow the search where an index can. The result may still hold
	// nouns that the filters exclude, so the caller matches each one. Filters
	// that no index knows are ignored here.
	Filters []origami.Filter
	// After is the ID that the result begins behind, for paging.
	After string
	// Limit is the most to yield; 0 means all.
	Limit int
	// Expect is about how many will be taken before the caller stops, 0 if
	// that is not known: so many are read at first.
	Expect int

	means []string // grantees that mean Viewer: see table.means
}

// Sizes of the pieces in which lists are read. They grow, so that a short
// list costs little and a long one few statements.
const (
	firstPage = 256
	lastPage  = 4096
	maxIDs    = 512 // IDs in one statement
)

// list yields the nouns that q selects, by ID. It reads them piece by piece,
// so that the caller may use the transaction in between.
func (t *table[T]) list(tx *Tx, q Query) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		if len(q.ExecutableBy) > 0 && t.grants == nil {
			return
		}
		var err error
		if q.means, err = t.means(tx, q.Viewer); err != nil {
			yield(nil, err)
			return
		}
		if len(q.IDs) == 0 {
			t.scan(tx, q, q.Limit, yield)
			return
		}
		ids := slices.Clone(q.IDs)
		slices.Sort(ids)
		ids = slices.Compact(ids)
		left := q.Limit
		for some := range slices.Chunk(ids, maxIDs) {
			q.IDs = some
			n, ok := t.scan(tx, q, left, yield)
			if left -= n; !ok || q.Limit > 0 && left <= 0 {
				return
			}
		}
	}
}

// scan yields what q selects, at most limit if that is positive. It returns
// how many it yielded and whether to go on.
func (t *table[T]) scan(tx *Tx, q Query, limit int, yield func(*T, error) bool) (int, bool) {
	w, err := t.choose(tx, q)
	if err != nil {
		yield(nil, err)
		return 0, false
	}
	total, after := 0, q.After
	page := firstPage
	if q.Expect > 0 {
		page = min(q.Expect, lastPage)
	}
	for ; ; page = min(2*page, lastPage) {
		if limit > 0 {
			page = min(limit-total, lastPage)
		}
		query, args := t.page(tx.db.dialect, q, w, after, page)
		docs, err := collect(tx, scanOne[string], query, args...)
		if err != nil {
			yield(nil, err)
			return total, false
		}
		for _, doc := range docs {
			v, err := t.decode(doc)
			if err != nil {
				yield(nil, err)
				return total, false
			}
			_, after, _ = t.key(v)
			total++
			if !yield(v, nil) {
				return total, false
			}
		}
		if len(docs) < page || total == limit {
			return total, true
		}
	}
}

// storable reports whether text can be in the database at all.
func storable(values []string) bool {
	for _, v := range values {
		if checkText([]any{v}) != nil {
			return false
		}
	}
	return true
}

// texts are values of a string type as strings.
func texts[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
