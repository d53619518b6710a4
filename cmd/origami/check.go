package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/ebs"
	"origami/internal/keywrap"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/objstore/dir"
	"origami/internal/overlay"
)

func checkCommand() *cobra.Command {
	var dir, output string
	var rebuild bool
	var root rootKeys
	c := &cobra.Command{
		Use:   "check",
		Short: "Read and verify everything that is stored, while the service does not run",
		Long: `Read every block of every snapshot, and of what volumes stand on, and compare it
with its checksum; open every volume. The service must not run.

The exit status is 1 if something is damaged. Nothing is repaired, but
--rebuild-index first makes the index of blocks anew from the packs, which are
the truth: for when the database lost it.`,
		Example: "  origami check --data-dir ~/origami --output json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output, "table"); err != nil {
				return err
			}
			d, err := absolute(dir)
			if err != nil {
				return err
			}
			if err := root.check(); err != nil {
				return err
			}
			found, err := d.check(c.Context(), root, rebuild)
			if err != nil {
				return err
			}
			if output == "json" {
				err = printJSON(c.OutOrStdout(), found)
			} else {
				err = found.print(c.OutOrStdout())
			}
			if err == nil && !found.Sound {
				err = &exitError{code: 1}
			}
			return err
		},
	}
	dataDirFlag(c, &dir)
	c.Flags().BoolVar(&rebuild, "rebuild-index", false, "make the index of blocks anew from the packs first")
	root.flags(c)
	outputFlag(c, &output, "table")
	return c
}

// checked is the answer of check.
type checked struct {
	Sound   bool          `json:"sound"`
	Packs   int64         `json:"packs"`
	Stored  int64         `json:"storedBytes"`
	Garbage int64         `json:"unknownPacks"` // left by a crash: harmless
	Rebuilt string        `json:"rebuild,omitempty"`
	Things  []checkedDisk `json:"disks"`
}

// checkedDisk is a snapshot or a volume.
type checkedDisk struct {
	ID     string          `json:"id"`
	Region origami.Region  `json:"region"`
	Bytes  int64           `json:"bytes"`
	Error  string          `json:"error,omitempty"` // why it cannot be read at all
	Damage []checkedDamage `json:"damage,omitempty"`
}

type checkedDamage struct {
	Offset int64  `json:"offset"`
	Error  string `json:"error"`
}

// checker is the storage of an installation whose service does not run.
type checker struct {
	db      *metadb.DB
	lock    *os.File
	bucket  *dir.Bucket
	store   *blockstore.Store
	volumes durable.FS
	known   map[blockstore.Root]checkedDisk // roots that were verified
	secrets ebs.Keys
	found   checked
}

// check verifies an installation.
func (d dataDir) check(ctx context.Context, root rootKeys, rebuild bool) (*checked, error) {
	c, err := d.openChecker(ctx, root)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.run(ctx, rebuild), c.close()); err != nil {
		return nil, err
	}
	return &c.found, nil
}

