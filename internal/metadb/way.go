package metadb

import (
	"slices"
	"strings"

	"origami"
)

// A list can be found in several ways: by an index of one of its conditions, or
// by who may see it. A way goes through its rows in order of ID, so that a
// page costs as much as what is on it, wherever in the list it lies; all other
// conditions are checked on each row that the way meets. What matters is to
// take the way that meets few rows, and the engines are told which, since
// SQLite has no statistics and PostgreSQL those of yesterday.

// way is one way to find the rows of a query.
type way struct {
	branches []branch // a row is found by any of them
	filter   int      // index of the filter that it answers, or -1
	seen     bool     // what it finds is visible
	sure     bool     // it meets few rows, whatever the data
	sorted   bool     // an index has each branch in order of ID
}

// branch is a part of a way that is read by itself.
type branch struct {
	table string     // what is read: "images t", or "tags d"
	join  string     // the other tables that are needed to get to row t
	on    string     // condition of the join
	id    string     // column with the ID; where the way is not sorted, hidden from indexes
	where conditions // on table
	again bool       // a row t may be met more than once
}

// Bounds of what is thought about before a list is read.
const (
	maxBranches = 8    // values that are each a branch
	manyRows    = 1000 // how many are counted before a way is called long
)

// choose finds the shortest way to q. If there are several it counts the first
// rows of each.
func (t *table[T]) choose(tx *Tx, q Query) (way, error) {
	ways := t.ways(q)
	for i := range ways {
		if !ways[i].sorted {
			ways[i].hideID(tx.db.dialect)
		}
	}
	if len(ways) == 0 {
		return t.visibleWay(q), nil
	}
	if ways[0].sure || len(ways) == 1 && ways[0].sorted {
		return ways[0], nil
	}
	best, least := t.visibleWay(q), manyRows+1
	for _, w := range ways {
		n, err := w.count(tx, q.After)
		if err != nil {
			return way{}, err
		}
		if n < least && (w.sorted || n < manyRows) {
			best, least = w, n
		}
	}
	return best, nil
}

// hideID keeps SQLite from going in order of ID to spare itself the sorting of
// the few rows that the way meets.
func (w way) hideID(d *dialect) {
	for i := range w.branches {
		b := &w.branches[i]
		for n, part := range b.where.parts {
			if strings.HasPrefix(part, b.id+" ") {
				b.where.parts[n] = d.unindexed + part
			}
		}
		b.id = d.unindexed + b.id
	}
}

// count is how many rows a way meets behind an ID, up to manyRows.
func (w way) count(tx *Tx, after string) (int, error) {
	total := 0
	for _, b := range w.branches {
		c := b.behind(after)
		n, _, err := one[int](tx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+b.table+" WHERE "+c.text()+" "+limitTo+") AS few",
			append(c.args, manyRows-total)...)
		if err != nil {
			return 0, err
		}
		if total += n; total >= manyRows {
			break
		}
	}
	return total, nil
}

// behind is the condition of a branch on rows whose ID is greater than after.
func (b branch) behind(after string) conditions {
	c := conditions{slices.Clone(b.where.parts), slices.Clone(b.where.args)}
	if after != "" {
		c.add(b.id+" > ?", after)
	}
	return c
}

// page is the statement for the next n documents of q after an ID.
func (t *table[T]) page(d *dialect, q Query, w way, after string, n int) (string, []any) {
	rest := t.conditions(d, q, w)
	if len(w.branches) == 1 && !w.branches[0].again {
		b := w.branches[0]
		c := b.behind(after)
		return "SELECT t.doc FROM " + b.table + b.join + " WHERE " + c.text() + b.on + rest.and() + " ORDER BY " + b.id + " " + limitTo,
			append(append(c.args, rest.args...), n)
	}
	var parts []string
	args := []any{string(q.Region)}
	for i, b := range w.branches {
		c := b.behind(after)
		ids := "SELECT t.id FROM " + b.table + b.join + " WHERE " + c.text() + b.on + rest.and() + " ORDER BY " + b.id
		if b.again { // the limit is one of rows t
			ids = "SELECT DISTINCT " + b.id + " AS id FROM " + b.table + b.join + " WHERE " + c.text() + b.on + rest.and() + " ORDER BY 1"
		}
		parts = append(parts, "SELECT id FROM ("+ids+" "+limitTo+") AS b"+string(rune('0'+i)))
		args = append(append(append(args, c.args...), rest.args...), n)
	}
	return "SELECT t.doc FROM " + t.name + " t WHERE t.region = ? AND t.id IN (" +
		strings.Join(parts, " UNION ALL ") + ") ORDER BY t.id " + limitTo, append(args, n)
}

// and is the conditions as the end of a WHERE.
func (c *conditions) and() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " AND " + c.text()
}

