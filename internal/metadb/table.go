package metadb

import (
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"strings"

	"origami"
)

// docVersion is the format of the JSON documents that this program writes. A
// migration rewrites older ones; so reading meets no other.
const docVersion = 1

// table says how nouns of one kind lie in the database: a row each, keyed by
// region and ID, and rows of child tables that follow from it.
type table[T any] struct {
	name     string
	doc      document[T]
	key      func(*T) (region origami.Region, id string, owner origami.AccountID)
	columns  []string          // beside region, id, owner and the document
	values   func(*T) []any    // of columns
	children []child[T]        // rows that are kept in step
	grants   *child[T]         // rows that say who else may see it; nil if nobody
	listed   string            // condition on the rows that lists show, over "t"; "" for all
	live     string            // condition on the rows that an account can see at all, over "t"; "" for all
	filters  map[string]filter // filters that narrow, by name
	prefix   string            // what its IDs begin with: "ami-"; "" if it does not matter

	organizations bool // grants name organizations and their units too
}

// child is a table whose rows follow from a noun.
type child[T any] struct {
	name   string
	key    string // its column with the noun's ID
	column string // its column with the value
	values func(*T) []string
	extra  string // one more column, or ""
	extras func(*T) []string
}

// filter is how a filter of the API narrows a list.
type filter struct {
	column    string // of the noun's table, or
	child     string // child table and
	key       string // its column with the ID and
	value     string // its column with the value
	selective bool   // an index on region, the column and the ID finds what it leaves
}

// put inserts a new noun.
func (t *table[T]) put(tx *Tx, v *T) error {
	doc, err := t.doc.encode(v)
	if err != nil {
		return err
	}
	region, id, owner := t.key(v)
	if region == "" || id == "" || owner == "" {
		return fmt.Errorf("insert into %s: region %q, id %q or owner %q is missing", t.name, region, id, owner)
	}
	columns := append([]string{"region", "id", "owner", "doc_version", "doc"}, t.columns...)
	args := append([]any{string(region), id, string(owner), docVersion, string(doc)}, t.values(v)...)
	query := "INSERT INTO " + t.name + " (" + strings.Join(columns, ", ") + ") VALUES (" + marks(len(args)) + ")"
	if _, err := tx.exec(query, args...); err != nil {
		return err
	}
	for _, c := range t.kept() {
		if err := c.put(tx, region, id, v); err != nil {
			return err
		}
	}
	return nil
}

// kept are the tables with rows that follow from a noun.
func (t *table[T]) kept() []*child[T] {
	var out []*child[T]
	for i := range t.children {
		out = append(out, &t.children[i])
	}
	if t.grants != nil {
		out = append(out, t.grants)
	}
	return out
}

// get reads a noun that viewer may see.
func (t *table[T]) get(tx *Tx, region origami.Region, viewer origami.AccountID, id string) (*T, error) {
	means, err := t.means(tx, viewer)
	if err != nil {
		return nil, err
	}
	where, args := t.visible(viewer, means)
	args = append([]any{string(region), id}, args...)
	doc, ok, err := one[string](tx, "SELECT t.doc FROM "+t.name+" t WHERE t.region = ? AND t.id = ? AND "+where, args...)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, origami.NotFound(id)
	}
	return t.decode(doc)
}

// means lists the grantees that mean viewer alone or with others, but not
// everybody. There are none where nothing is granted.
func (t *table[T]) means(tx *Tx, viewer origami.AccountID) ([]string, error) {
	switch {
	case t.grants == nil || viewer == System:
		return nil, nil
	case !t.organizations:
		return []string{string(viewer)}, nil
	}
	known, err := tx.Principals(viewer)
	return slices.Clone(known), err
}

// visible is the condition that viewer, whom some grantees mean, may see row t.
func (t *table[T]) visible(viewer origami.AccountID, means []string) (string, []any) {
	where, args := t.permitted("t.owner", viewer, means)
	if t.live != "" && viewer != System {
		where = t.live + " AND " + where
	}
	return where, args
}

// permitted is the condition that viewer, whom some grantees mean, is permitted
// to see row t, whose owner is in a column.
func (t *table[T]) permitted(owner string, viewer origami.AccountID, means []string) (string, []any) {
	if viewer == System {
		return "1 = 1", nil
	}
	if t.grants == nil {
		return owner + " = ?", []any{string(viewer)}
	}
	where, args := t.granted(append(slices.Clone(means), everybody))
	return "(" + owner + " = ? OR " + where + ")", append([]any{string(viewer)}, args...)
}

// granted is the condition that row t is granted to one of grantees.
func (t *table[T]) granted(grantees []string) (string, []any) {
	g := t.grants
	part, args := isOneOf("g.account", grantees)
	return "EXISTS (SELECT 1 FROM " + g.name + " g WHERE g.region = t.region AND g." + g.key + " = t.id AND " + part + ")", args
}

