package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"origami"
	"origami/internal/localserver"
	"origami/internal/metadb"
)

func snapshotsCommand() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:     "snapshots",
		Short:   "List snapshots",
		Long:    "List the snapshots of an account. DATA are the blocks that are not zero; STORED,\nknown while the service runs, is what they take in the store.",
		Example: "  origami snapshots --data-dir ~/origami",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return list(c.Context(), &t, c.OutOrStdout(), func(v *view) ([]snapshotRow, error) {
				return v.snapshots(c.Context(), t.holdings(c.Context()))
			}, printSnapshots)
		},
	}
	t.flags(c, true)
	return c
}

// snapshotRow is a snapshot in a list.
type snapshotRow struct {
	ID          origami.SnapshotID    `json:"snapshotId"`
	Name        string                `json:"name"`
	Description string                `json:"description"`
	Volume      origami.VolumeID      `json:"volumeId"`
	SizeGiB     int64                 `json:"sizeGiB"`
	Data        int64                 `json:"dataBytes"`
	Stored      *int64                `json:"storedBytes,omitempty"` // while the service runs
	State       origami.SnapshotState `json:"state"`
	Reason      string                `json:"stateMessage,omitempty"`
	Progress    int                   `json:"progress"` // percent
	Started     time.Time             `json:"started"`
	Images      []origami.ImageID     `json:"imageIds"` // that map it
	Tags        origami.Tags          `json:"tags"`
}

func (v *view) snapshots(ctx context.Context, stored *localserver.Holdings) ([]snapshotRow, error) {
	rows := []snapshotRow{}
	err := v.db.View(ctx, func(tx *metadb.Tx) error {
		q := v.query()
		q.Owners = []origami.AccountID{v.who.Account}
		var ids []string
		for s, err := range tx.Snapshots(q) {
			if err != nil {
				return err
			}
			rows, ids = append(rows, snapshotRow{
				ID: s.ID, Description: s.Description, Volume: s.Volume, SizeGiB: s.VolumeSize, Data: s.FullSize,
				State: s.State, Reason: s.StateMessage, Progress: s.Progress, Started: s.Started,
			}), append(ids, string(s.ID))
		}
		tags, err := tx.Tags(v.who.Region, v.who.Account, ids...)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			r.Tags = orEmpty(tags[string(r.ID)])
			r.Name = r.Tags["Name"]
			images, err := tx.ImagesWithSnapshot(v.who.Region, r.ID)
			if err != nil {
				return err
			}
			slices.Sort(images)
			r.Images = append([]origami.ImageID{}, slices.Compact(images)...)
		}
		return nil
	})
	if stored != nil {
		for _, u := range stored.Snapshots {
			if i := slices.IndexFunc(rows, func(r snapshotRow) bool { return r.ID == u.ID }); i >= 0 && !u.Unreadable {
				rows[i].Stored = &u.Stored
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b snapshotRow) int { return b.Started.Compare(a.Started) })
	return rows, err
}

func printSnapshots(w io.Writer, rows []snapshotRow) error {
	t := newTable(w, "SNAPSHOT", "NAME", "VOLUME", "SIZE", "DATA", "STORED", "STATE", "STARTED", "USED BY")
	for _, r := range rows {
		state, volume := string(r.State), string(r.Volume)
		if r.State == origami.SnapshotPending {
			state = fmt.Sprintf("%s %d %%", state, r.Progress)
		}
		if r.Volume == origami.NoVolume {
			volume = ""
		}
		t.row(r.ID, r.Name, volume, fmt.Sprintf("%d GiB", r.SizeGiB), sizeText(r.Data), optionalSize(r.Stored), state,
			r.Started, joinIDs(r.Images))
	}
	return t.end()
}
