package metadb

import (
	"database/sql"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"origami"
)

// PutTags gives tags to resources, in place of values that they have. The
// caller has checked the tags and that account sees the resources. The error
// is TagLimitExceeded if one of them would have more than origami.MaxTags.
func (tx *Tx) PutTags(region origami.Region, account origami.AccountID, ids []string, tags origami.Tags) error {
	if len(tags) == 0 {
		return nil
	}
	query := "INSERT INTO tags (region, account, resource, name, value) VALUES (?, ?, ?, ?, ?)" +
		strings.Repeat(", (?, ?, ?, ?, ?)", len(tags)-1) +
		" ON CONFLICT (region, account, resource, name) DO UPDATE SET value = excluded.value"
	for _, id := range ids {
		args := make([]any, 0, 5*len(tags))
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			args = append(args, string(region), string(account), id, key, tags[key])
		}
		if _, err := tx.exec(query, args...); err != nil {
			return err
		}
		n, _, err := one[int64](tx, `SELECT COUNT(*) FROM tags WHERE region = ? AND account = ? AND resource = ? AND name NOT LIKE 'aws:%'`,
			string(region), string(account), id)
		if err != nil {
			return err
		}
		if n > origami.MaxTags {
			return origami.Errorf(origami.CodeTagLimitExceeded, "The maximum number of Tags for a resource has been reached.")
		}
	}
	return nil
}

