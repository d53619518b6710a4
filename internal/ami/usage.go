package ami

import (
	"context"
	"slices"
	"strings"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// Bytes says what something holds. All but Logical count each record of the
// store once, however often it is referred to, and are exact.
type Bytes struct {
	Logical     int64 `json:"logicalBytes"`     // sizes of the disks
	Data        int64 `json:"dataBytes"`        // of them, that are not zero, equal blocks once
	Stored      int64 `json:"storedBytes"`      // of the records of these blocks and of their manifests
	Unique      int64 `json:"uniqueBytes"`      // stored, and nothing else refers to them
	Reclaimable int64 `json:"reclaimableBytes"` // that become garbage when this is deleted, as it can be now
}

// Usage says what the images and snapshots of an account hold in a region.
type Usage struct {
	Images    []ImageUsage    `json:"images"`
	Snapshots []SnapshotUsage `json:"snapshots"`
	// Account is all of these snapshots together. Unique is what other
	// accounts and regions do not hold; reclaimable what volumes do not hold
	// either.
	Account Bytes `json:"account"`
	// Referenced are the bytes of all records in the store that anything
	// refers to.
	Referenced int64 `json:"referencedBytes"`
	// Unreadable are the snapshots that are not counted, in Account and
	// elsewhere, because the keys that they are encrypted with cannot be used
	// now. What other accounts and volumes hold with such keys is not in
	// Referenced either.
	Unreadable []origami.SnapshotID `json:"unreadableSnapshotIds"`
}

// ImageUsage says what the snapshots of an image hold. Unique counts what
// nothing but these snapshots refers to. Reclaimable is freed when the image is
// deregistered together with those of its snapshots that no other image maps.
type ImageUsage struct {
	ID   origami.ImageID `json:"imageId"`
	Name string          `json:"name"`
	// Unreadable says that some of its snapshots are, and not counted.
	Unreadable bool `json:"unreadable,omitempty"`
	Bytes
}

// SnapshotUsage says what a snapshot holds. Reclaimable is 0 while an image
// maps it, since it cannot be deleted then.
type SnapshotUsage struct {
	ID     origami.SnapshotID `json:"snapshotId"`
	Images []origami.ImageID  `json:"imageIds"` // that map it
	// Unreadable says that what it holds is unknown, all but Logical, because
	// its key cannot be used now.
	Unreadable bool `json:"unreadable,omitempty"`
	Bytes
}

// Deletion says what deleting images and snapshots would do.
type Deletion struct {
	Images    []origami.ImageID    `json:"imageIds"`
	Snapshots []origami.SnapshotID `json:"snapshotIds"` // that would go, with their images or on their own
	Kept      []origami.SnapshotID `json:"keptSnapshotIds"`
	Freed     int64                `json:"freedBytes"`
	// Unreadable are those of Snapshots whose keys cannot be used now: what
	// they would free is not known, and not in Freed.
	Unreadable []origami.SnapshotID `json:"unreadableSnapshotIds"`
}

// accounts is everything that usage is computed of, at one instant.
type accounts struct {
	who      origami.Caller
	holdings []ebs.Holding
	shares   []blockstore.Share
	images   []*origami.Image                        // of the caller
	mappedBy map[origami.SnapshotID][]*origami.Image // by any account's images in the region
	at       map[origami.SnapshotID][]int            // positions of the snapshot's disks in holdings
	hidden   map[int]bool                            // positions of disks whose key cannot be had
	snaps    map[origami.SnapshotID]*origami.Snapshot
}

// Usage counts what the caller's images and snapshots hold.
func (s *Service) Usage(ctx context.Context, db *metadb.DB, who origami.Caller) (*Usage, error) {
	a, err := s.account(ctx, db, who)
	if err != nil {
		return nil, err
	}
	u := &Usage{Images: []ImageUsage{}, Snapshots: []SnapshotUsage{}, Unreadable: []origami.SnapshotID{}}
	for _, share := range a.shares {
		u.Referenced += share.StoredBytes
	}
	var own []origami.SnapshotID
	for _, snap := range a.ownSnapshots() {
		own = append(own, snap.ID)
		use := SnapshotUsage{ID: snap.ID, Images: []origami.ImageID{}, Unreadable: a.unreadable(snap.ID), Bytes: a.bytes(snap.ID)}
		if use.Unreadable {
			u.Unreadable = append(u.Unreadable, snap.ID)
		}
		for _, img := range a.mappedBy[snap.ID] {
			use.Images = append(use.Images, img.ID)
		}
		if len(use.Images) == 0 {
			use.Reclaimable = use.Unique
		}
		u.Snapshots = append(u.Snapshots, use)
	}
	for _, img := range a.images {
		use := ImageUsage{ID: img.ID, Name: img.Name, Unreadable: slices.ContainsFunc(img.Snapshots(), a.unreadable), Bytes: a.bytes(img.Snapshots()...)}
		use.Reclaimable = a.freed(a.goesWith(map[origami.ImageID]bool{img.ID: true}, nil))
		u.Images = append(u.Images, use)
	}
	u.Account = a.bytes(own...)
	u.Account.Reclaimable = u.Account.Unique
	u.Account.Unique = a.sum(func(h *ebs.Holding) bool {
		return !slices.ContainsFunc(h.Snapshots, func(s *origami.Snapshot) bool { return !a.mine(s) }) &&
			!slices.ContainsFunc(h.Volumes, func(v *origami.Volume) bool { return v.Owner != who.Account || v.Region != who.Region })
	}, a.disks(own))
	return u, nil
}

// Deleting tells what deleting images, each with its snapshots that no image
// left maps, and snapshots would free. As the deletion itself would be, it is
// refused for a snapshot that an image left maps.
func (s *Service) Deleting(ctx context.Context, db *metadb.DB, who origami.Caller, images []origami.ImageID, snapshots []origami.SnapshotID) (*Deletion, error) {
	a, err := s.account(ctx, db, who)
	if err != nil {
		return nil, err
	}
	d := &Deletion{Images: []origami.ImageID{}, Snapshots: []origami.SnapshotID{}, Kept: []origami.SnapshotID{}, Unreadable: []origami.SnapshotID{}}
	going := make(map[origami.ImageID]bool)
	for _, id := range images {
		if !slices.ContainsFunc(a.images, func(img *origami.Image) bool { return img.ID == id }) {
			return nil, origami.NotFound(id)
		}
		if !going[id] {
			d.Images = append(d.Images, id)
		}
		going[id] = true
	}
	for _, id := range snapshots {
		if snap := a.snaps[id]; snap == nil || !a.mine(snap) {
			return nil, origami.NotFound(id)
		}
		if img := a.left(id, going); img != nil {
			return nil, origami.Errorf(origami.CodeInvalidSnapshotInUse, "The snapshot %s is currently in use by %s", id, img.ID)
		}
	}
	d.Snapshots = append(d.Snapshots, a.goesWith(going, snapshots)...)
	for _, img := range a.images {
		for _, id := range img.Snapshots() {
			if going[img.ID] && !slices.Contains(d.Snapshots, id) && !slices.Contains(d.Kept, id) {
				d.Kept = append(d.Kept, id)
			}
		}
	}
	d.Freed = a.freed(d.Snapshots)
	for _, id := range d.Snapshots {
		if a.unreadable(id) {
			d.Unreadable = append(d.Unreadable, id)
		}
	}
	return d, nil
}

// account reads what usage is computed of.
func (s *Service) account(ctx context.Context, db *metadb.DB, who origami.Caller) (*accounts, error) {
	a := &accounts{
		who:      who,
		mappedBy: make(map[origami.SnapshotID][]*origami.Image),
		at:       make(map[origami.SnapshotID][]int),
		hidden:   make(map[int]bool),
		snaps:    make(map[origami.SnapshotID]*origami.Snapshot),
	}
	var err error
	if a.holdings, err = s.ebs.Holdings(ctx); err != nil {
		return nil, err
	}
	roots := make([]blockstore.Root, len(a.holdings))
	for i, h := range a.holdings {
		roots[i] = h.Root
		for _, snap := range h.Snapshots {
			if snap.Region == who.Region {
				a.at[snap.ID], a.snaps[snap.ID] = append(a.at[snap.ID], i), snap
			}
		}
	}
	var hidden []int
	if a.shares, hidden, err = s.ebs.Shares(ctx, roots); err != nil {
		return nil, err
	}
	for _, i := range hidden {
		a.hidden[i] = true
	}
	err = db.View(ctx, func(tx *metadb.Tx) error {
		for img, err := range tx.AllImages() {
			if err != nil {
				return err
			}
			if img.Region == who.Region && !img.Gone() {
				a.add(img)
			}
		}
		return a.pending(tx)
	})
	return a, err
}

func (a *accounts) add(img *origami.Image) {
	if img.Owner == a.who.Account {
		a.images = append(a.images, img)
	}
	for _, id := range img.Snapshots() {
		if !slices.Contains(a.mappedBy[id], img) {
			a.mappedBy[id] = append(a.mappedBy[id], img)
		}
	}
}

// pending adds the caller's snapshots that hold nothing yet, or never will.
func (a *accounts) pending(tx *metadb.Tx) error {
	q := metadb.Query{Region: a.who.Region, Viewer: a.who.Account, Owners: []origami.AccountID{a.who.Account}}
	for snap, err := range tx.Snapshots(q) {
		if err != nil {
			return err
		}
		if a.snaps[snap.ID] == nil {
			a.snaps[snap.ID] = snap
		}
	}
	return nil
}

func (a *accounts) mine(s *origami.Snapshot) bool {
	return s.Owner == a.who.Account && s.Region == a.who.Region
}

// ownSnapshots lists the caller's snapshots by ID.
func (a *accounts) ownSnapshots() []*origami.Snapshot {
	var own []*origami.Snapshot
	for _, snap := range a.snaps {
		if a.mine(snap) {
			own = append(own, snap)
		}
	}
	slices.SortFunc(own, func(x, y *origami.Snapshot) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return own
}

// left finds an image that maps a snapshot and does not go.
func (a *accounts) left(id origami.SnapshotID, going map[origami.ImageID]bool) *origami.Image {
	for _, img := range a.mappedBy[id] {
		if !going[img.ID] {
			return img
		}
	}
	return nil
}

// goesWith lists the caller's snapshots that can be deleted when images are
// gone: these, and those that the images mapped and none left does.
func (a *accounts) goesWith(going map[origami.ImageID]bool, snapshots []origami.SnapshotID) []origami.SnapshotID {
	list := slices.Clone(snapshots)
	for _, img := range a.images {
		if !going[img.ID] {
			continue
		}
		for _, id := range img.Snapshots() {
			if snap := a.snaps[id]; snap != nil && a.mine(snap) && a.left(id, going) == nil {
				list = append(list, id)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// disks marks the disks of snapshots.
func (a *accounts) disks(ids []origami.SnapshotID) map[int]bool {
	set := make(map[int]bool)
	for _, id := range ids {
		for _, i := range a.at[id] {
			set[i] = true
		}
	}
	return set
}

// unreadable reports whether what a snapshot holds is unknown, because its key
// cannot be had.
func (a *accounts) unreadable(id origami.SnapshotID) bool {
	return slices.ContainsFunc(a.at[id], func(i int) bool { return a.hidden[i] })
}

// bytes counts what snapshots hold together. Unique is what only they hold.
func (a *accounts) bytes(ids ...origami.SnapshotID) Bytes {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	var b Bytes
	for _, id := range ids {
		if snap := a.snaps[id]; snap != nil {
			b.Logical += snap.VolumeSize * ebs.GiB
		}
	}
	disks := a.disks(ids)
	for _, share := range a.shares {
		if slices.ContainsFunc(share.Disks, func(d int) bool { return disks[d] }) {
			b.Data += share.DataBytes
			b.Stored += share.StoredBytes
		}
	}
	b.Unique = a.freed(ids)
	return b
}

// freed counts the stored bytes that only these snapshots hold.
func (a *accounts) freed(ids []origami.SnapshotID) int64 {
	going := make(map[origami.SnapshotID]bool, len(ids))
	for _, id := range ids {
		going[id] = true
	}
	return a.sum(func(h *ebs.Holding) bool {
		return len(h.Volumes) == 0 && !slices.ContainsFunc(h.Snapshots, func(s *origami.Snapshot) bool {
			return s.Region != a.who.Region || !going[s.ID]
		})
	}, nil)
}

// sum counts the stored bytes of the records all of whose disks satisfy only,
// and of which one is among some, if that is not nil.
func (a *accounts) sum(only func(*ebs.Holding) bool, some map[int]bool) int64 {
	ok := make([]bool, len(a.holdings))
	for i := range a.holdings {
		ok[i] = only(&a.holdings[i])
	}
	var n int64
	for _, share := range a.shares {
		if slices.ContainsFunc(share.Disks, func(d int) bool { return !ok[d] }) {
			continue
		}
		if some == nil || slices.ContainsFunc(share.Disks, func(d int) bool { return some[d] }) {
			n += share.StoredBytes
		}
	}
	return n
}