// update changes a noun by f, whoever owns it.
func (t *table[T]) update(tx *Tx, region origami.Region, id string, f func(*T) error) (*T, error) {
	doc, ok, err := one[string](tx, "SELECT doc FROM "+t.name+" WHERE region = ? AND id = ?"+tx.db.dialect.forUpdate,
		string(region), id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, origami.NotFound(id)
	}
	old, err := t.decode(doc)
	if err != nil {
		return nil, err
	}
	v, err := t.decode(doc)
	if err != nil {
		return nil, err
	}
	if err := f(v); err != nil {
		return nil, err
	}
	return v, t.replace(tx, region, id, old, v)
}

// replace writes v in place of old.
func (t *table[T]) replace(tx *Tx, region origami.Region, id string, old, v *T) error {
	r, i, owner := t.key(v)
	if _, _, was := t.key(old); r != region || i != id || owner != was {
		return fmt.Errorf("update of %s %s changes its region, id or owner", t.name, id)
	}
	doc, err := t.doc.encode(v)
	if err != nil {
		return err
	}
	set := "doc_version = ?, doc = ?"
	for _, c := range t.columns {
		set += ", " + c + " = ?"
	}
	args := append([]any{docVersion, string(doc)}, t.values(v)...)
	args = append(args, string(region), id)
	if _, err := tx.exec("UPDATE "+t.name+" SET "+set+" WHERE region = ? AND id = ?", args...); err != nil {
		return err
	}
	for _, c := range t.kept() {
		if c.same(old, v) {
			continue
		}
		if err := c.remove(tx, region, id); err != nil {
			return err
		}
		if err := c.put(tx, region, id, v); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a noun and everybody's tags on it.
func (t *table[T]) remove(tx *Tx, region origami.Region, id string) error {
	for _, c := range t.kept() {
		if err := c.remove(tx, region, id); err != nil {
			return err
		}
	}
	n, err := tx.exec("DELETE FROM "+t.name+" WHERE region = ? AND id = ?", string(region), id)
	if err != nil {
		return err
	}
	if n == 0 {
		return origami.NotFound(id)
	}
	return tx.DropTags(region, id)
}

// all yields every noun of every account and region, by region and ID.
func (t *table[T]) all(tx *Tx) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var region, id string
		for {
			const n = 500
			docs, err := collect(tx, scanOne[string], "SELECT doc FROM "+t.name+
				" WHERE (region, id) > (?, ?) ORDER BY region, id "+limitTo, region, id, n)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range docs {
				v, err := t.decode(doc)
				if err != nil {
					yield(nil, err)
					return
				}
				r, i, _ := t.key(v)
				region, id = string(r), i
				if !yield(v, nil) {
					return
				}
			}
			if len(docs) < n {
				return
			}
		}
	}
}

// where reads the nouns that a condition selects, by ID.
func (t *table[T]) where(tx *Tx, condition string, args ...any) ([]*T, error) {
	return collect(tx, t.scanDoc, "SELECT t.doc FROM "+t.name+" t WHERE "+condition+" ORDER BY t.id", args...)
}

// scanDoc reads a row of one document.
func (t *table[T]) scanDoc(r *sql.Rows) (*T, error) {
	var doc string
	if err := r.Scan(&doc); err != nil {
		return nil, err
	}
	return t.decode(doc)
}

func (t *table[T]) decode(doc string) (*T, error) {
	v, err := t.doc.decode(doc)
	if err != nil {
		return nil, fmt.Errorf("decode a document of %s: %w", t.name, err)
	}
	return v, nil
}

// put inserts the rows that follow from v.
func (c *child[T]) put(tx *Tx, region origami.Region, id string, v *T) error {
	values := c.values(v)
	var extras []string
	columns, row := "region, "+c.key+", "+c.column, "(?, ?, ?)"
	if c.extra != "" {
		extras = c.extras(v)
		columns, row = columns+", "+c.extra, "(?, ?, ?, ?)"
	}
	seen := map[string]bool{}
	for n, value := range values {
		args := []any{string(region), id, value}
		k := value
		if c.extra != "" {
			args = append(args, extras[n])
			k += "\x00" + extras[n]
		}
		if seen[k] {
			continue
		}
		seen[k] = true
		if _, err := tx.exec("INSERT INTO "+c.name+" ("+columns+") VALUES "+row, args...); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether a and b have the same rows.
func (c *child[T]) same(a, b *T) bool {
	if !slices.Equal(c.values(a), c.values(b)) {
		return false
	}
	return c.extra == "" || slices.Equal(c.extras(a), c.extras(b))
}

// remove deletes the rows of a noun.
func (c *child[T]) remove(tx *Tx, region origami.Region, id string) error {
	_, err := tx.exec("DELETE FROM "+c.name+" WHERE region = ? AND "+c.key+" = ?", string(region), id)
	return err
}