// openChecker opens the storage of an installation whose service does not run.
func (d dataDir) openChecker(ctx context.Context, root rootKeys) (_ *checker, err error) {
	c := &checker{known: make(map[blockstore.Root]checkedDisk)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.db, err = d.openDatabase(ctx); err != nil {
		return nil, err
	}
	if c.lock, err = d.lock(); err != nil {
		return nil, err
	}
	packs, err := durable.OS(d.path("store"))
	if err != nil {
		return nil, err
	}
	if c.volumes, err = durable.OS(d.path("volumes")); err != nil {
		return nil, err
	}
	if c.bucket, err = dir.Open(packs); err != nil {
		return nil, err
	}
	if c.secrets, err = c.keys(ctx, d, root); err != nil {
		return nil, err
	}
	c.store, err = blockstore.Open(ctx, blockstore.Config{Bucket: c.bucket, Index: ebs.Index{DB: c.db}, Keys: c.secrets, Logger: slog.New(slog.DiscardHandler)})
	return c, err
}

// keys finds the keys of what is encrypted. Where the key on top of them is
// gone, the rest is still checked, and what is encrypted is reported.
func (c *checker) keys(ctx context.Context, d dataDir, given rootKeys) (ebs.Keys, error) {
	if wrapped, err := kms.RootName(ctx, c.db); err != nil || wrapped == "" {
		return ebs.Keys{}, err
	}
	root, err := given.open(ctx, d, c.db)
	if errors.Is(err, keywrap.ErrNoRoot) {
		return ebs.Keys{}, nil
	}
	if err != nil {
		return ebs.Keys{}, err
	}
	service, err := kms.New(ctx, kms.Config{DB: c.db, Root: root})
	if err != nil {
		return ebs.Keys{}, adviseRoot(err)
	}
	return ebs.Keys{DB: c.db, KMS: service}, nil
}

// close lets go of what is open.
func (c *checker) close() error {
	var errs []error
	if c.store != nil {
		errs = append(errs, c.store.Close())
	}
	if c.bucket != nil {
		errs = append(errs, c.bucket.Close())
	}
	if c.lock != nil {
		errs = append(errs, unlock(c.lock))
	}
	if c.db != nil {
		errs = append(errs, c.db.Close())
	}
	return errors.Join(errs...)
}

// run looks at all there is.
func (c *checker) run(ctx context.Context, rebuild bool) error {
	c.found.Sound, c.found.Things = true, []checkedDisk{}
	if rebuild {
		err := c.store.RebuildIndex(ctx)
		if errors.Is(err, blockstore.ErrCorrupt) {
			c.found.Rebuilt, c.found.Sound = err.Error(), false
		} else if err != nil {
			return err
		}
	}
	stats := c.store.Stats()
	c.found.Packs, c.found.Stored, c.found.Garbage = stats.Packs, stats.StoredBytes, stats.Garbage
	var snapshots []*origami.Snapshot
	var volumes []*origami.Volume
	err := c.db.View(ctx, func(tx *metadb.Tx) error {
		snapshots, volumes = nil, nil
		for s, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			snapshots = append(snapshots, s)
		}
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			volumes = append(volumes, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		if s.State != origami.SnapshotCompleted {
			continue // its bytes are not in the store yet, or never will be
		}
		if err := c.disk(ctx, string(s.ID), s.Region, s.Root); err != nil {
			return err
		}
	}
	for _, v := range volumes {
		if err := c.volume(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// volume opens what was written to a volume, and verifies what that stands on.
func (c *checker) volume(ctx context.Context, v *origami.Volume) error {
	label := v.Base
	dev, err := overlay.OpenWith(c.volumes, string(v.ID), overlay.Options{
		Unwrap: c.secrets.Unwrap(ctx),
		Resolve: func(l string) (disk.Image, error) {
			label = l
			root, err := blockstore.ParseRoot(l)
			if err != nil {
				return nil, err
			}
			return c.store.Image(ctx, root)
		},
	})
	switch {
	case err == nil:
		label = dev.Base()
		if err := dev.Close(); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist): // of a volume that nobody has opened yet
		c.add(checkedDisk{ID: string(v.ID), Region: v.Region, Error: err.Error()})
		return nil
	}
	return c.disk(ctx, string(v.ID), v.Region, label)
}

// disk verifies the disk of a root; the empty one is all zeros.
func (c *checker) disk(ctx context.Context, id string, region origami.Region, text string) error {
	found := checkedDisk{}
	if text != "" {
		root, err := blockstore.ParseRoot(text)
		if err != nil {
			c.add(checkedDisk{ID: id, Region: region, Error: err.Error()})
			return nil
		}
		var done bool
		if found, done = c.known[root]; !done {
			found.Bytes = root.Size
			damage, err := c.store.Verify(ctx, root)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				found.Error = err.Error()
			}
			for _, d := range damage {
				found.Damage = append(found.Damage, checkedDamage{d.Block * blockstore.BlockSize, d.Err.Error()})
			}
			c.known[root] = found
		}
	}
	found.ID, found.Region = id, region
	c.add(found)
	return nil
}

func (c *checker) add(d checkedDisk) {
	c.found.Things = append(c.found.Things, d)
	if d.Error != "" || len(d.Damage) > 0 {
		c.found.Sound = false
	}
}

// maxShown is how much damage of a disk is shown to people.
const maxShown = 10

func (c *checked) print(w io.Writer) error {
	t := newTable(w, "DISK", "REGION", "SIZE", "RESULT")
	for _, d := range c.Things {
		result := "sound"
		switch {
		case d.Error != "":
			result = d.Error
		case len(d.Damage) > 0:
			result = fmt.Sprintf("%d blocks are damaged", len(d.Damage))
		}
		t.row(d.ID, d.Region, sizeText(d.Bytes), result)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, d := range c.Things {
		for i, damage := range d.Damage {
			if i == maxShown {
				fmt.Fprintf(w, "%s: and %d more\n", d.ID, len(d.Damage)-i)
				break
			}
			fmt.Fprintf(w, "%s at %d: %s\n", d.ID, damage.Offset, damage.Error)
		}
	}
	if c.Rebuilt != "" {
		fmt.Fprintf(w, "Index: %s\n", c.Rebuilt)
	}
	fmt.Fprintf(w, "%d packs, %s stored", c.Packs, sizeText(c.Stored))
	if c.Garbage > 0 {
		fmt.Fprintf(w, ", %d packs that nothing refers to", c.Garbage)
	}
	_, err := fmt.Fprintln(w)
	return err
}
