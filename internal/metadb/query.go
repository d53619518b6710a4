package metadb

import (
	"iter"
	"slices"
	"strings"

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
	// means everybody. On kinds that cannot be shared it selects nothing.
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
	total, after := 0, q.After
	page := firstPage
	if q.Expect > 0 {
		page = min(q.Expect, lastPage)
	}
	for ; ; page = min(2*page, lastPage) {
		if limit > 0 {
			page = min(limit-total, lastPage)
		}
		query, args := t.page(q, after, page)
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

// page is the statement for the next n documents of q after an ID.
//
// There are two ways to go. If a condition of q leaves few rows, the index of
// that condition finds them and visibility is checked on each. Otherwise
// visibility is what leaves few rows: the viewer's own and those granted to it
// or to all are each read in order of ID, n of each, and merged.
func (t *table[T]) page(q Query, after string, n int) (string, []any) {
	base, selective := t.conditions(q, after)
	if selective = selective || t.grants == nil || q.Viewer == System; selective {
		where, args := t.visible(q.Viewer)
		base.add(where, args...)
	}
	if selective {
		return "SELECT t.doc FROM " + t.name + " t WHERE " + base.text() + " ORDER BY t.id LIMIT ?",
			append(base.args, n)
	}

	g := t.grants
	var branches []string
	var args []any
	branch := func(from, order string, extra conditions) {
		branches = append(branches, "SELECT id FROM (SELECT t.id FROM "+from+" WHERE "+extra.text()+" AND "+base.text()+
			" ORDER BY "+order+" LIMIT ?) AS b"+string(rune('0'+len(branches))))
		args = append(append(append(args, extra.args...), base.args...), n)
	}
	granted := func(account string) {
		var c conditions
		c.add("g.region = ?", string(q.Region))
		c.add("g.account = ?", account)
		c.add("g."+g.key+" > ?", after)
		c.add("t.region = g.region AND t.id = g." + g.key)
		branch(g.name+" g, "+t.name+" t", "g."+g.key, c)
	}
	var own conditions
	own.add("t.owner = ?", string(q.Viewer))
	branch(t.name+" t", "t.id", own)
	granted(string(q.Viewer))
	granted("all")
	args = append(append([]any{string(q.Region)}, args...), n)
	return "SELECT t.doc FROM " + t.name + " t WHERE t.region = ? AND t.id IN (" +
		strings.Join(branches, " UNION ") + ") ORDER BY t.id LIMIT ?", args
}

// conditions collects the parts of a WHERE that must all hold.
type conditions struct {
	parts []string
	args  []any
}

func (c *conditions) add(part string, args ...any) {
	c.parts = append(c.parts, part)
	c.args = append(c.args, args...)
}

// in adds the condition that column has one of values.
func (c *conditions) in(column string, values []string) {
	part, args := isOneOf(column, values)
	c.add(part, args...)
}

func (c *conditions) text() string { return strings.Join(c.parts, " AND ") }

// isOneOf is the condition that column has one of values.
func isOneOf(column string, values []string) (string, []any) {
	args := make([]any, roundUp(len(values)))
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	if len(values) == 1 {
		return column + " = ?", args
	}
	return column + " IN (" + marks(len(args)) + ")", args
}

// conditions are those of q on row t, except visibility, and whether they
// leave few rows.
func (t *table[T]) conditions(q Query, after string) (conditions, bool) {
	var c conditions
	selective := false
	c.add("t.region = ?", string(q.Region))
	if after != "" {
		c.add("t.id > ?", after)
	}
	if t.listed != "" {
		c.add(t.listed)
	}
	if t.live != "" && q.Viewer != System {
		c.add(t.live)
	}
	if len(q.IDs) > 0 {
		c.in("t.id", q.IDs)
		selective = true
	}
	if len(q.Owners) > 0 {
		c.in("t.owner", texts(q.Owners))
		selective = true
	}
	if len(q.ExecutableBy) > 0 {
		part, args := isOneOf("e.account", q.ExecutableBy)
		c.add("EXISTS (SELECT 1 FROM "+t.grants.name+" e WHERE e.region = t.region AND e."+t.grants.key+" = t.id AND "+part+")", args...)
	}
	for _, f := range q.Filters {
		selective = t.narrow(&c, q, f) || selective
	}
	return c, selective
}

// narrow adds the condition of a filter, if an index knows it and all its
// values are literal. It reports whether few rows are left.
func (t *table[T]) narrow(c *conditions, q Query, f origami.Filter) bool {
	values, literal := f.Literals()
	if !literal || len(values) == 0 || len(values) > maxIDs || !storable(values) {
		return false
	}
	slices.Sort(values)
	values = slices.Compact(values)
	if key, ok := strings.CutPrefix(f.Name, "tag:"); ok {
		if !storable([]string{key}) {
			return false
		}
		part, args := isOneOf("g.value", values)
		c.add("t.id IN (SELECT g.resource FROM tags g WHERE g.region = ? AND g.account = ? AND g.name = ? AND "+part+")",
			append([]any{string(q.Region), string(q.Viewer), key}, args...)...)
		return true
	}
	if f.Name == "tag-key" {
		part, args := isOneOf("g.name", values)
		c.add("t.id IN (SELECT g.resource FROM tags g WHERE g.region = ? AND g.account = ? AND "+part+")",
			append([]any{string(q.Region), string(q.Viewer)}, args...)...)
		return true
	}
	n, ok := t.filters[f.Name]
	switch {
	case !ok:
		return false
	case n.child != "":
		part, args := isOneOf("g."+n.value, values)
		c.add("t.id IN (SELECT g."+n.key+" FROM "+n.child+" g WHERE g.region = ? AND "+part+")",
			append([]any{string(q.Region)}, args...)...)
	default:
		c.in("t."+n.column, values)
	}
	return n.selective
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
