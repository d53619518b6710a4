package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/ami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

// usage answers what the service has stored, and what the caller's volumes in
// use have read.
func (s *service) usage(ctx context.Context, who origami.Caller) (localserver.Usage, error) {
	stats := s.ebs.StoreStats()
	u := localserver.Usage{StoredBytes: stats.StoredBytes, Packs: stats.Packs, Volumes: []localserver.VolumeUsage{}}
	var vols []*origami.Volume
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for v, err := range tx.Volumes(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			vols = append(vols, v)
		}
		return nil
	})
	if err != nil {
		return u, err
	}
	for _, v := range vols {
		read, data, open, err := s.ebs.Touched(ctx, v.ID)
		if err != nil {
			return u, err
		}
		if !open {
			continue
		}
		use := localserver.VolumeUsage{Volume: v.ID, SizeGiB: v.Size, BlocksRead: read, BlocksData: data}
		if len(v.Attachments) > 0 {
			use.Instance = v.Attachments[0].Instance
		}
		u.Volumes = append(u.Volumes, use)
	}
	return u, nil
}

// accountant counts for the local door.
type accountant struct{ s *service }

func (a accountant) Usage(ctx context.Context, who origami.Caller) (*ami.Usage, error) {
	return a.s.ami.Usage(ctx, a.s.db, who)
}

func (a accountant) Deleting(ctx context.Context, who origami.Caller, images []origami.ImageID, snapshots []origami.SnapshotID) (*ami.Deletion, error) {
	return a.s.ami.Deleting(ctx, a.s.db, who, images, snapshots)
}

func usageCommand() *cobra.Command {
	var t target
	var deleting bool
	c := &cobra.Command{
		Use:   "usage [--delete IMAGE|SNAPSHOT...]",
		Short: "Show what images and snapshots take, and what deleting some would free",
		Long: `Show what the images and snapshots of an account take in the store, and how much
of their snapshots running instances have read. All counts are exact.

  SIZE         of the disks, as guests see them
  DATA         blocks that are not zero, equal ones counted once
  STORED       what these blocks and their manifests take in the store
  UNIQUE       of it, what nothing else refers to
  RECLAIMABLE  what deleting it frees: for an image, deregistering it and deleting
               those of its snapshots that no other image maps

While the key of a snapshot cannot be used, what it holds is not known: it is
shown as "?", left out of sums, and named at the end. All else is as exact as ever,
since snapshots with different keys share nothing.

With --delete, nothing is deleted: the answer is what deleting all of the given
images and snapshots would free.`,
		Example: `  origami usage --data-dir ~/origami
  origami usage --data-dir ~/origami --delete base-2026-11-20 snap-0123456789abcdef0`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := t.check(); err != nil {
				return err
			}
			if deleting {
				return t.printDeletion(c.Context(), c.OutOrStdout(), args)
			}
			if len(args) > 0 {
				return fmt.Errorf("unknown argument %q; did you mean --delete?", args[0])
			}
			return t.printUsage(c.Context(), c.OutOrStdout())
		},
	}
	t.flags(c, true)
	c.Flags().BoolVar(&deleting, "delete", false, "tell what deleting the given images and snapshots would free")
	c.ValidArgsFunction = func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return t.completeStored(c)
	}
	return c
}

// wholeUsage is the JSON of usage.
type wholeUsage struct {
	localserver.Usage
	localserver.Holdings
}

func (t *target) printUsage(ctx context.Context, w io.Writer) error {
	client, err := t.client(ctx)
	if err != nil {
		return err
	}
	var u wholeUsage
	if u.Usage, err = client.Usage(ctx); err != nil {
		return err
	}
	if u.Holdings, err = client.Holdings(ctx); err != nil {
		return err
	}
	if t.output == "json" {
		return printJSON(w, u)
	}
	return printUsage(w, u)
}

