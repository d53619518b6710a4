package metadb

import (
	"slices"
	"strings"
	"unicode/utf8"

	"origami"
)

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

// conditions are those of q on row t that a way has not answered.
func (t *table[T]) conditions(d *dialect, q Query, w way) conditions {
	var c conditions
	if t.listed != "" {
		c.add(t.listed)
	}
	if t.live != "" && q.Viewer != System {
		c.add(t.live)
	}
	if !w.seen {
		where, args := t.permitted(d.unindexed+"t.owner", q.Viewer, q.means)
		c.add(where, args...)
	}
	if len(q.Owners) > 0 {
		c.in(d.unindexed+"t.owner", texts(q.Owners))
	}
	if len(q.ExecutableBy) > 0 {
		where, args := t.executable(d, q)
		c.add(where, args...)
	}
	for n, f := range q.Filters {
		if n != w.filter {
			t.check(&c, d, q, f)
		}
	}
	return c
}

// executable divides the grantees that ExecutableBy means into those that count
// on every row, and those that count on the viewer's own.
func (q Query) executable() (open, owned []string) {
	for _, account := range q.ExecutableBy {
		switch {
		case account == string(q.Viewer):
			open = append(open, q.means...)
		case account == everybody || q.Viewer == System:
			open = append(open, account)
		default:
			owned = append(owned, account)
		}
	}
	return open, owned
}

// executable is the condition of ExecutableBy.
func (t *table[T]) executable(d *dialect, q Query) (string, []any) {
	open, owned := q.executable()
	var ways []string
	var args []any
	if len(open) > 0 {
		where, values := t.granted(open)
		ways, args = append(ways, where), append(args, values...)
	}
	if len(owned) > 0 {
		where, values := t.granted(owned)
		ways = append(ways, d.unindexed+"t.owner = ? AND "+where)
		args = append(append(args, string(q.Viewer)), values...)
	}
	return "(" + strings.Join(ways, " OR ") + ")", args
}

// check adds the condition of a filter, as far as the database knows it. What
// it excludes the filter excludes, but not the other way round.
func (t *table[T]) check(c *conditions, d *dialect, q Query, f origami.Filter) {
	var below conditions // on a row of another table
	compare := func(c *conditions, column string) bool {
		if values, ok := literals(f); ok {
			c.in(column, values)
			return true
		}
		return c.begins(column, f)
	}
	if key, ok := tagFilter(f); ok {
		below.add("g.region = t.region AND g.resource = t.id AND g.account = ?", string(q.Viewer))
		if f.Name == "tag-key" {
			if !compare(&below, "g.name") {
				return
			}
		} else {
			below.add("g.name = ?", key)
			compare(&below, "g.value")
		}
		c.add("EXISTS (SELECT 1 FROM tags g WHERE "+below.text()+")", below.args...)
		return
	}
	n, ok := t.filters[f.Name]
	switch {
	case !ok:
	case n.child == "":
		compare(c, d.unindexed+"t."+n.column)
	default:
		below.add("g.region = t.region AND g." + n.key + " = t.id")
		if compare(&below, "g."+n.value) {
			c.add("EXISTS (SELECT 1 FROM "+n.child+" g WHERE "+below.text()+")", below.args...)
		}
	}
}

// tagFilter is the key that a filter by tags looks at, "" for any.
func tagFilter(f origami.Filter) (key string, ok bool) {
	if f.Name == "tag-key" {
		return "", true
	}
	key, ok = strings.CutPrefix(f.Name, "tag:")
	return key, ok && storable([]string{key})
}

// literals are the values of a filter without patterns, each once, if the
// database can look them up.
func literals(f origami.Filter) ([]string, bool) {
	values, ok := f.Literals()
	if !ok || len(values) == 0 || len(values) > maxIDs || !storable(values) {
		return nil, false
	}
	slices.Sort(values)
	return slices.Compact(values), true
}

// begins adds the condition that column begins as one of the patterns of a
// filter does. It reports whether they begin with something.
func (c *conditions) begins(column string, f origami.Filter) bool {
	prefixes := f.Prefixes()
	if len(prefixes) == 0 || len(prefixes) > maxBranches || !storable(prefixes) || slices.Contains(prefixes, "") {
		return false
	}
	var parts []string
	var args []any
	for _, p := range prefixes {
		part := column + " >= ?"
		args = append(args, p)
		if end := beyond(p); end != "" {
			part += " AND " + column + " < ?"
			args = append(args, end)
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		c.add(parts[0], args...)
		return true
	}
	c.add("("+strings.Join(parts, " OR ")+")", args...)
	return true
}

// beyond is the first text behind all that begin with prefix, or "" if there is
// none. Text is in the order of its bytes, which is that of its characters.
func beyond(prefix string) string {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case last == utf8.MaxRune:
			continue // the character in front of it counts
		case last+1 == 0xD800:
			return prefix + "\uE000" // the surrogates are no characters
		}
		return prefix + string(last+1)
	}
	return ""
}
