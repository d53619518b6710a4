package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

func imagesCommand() *cobra.Command {
	var t target
	var all bool
	c := &cobra.Command{
		Use:     "images",
		Short:   "List images",
		Long:    "List the images of an account. STORED, known while the service runs, is what\ntheir blocks take in the store; images share equal blocks.",
		Example: "  origami images --data-dir ~/origami\n  origami images --data-dir ~/origami --all --output json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return list(c.Context(), &t, c.OutOrStdout(), func(v *view) ([]imageRow, error) {
				return v.images(c.Context(), t.holdings(c.Context()), all)
			}, printImages)
		},
	}
	t.flags(c, true)
	c.Flags().BoolVar(&all, "all", false, "also images of others that the account may launch")
	return c
}

// imageRow is an image in a list.
type imageRow struct {
	ID           origami.ImageID      `json:"imageId"`
	Name         string               `json:"name"`
	Owner        origami.AccountID    `json:"ownerId"`
	State        origami.ImageState   `json:"state"`
	Architecture origami.Architecture `json:"architecture"`
	RootDevice   string               `json:"rootDeviceName"`
	SizeGiB      int64                `json:"sizeGiB"`               // of all its volumes
	Stored       *int64               `json:"storedBytes,omitempty"` // of the own, while the service runs
	Created      time.Time            `json:"created"`
	LastLaunched *time.Time           `json:"lastLaunched,omitempty"`
	Deprecated   *time.Time           `json:"deprecationTime,omitempty"`
	Public       bool                 `json:"public"`
	SharedWith   []origami.AccountID  `json:"sharedWith"`
	// Organizations are those and the units that it is shared with.
	Organizations []origami.OrganizationARN `json:"organizationArns,omitempty"`
	Snapshots     []origami.SnapshotID      `json:"snapshotIds"`
	Tags          origami.Tags              `json:"tags"`
}

// holdings asks the running service what is stored, and returns nil if none
// runs.
func (t *target) holdings(ctx context.Context) *localserver.Holdings {
	c, err := t.client(ctx)
	if err != nil {
		return nil
	}
	h, err := c.Holdings(ctx)
	if err != nil {
		return nil
	}
	return &h
}

// images lists the images of the account, and with all those of others.
func (v *view) images(ctx context.Context, stored *localserver.Holdings, all bool) ([]imageRow, error) {
	rows := []imageRow{}
	err := v.db.View(ctx, func(tx *metadb.Tx) error {
		q := v.query()
		if !all {
			q.Owners = []origami.AccountID{v.who.Account}
		}
		var ids []string
		for img, err := range tx.Images(q) {
			if err != nil {
				return err
			}
			rows, ids = append(rows, newImageRow(img)), append(ids, string(img.ID))
		}
		tags, err := tx.Tags(v.who.Region, v.who.Account, ids...)
		for i := range rows {
			rows[i].Tags = orEmpty(tags[string(rows[i].ID)])
		}
		return err
	})
	if stored != nil {
		for _, u := range stored.Images {
			if i := slices.IndexFunc(rows, func(r imageRow) bool { return r.ID == u.ID }); i >= 0 && !u.Unreadable {
				rows[i].Stored = &u.Stored
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b imageRow) int { return b.Created.Compare(a.Created) })
	return rows, err
}

func newImageRow(img *origami.Image) imageRow {
	r := imageRow{
		ID: img.ID, Name: img.Name, Owner: img.Owner, State: img.State, Architecture: img.Architecture,
		RootDevice: img.RootDeviceName, Created: img.Created, LastLaunched: given(img.LastLaunched),
		Deprecated: given(img.DeprecationTime), Public: img.Public,
		SharedWith: append([]origami.AccountID{}, img.SharedWith...), Organizations: img.Organizations,
		Snapshots: append([]origami.SnapshotID{}, img.Snapshots()...),
	}
	for _, d := range img.BlockDevices {
		if d.EBS != nil {
			r.SizeGiB += d.EBS.VolumeSize
		}
	}
	return r
}

// given is nil for a time that is not set.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orEmpty(t origami.Tags) origami.Tags {
	if t == nil {
		t = origami.Tags{}
	}
	return t
}

func printImages(w io.Writer, rows []imageRow) error {
	t := newTable(w, "IMAGE", "NAME", "STATE", "ARCH", "SIZE", "STORED", "CREATED", "SHARED", "SNAPSHOTS")
	for _, r := range rows {
		t.row(r.ID, r.Name, r.stateText(time.Now()), r.Architecture, fmt.Sprintf("%d GiB", r.SizeGiB),
			optionalSize(r.Stored), r.Created, r.sharedText(), joinIDs(r.Snapshots))
	}
	return t.end()
}

// stateText adds to the state that the image is out of date.
func (r *imageRow) stateText(now time.Time) string {
	if r.Deprecated != nil && !r.Deprecated.After(now) {
		return string(r.State) + ", deprecated"
	}
	return string(r.State)
}

func (r *imageRow) sharedText() string {
	switch {
	case r.Public:
		return "public"
	case len(r.SharedWith) == 1 && len(r.Organizations) == 0:
		return string(r.SharedWith[0])
	}
	var with []string
	for _, n := range []struct {
		count int
		of    string
	}{{len(r.SharedWith), "account"}, {len(r.Organizations), "organization"}} {
		switch {
		case n.count == 1:
			with = append(with, "1 "+n.of)
		case n.count > 1:
			with = append(with, fmt.Sprintf("%d %ss", n.count, n.of))
		}
	}
	return strings.Join(with, ", ")
}

func optionalSize(n *int64) string {
	if n == nil {
		return "-"
	}
	return sizeText(*n)
}

func joinIDs[ID ~string](ids []ID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, " ")
}