// ways are the ways to q that its conditions open: first one that is sure, then
// those that usually meet fewer rows.
func (t *table[T]) ways(q Query) []way {
	if len(q.IDs) > 0 {
		return []way{{filter: -1, sure: true, sorted: true, branches: t.own(q, "t.id", q.IDs)}}
	}
	var out []way
	for n, f := range q.Filters {
		if w, ok := t.filterWay(q, f); ok {
			w.filter = n
			if w.sure {
				return []way{w}
			}
			out = append(out, w)
		}
	}
	if owners := texts(q.Owners); len(owners) > 0 {
		w := way{filter: -1, sorted: true}
		for some := range chunks(owners) {
			w.branches = append(w.branches, t.own(q, "t.owner", some)...)
			w.sorted = w.sorted && len(some) == 1
		}
		w.seen = len(owners) == 1 && q.Owners[0] == q.Viewer
		out = append(out, w)
	}
	if g := t.grants; g != nil && len(q.ExecutableBy) > 0 {
		w := way{filter: -1, sorted: true}
		open, owned := q.executable()
		for some := range chunks(append(open, owned...)) {
			w.branches = append(w.branches, t.child(q, g.name, g.key, g.column, some))
			w.sorted = w.sorted && len(some) == 1
		}
		out = append(out, w)
	}
	return out
}

// chunks divides values into those of the branches: one each, or all in one.
func chunks(values []string) func(yield func([]string) bool) {
	values = slices.Compact(slices.Sorted(slices.Values(values)))
	if len(values) > maxBranches {
		return slices.Chunk(values, len(values))
	}
	return slices.Chunk(values, 1)
}

// visibleWay goes by who may see a row: the viewer's own and those granted to
// it or to all.
func (t *table[T]) visibleWay(q Query) way {
	w := way{filter: -1, seen: true, sorted: true}
	if q.Viewer == System {
		w.branches = []branch{{table: t.name + " t", id: "t.id", where: conditions{[]string{"t.region = ?"}, []any{string(q.Region)}}}}
		return w
	}
	w.branches = t.own(q, "t.owner", []string{string(q.Viewer)})
	if g := t.grants; g != nil {
		for _, account := range append(slices.Clone(q.means), everybody) {
			w.branches = append(w.branches, t.child(q, g.name, g.key, g.column, []string{account}))
		}
	}
	return w
}

// own is the branch by a column of the table itself.
func (t *table[T]) own(q Query, column string, values []string) []branch {
	b := branch{table: t.name + " t", id: "t.id"}
	b.where.add("t.region = ?", string(q.Region))
	b.where.in(column, values)
	return []branch{b}
}

// child is the branch by a table that follows from this one.
func (t *table[T]) child(q Query, name, key, column string, values []string) branch {
	b := branch{table: name + " d", id: "d." + key, again: len(values) > 1}
	b.join, b.on = t.joined(b.id)
	b.where.add("d.region = ?", string(q.Region))
	b.where.in("d."+column, values)
	return b
}

// joined leads from a column with an ID to row t. CROSS JOIN is how SQLite is
// told the order of the two.
func (t *table[T]) joined(id string) (join, on string) {
	return " CROSS JOIN " + t.name + " t", " AND t.region = d.region AND t.id = " + id
}

// filterWay is the way by a filter, if an index knows it.
func (t *table[T]) filterWay(q Query, f origami.Filter) (way, bool) {
	if key, ok := tagFilter(f); ok {
		return t.tagWay(q, f, key)
	}
	n, ok := t.filters[f.Name]
	if !ok || !n.selective {
		return way{}, false
	}
	if values, ok := literals(f); ok {
		w := way{sorted: true, sure: n.column == "id"}
		for some := range chunks(values) {
			w.sorted = w.sorted && len(some) == 1
			if n.child != "" {
				w.branches = append(w.branches, t.child(q, n.child, n.key, n.value, some))
			} else {
				w.branches = append(w.branches, t.own(q, "t."+n.column, some)...)
			}
		}
		return w, true
	}
	b := branch{table: t.name + " t", id: "t.id"}
	b.where.add("t.region = ?", string(q.Region))
	if n.child != "" || !b.where.begins("t."+n.column, f) {
		return way{}, false
	}
	return way{branches: []branch{b}}, true
}

// tagWay is the way by the viewer's tags.
func (t *table[T]) tagWay(q Query, f origami.Filter, key string) (way, bool) {
	tags := func() branch {
		b := branch{table: "tags d", id: "d.resource"}
		b.join, b.on = t.joined(b.id)
		b.where.add("d.region = ?", string(q.Region))
		b.where.add("d.account = ?", string(q.Viewer))
		if t.prefix != "" {
			b.where.add("d.resource >= ?", t.prefix)
			b.where.add("d.resource < ?", beyond(t.prefix))
		}
		return b
	}
	column := "d.name"
	if f.Name != "tag-key" {
		column = "d.value"
	}
	b := tags()
	if column == "d.value" {
		b.where.add("d.name = ?", key)
	}
	values, ok := literals(f)
	if ok && column == "d.value" && len(values) <= maxBranches {
		w := way{sorted: true}
		for _, v := range values {
			b := tags()
			b.where.add("d.name = ?", key)
			b.where.add("d.value = ?", v)
			w.branches = append(w.branches, b)
		}
		return w, true
	}
	b.again = column == "d.name" && (!ok || len(values) > 1)
	if ok {
		b.where.in(column, values)
	} else if !b.where.begins(column, f) && column == "d.name" {
		return way{}, false
	}
	return way{branches: []branch{b}}, true
}
