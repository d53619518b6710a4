package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

// target is the account and region that a command is about, and how it
// answers.
type target struct {
	dir, account, region string
	output               string // "" for commands that print neither table nor JSON
}

// flags adds the flags of the target. table says that the command prints a
// table or JSON.
func (t *target) flags(c *cobra.Command, table bool) {
	dataDirFlag(c, &t.dir)
	c.Flags().StringVar(&t.account, "account", defaultAccount, "name or number of the account")
	c.Flags().StringVar(&t.region, "region", "", "region (default: the first of the installation)")
	if table {
		outputFlag(c, &t.output, "table")
	}
}

// check refuses an output that there is not.
func (t *target) check() error { return checkOutput(t.output, "table") }

// view is the database as the target's account sees it. It also works while
// the service does not run.
type view struct {
	dir dataDir
	who origami.Caller
	db  *metadb.DB
}

// open opens the view. The caller closes it.
func (t *target) open(ctx context.Context) (*view, error) {
	d, err := absolute(t.dir)
	if err != nil {
		return nil, err
	}
	e, err := d.environment(ctx, t.account, origami.Region(t.region))
	if err != nil {
		return nil, err
	}
	db, err := d.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	return &view{dir: d, who: origami.Caller{Account: e.Account, Region: e.Region}, db: db}, nil
}

func (v *view) close() error { return v.db.Close() }

// client makes a client of the running service for the target.
func (t *target) client(ctx context.Context) (*localserver.Client, error) {
	d, err := absolute(t.dir)
	if err != nil {
		return nil, err
	}
	return d.client(ctx, t.account, origami.Region(t.region))
}

// query selects all that the account may see in the region.
func (v *view) query() metadb.Query {
	return metadb.Query{Region: v.who.Region, Viewer: v.who.Account}
}

// names reads the Name tags of resources.
func (v *view) names(tx *metadb.Tx, ids []string) (map[string]string, error) {
	tags, err := tx.Tags(v.who.Region, v.who.Account, ids...)
	names := make(map[string]string, len(tags))
	for id, t := range tags {
		names[id] = t["Name"]
	}
	return names, err
}

// candidate is a resource that a word may mean.
type candidate struct {
	id    string
	names []string
}

// choose finds the one resource that a word means: by its ID, or by a name that
// no other has.
func choose(kind, word string, all []candidate) (string, error) {
	var found []string
	for _, c := range all {
		if c.id == word {
			return c.id, nil
		}
		for _, name := range c.names {
			if name != "" && name == word {
				found = append(found, c.id)
				break
			}
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no %s %q", kind, word)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q names %d %ss; use an ID: %s", word, len(found), kind, strings.Join(found, ", "))
}

// instance finds the instance that a word means. A name means an instance that
// is not terminated.
func (v *view) instance(ctx context.Context, word string) (*origami.Instance, error) {
	rows, err := v.instances(ctx, nil, true)
	if err != nil {
		return nil, err
	}
	all := make([]candidate, len(rows))
	for i, r := range rows {
		all[i] = candidate{id: string(r.ID)}
		if r.State != origami.InstanceTerminated {
			all[i].names = []string{r.Name}
		}
	}
	id, err := choose("instance", word, all)
	if err != nil {
		return nil, err
	}
	var found *origami.Instance
	err = v.db.View(ctx, func(tx *metadb.Tx) (err error) {
		found, err = tx.Instance(v.who.Region, v.who.Account, origami.InstanceID(id))
		return err
	})
	return found, plain(err)
}

// stored lists the account's images and snapshots with their names.
func (v *view) stored(ctx context.Context) (images, snapshots []candidate, err error) {
	err = v.db.View(ctx, func(tx *metadb.Tx) error {
		q := v.query()
		q.Owners = []origami.AccountID{v.who.Account}
		for img, err := range tx.Images(q) {
			if err != nil {
				return err
			}
			images = append(images, candidate{id: string(img.ID), names: []string{img.Name}})
		}
		for s, err := range tx.Snapshots(q) {
			if err != nil {
				return err
			}
			snapshots = append(snapshots, candidate{id: string(s.ID)})
		}
		return errors.Join(v.nameAll(tx, images), v.nameAll(tx, snapshots))
	})
	return images, snapshots, err
}

// nameAll adds the Name tags of candidates.
func (v *view) nameAll(tx *metadb.Tx, all []candidate) error {
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.id
	}
	names, err := v.names(tx, ids)
	for i := range all {
		all[i].names = append(all[i].names, names[all[i].id])
	}
	return err
}