func printUsage(w io.Writer, u wholeUsage) error {
	fmt.Fprintf(w, "Store: %s in %d packs, %s of it referred to\n", sizeText(u.StoredBytes), u.Packs, sizeText(u.Referenced))
	account := bytesTable{{"all snapshots", u.Account, false}}
	if err := account.print(w, "ACCOUNT"); err != nil {
		return err
	}
	var images, snapshots bytesTable
	for _, i := range u.Images {
		images = append(images, bytesRow{string(i.ID) + " " + cell(i.Name), i.Bytes, i.Unreadable})
	}
	for _, s := range u.Snapshots {
		snapshots = append(snapshots, bytesRow{string(s.ID), s.Bytes, s.Unreadable})
	}
	if err := errors.Join(images.print(w, "IMAGE"), snapshots.print(w, "SNAPSHOT")); err != nil {
		return err
	}
	if err := printRead(w, u.Volumes); err != nil {
		return err
	}
	if len(u.Unreadable) > 0 {
		fmt.Fprintf(w, "\nNot counted, because the keys cannot be used now: %s\n", joinIDs(u.Unreadable))
	}
	return nil
}

// bytesTable is a table of what things hold.
type bytesTable []bytesRow

type bytesRow struct {
	what string
	ami.Bytes
	unknown bool // all but Logical
}

// print writes a table that is not empty, with an empty line before it.
func (rows bytesTable) print(w io.Writer, title string) error {
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w, title, "SIZE", "DATA", "STORED", "UNIQUE", "RECLAIMABLE")
	for _, r := range rows {
		if r.unknown {
			t.row(r.what, sizeText(r.Logical), "?", "?", "?", "?")
			continue
		}
		t.row(r.what, sizeText(r.Logical), sizeText(r.Data), sizeText(r.Stored), sizeText(r.Unique), sizeText(r.Reclaimable))
	}
	return t.end()
}

// printRead tells how much of their snapshots volumes have read.
func printRead(w io.Writer, volumes []localserver.VolumeUsage) error {
	if len(volumes) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w, "VOLUME", "INSTANCE", "SIZE", "READ", "OF DATA", "SHARE")
	for _, v := range volumes {
		share := 0.0
		if v.BlocksData > 0 {
			share = 100 * float64(v.BlocksRead) / float64(v.BlocksData)
		}
		t.row(v.Volume, v.Instance, fmt.Sprintf("%d GiB", v.SizeGiB), sizeText(v.BlocksRead*blockSize),
			sizeText(v.BlocksData*blockSize), fmt.Sprintf("%.0f %%", share))
	}
	return t.end()
}

// printDeletion tells what deleting would free.
func (t *target) printDeletion(ctx context.Context, w io.Writer, words []string) error {
	if len(words) == 0 {
		return errors.New("--delete needs images or snapshots")
	}
	in, err := t.deletion(ctx, words)
	if err != nil {
		return err
	}
	client, err := t.client(ctx)
	if err != nil {
		return err
	}
	d, err := client.Deleting(ctx, in)
	if err != nil {
		return err
	}
	if t.output == "json" {
		return printJSON(w, d)
	}
	least := ""
	if len(d.Unreadable) > 0 {
		least = "at least "
	}
	fmt.Fprintf(w, "Deleting these frees %s%s (%d bytes):\n\n", least, sizeText(d.Freed), d.Freed)
	for _, id := range d.Images {
		fmt.Fprintln(w, " ", id)
	}
	for _, id := range d.Snapshots {
		fmt.Fprintln(w, " ", id)
	}
	for _, id := range d.Unreadable {
		fmt.Fprintf(w, "\nWhat %s would free is not counted: its key cannot be used now.\n", id)
	}
	for _, id := range d.Kept {
		fmt.Fprintf(w, "\n%s stays: another image maps it, or it is another account's.\n", id)
	}
	return nil
}

// deletion finds the images and snapshots that words mean.
func (t *target) deletion(ctx context.Context, words []string) (localserver.DeletingRequest, error) {
	var in localserver.DeletingRequest
	v, err := t.open(ctx)
	if err != nil {
		return in, err
	}
	defer v.close()
	images, snapshots, err := v.stored(ctx)
	if err != nil {
		return in, err
	}
	for _, word := range words {
		id, err := choose("image or snapshot", word, append(images, snapshots...))
		if err != nil {
			return in, err
		}
		if origami.ResourceType(id) == "image" {
			in.Images = append(in.Images, origami.ImageID(id))
		} else {
			in.Snapshots = append(in.Snapshots, origami.SnapshotID(id))
		}
	}
	return in, nil
}

// blockSize is the unit of the block counts in usage.
const blockSize = 512 << 10