// DeleteTags takes tags away: those of the given keys, where the value equals
// unless it is nil; all if there are no keys. What is not there is no error.
// Tags of the system, which begin with "aws:", stay.
func (tx *Tx) DeleteTags(region origami.Region, account origami.AccountID, ids []string, tags map[string]*string) error {
	for _, id := range ids {
		const query = `DELETE FROM tags WHERE region = ? AND account = ? AND resource = ? AND name NOT LIKE 'aws:%'`
		if len(tags) == 0 {
			if _, err := tx.exec(query, string(region), string(account), id); err != nil {
				return err
			}
		}
		for key, value := range tags {
			q, args := query+` AND name = ?`, []any{string(region), string(account), id, key}
			if value != nil {
				q, args = q+` AND value = ?`, append(args, *value)
			}
			if _, err := tx.exec(q, args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// DropTags takes everybody's tags off a resource that is gone.
func (tx *Tx) DropTags(region origami.Region, id string) error {
	_, err := tx.exec(`DELETE FROM tags WHERE region = ? AND resource = ?`, string(region), id)
	return err
}

// DropTag takes everybody's tag of one name off a resource, one of the system
// too.
func (tx *Tx) DropTag(region origami.Region, id, name string) error {
	_, err := tx.exec(`DELETE FROM tags WHERE region = ? AND resource = ? AND name = ?`, string(region), id, name)
	return err
}

// Tags are the tags that account gave to each of the resources. One without
// tags is not in the map. Resources that are in ascending order of ID, as those
// of a list are, are read fastest.
func (tx *Tx) Tags(region origami.Region, account origami.AccountID, ids ...string) (map[string]origami.Tags, error) {
	out := make(map[string]origami.Tags, len(ids))
	if len(ids) >= fewIDs && slices.IsSorted(ids) {
		read, err := tx.tagsBetween(out, region, account, ids)
		if err != nil {
			return nil, err
		}
		ids = ids[read:]
	}
	for some := range slices.Chunk(ids, maxIDs) {
		part, args := isOneOf("resource", some)
		if _, err := tx.tagsWhere(out, part+" GROUP BY resource", append([]any{string(region), string(account)}, args...)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fewIDs is a number of IDs that are best looked up one by one.
const fewIDs = 64

// tagsBetween reads the tags of resources in ascending order, by going through
// all that lie between them. That is the shortest way if most of what lies
// there is asked for, as in a page of an account's images. It stops when that
// is not so, and returns for how many of ids it has been done.
func (tx *Tx) tagsBetween(out map[string]origami.Tags, region origami.Region, account origami.AccountID, ids []string) (int, error) {
	limit := 2 * len(ids)
	read := make(map[string]origami.Tags, len(ids))
	last, err := tx.tagsWhere(read, "resource >= ? AND resource <= ? GROUP BY resource ORDER BY resource "+limitTo,
		string(region), string(account), ids[0], ids[len(ids)-1], limit)
	if err != nil {
		return 0, err
	}
	n := len(ids)
	if len(read) == limit {
		n, _ = slices.BinarySearch(ids, last+"\x00") // behind last
	}
	for _, id := range ids[:n] {
		if tags, ok := read[id]; ok {
			out[id] = tags
		}
	}
	return n, nil
}

// tagsWhere reads the tags that a condition selects, with those of a resource
// in one row, and returns the last resource.
func (tx *Tx) tagsWhere(out map[string]origami.Tags, condition string, args ...any) (last string, err error) {
	rows, err := collect(tx, func(r *sql.Rows) (tagSet, error) {
		var s tagSet
		return s, r.Scan(&s.resource, &s.tags)
	}, "SELECT resource, CAST("+tx.db.dialect.objectOf+"(name, value) AS TEXT) FROM tags WHERE region = ? AND account = ? AND "+condition, args...)
	if err != nil {
		return "", err
	}
	for _, s := range rows {
		tags, err := readTags(s.tags)
		if err != nil {
			return "", fmt.Errorf("tags of %s: %w", s.resource, err)
		}
		out[s.resource], last = tags, s.resource
	}
	return last, nil
}

// tagSet is all tags of one resource, as a JSON object.
type tagSet struct{ resource, tags string }

// readTags reads a JSON object of texts.
func readTags(text string) (origami.Tags, error) {
	r := &docReader{text: text}
	tags := origami.Tags{}
	err := r.list('{', '}', func() error {
		key, err := r.string()
		if err != nil {
			return err
		}
		r.space()
		if !r.take(':') {
			return r.malformed()
		}
		r.space()
		tags[key], err = r.string()
		return err
	})
	return tags, err
}

// Tag is one tag of one resource.
type Tag struct {
	Resource   string // ID
	Key, Value string
}

// TagQuery selects tags of one account. Empty fields select nothing away.
type TagQuery struct {
	Region  origami.Region
	Account origami.AccountID
	// Filters narrow as those of Query do, by resource-id, key, value and
	// tag:KEY. The caller matches each tag again.
	Filters []origami.Filter
	// After is the tag that the result begins behind; its value is not
	// looked at.
	After Tag
	// Limit is the most to yield; 0 means all.
	Limit int
}

// AllTags yields the tags that q selects, by resource and key.
func (tx *Tx) AllTags(q TagQuery) iter.Seq2[Tag, error] {
	return func(yield func(Tag, error) bool) {
		after, total := q.After, 0
		for page := firstPage; ; page = min(2*page, lastPage) {
			if q.Limit > 0 {
				page = min(q.Limit-total, lastPage)
			}
			c := q.conditions(after)
			tags, err := collect(tx, scanTag, "SELECT t.resource, t.name, t.value FROM tags t WHERE "+c.text()+
				" ORDER BY t.resource, t.name "+limitTo, append(c.args, page)...)
			if err != nil {
				yield(Tag{}, err)
				return
			}
			for _, t := range tags {
				after = t
				total++
				if !yield(t, nil) {
					return
				}
			}
			if len(tags) < page || total == q.Limit {
				return
			}
		}
	}
}

// conditions are those of q on row t of tags.
func (q TagQuery) conditions(after Tag) conditions {
	var c conditions
	c.add("t.region = ?", string(q.Region))
	c.add("t.account = ?", string(q.Account))
	if after.Resource != "" {
		c.add("(t.resource, t.name) > (?, ?)", after.Resource, after.Key)
	}
	for _, f := range q.Filters {
		values, literal := f.Literals()
		if !literal || len(values) == 0 || len(values) > maxIDs || !storable(values) {
			continue
		}
		key, isTag := strings.CutPrefix(f.Name, "tag:")
		switch {
		case f.Name == "resource-id":
			c.in("t.resource", values)
		case f.Name == "key":
			c.in("t.name", values)
		case f.Name == "value":
			c.in("t.value", values)
		case isTag && storable([]string{key}):
			c.add("t.name = ?", key)
			c.in("t.value", values)
		}
	}
	return c
}

func scanTag(r *sql.Rows) (Tag, error) {
	var t Tag
	return t, r.Scan(&t.Resource, &t.Key, &t.Value)
}
