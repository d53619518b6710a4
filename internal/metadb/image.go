package metadb

import (
	"iter"

	"origami"
)

// everybody is the account of grants that all accounts have.
const everybody = "all"

// grantees are whom grants mean.
func grantees(g origami.Grants) []string {
	out := append(texts(g.Accounts), texts(g.Organizations)...)
	if g.Public {
		out = append(out, everybody)
	}
	return out
}

var images = &table[origami.Image]{
	name: "images", prefix: "ami-",
	doc: documentOf[origami.Image](),
	key: func(i *origami.Image) (origami.Region, string, origami.AccountID) {
		return i.Region, string(i.ID), i.Owner
	},
	columns: []string{"state", "name", "live_name"},
	values: func(i *origami.Image) []any {
		var live any
		if !i.Gone() {
			live = i.Name
		}
		return []any{string(i.State), i.Name, live}
	},
	grants: &child[origami.Image]{
		name: "image_grants", key: "image", column: "account",
		values: func(i *origami.Image) []string {
			if i.State == origami.ImageBinned || i.State == origami.ImageDisabled {
				return nil // suspended, or for its owner alone
			}
			return grantees(i.Grants())
		},
	},
	organizations: true,
	children: []child[origami.Image]{{
		name: "image_snapshots", key: "image", column: "snapshot",
		values: func(i *origami.Image) []string {
			if i.Gone() {
				return nil
			}
			return texts(i.Snapshots())
		},
	}},
	listed: "t.state NOT IN ('deregistered', 'recycle-bin')",
	filters: map[string]filter{
		"image-id":                         {column: "id", selective: true},
		"name":                             {column: "name", selective: true},
		"owner-id":                         {column: "owner"},
		"state":                            {column: "state"},
		"block-device-mapping.snapshot-id": {child: "image_snapshots", key: "image", value: "snapshot", selective: true},
	},
}

// PutImage inserts an image. Its snapshots must be there already. The error is
// InvalidAMIName.Duplicate if the owner has an image of that name that is
// neither deregistered nor in the recycle bin.
func (tx *Tx) PutImage(i *origami.Image) error {
	if err := tx.imageNameFree(i); err != nil {
		return err
	}
	return images.put(tx, i)
}

// imageNameFree checks that no other image holds the name of i.
func (tx *Tx) imageNameFree(i *origami.Image) error {
	if i.Gone() {
		return nil
	}
	id, taken, err := one[string](tx,
		`SELECT id FROM images WHERE region = ? AND owner = ? AND live_name = ? AND id <> ?`,
		string(i.Region), string(i.Owner), i.Name, string(i.ID))
	if err != nil || !taken {
		return err
	}
	return origami.Errorf(origami.CodeInvalidAMINameDuplicate, "AMI name %s is already in use by AMI %s", i.Name, id)
}

// Image is the image if viewer may see it: its own, a public one, or one
// shared with it, its organization or an organizational unit that it is in;
// otherwise InvalidAMIID.NotFound. A deregistered image, or an own one in the
// recycle bin, is found too: its State says so.
func (tx *Tx) Image(region origami.Region, viewer origami.AccountID, id origami.ImageID) (*origami.Image, error) {
	return images.get(tx, region, viewer, string(id))
}

// UpdateImage changes an image by f, which returns an error to refuse. Only
// the permission to see it is not checked: f checks the rest, on the state
// that is being replaced. It returns the image as changed.
func (tx *Tx) UpdateImage(region origami.Region, id origami.ImageID, f func(*origami.Image) error) (*origami.Image, error) {
	return images.update(tx, region, string(id), func(i *origami.Image) error {
		if err := f(i); err != nil {
			return err
		}
		return tx.imageNameFree(i)
	})
}

// DeleteImage removes an image without a trace. (A deregistered image leaves
// a row for a while: that is UpdateImage.)
func (tx *Tx) DeleteImage(region origami.Region, id origami.ImageID) error {
	return images.remove(tx, region, string(id))
}

// Images yields the images that q selects, by ID, without deregistered ones
// and those in the recycle bin.
func (tx *Tx) Images(q Query) iter.Seq2[*origami.Image, error] { return images.list(tx, q) }

// AllImages yields the images of all accounts and regions, deregistered ones
// included: for recovery and collection of garbage, never for a request.
func (tx *Tx) AllImages() iter.Seq2[*origami.Image, error] { return images.all(tx) }

// CountImages counts the images of an account in a region that are neither
// deregistered nor failed. Those in the recycle bin count.
func (tx *Tx) CountImages(region origami.Region, owner origami.AccountID) (int, error) {
	// Two indexes hold the answer, and no row has to be read.
	all, _, err := one[int](tx, `SELECT COUNT(*) FROM images WHERE region = ? AND owner = ?`, string(region), string(owner))
	if err != nil {
		return 0, err
	}
	without, _, err := one[int](tx, `SELECT COUNT(*) FROM images WHERE state IN ('deregistered', 'failed') AND region = ? AND `+
		tx.db.dialect.unindexed+`owner = ?`, string(region), string(owner))
	return all - without, err
}

// CountPublicImages counts the public images of an account in a region. Those
// in the recycle bin that were public count: they will be again.
func (tx *Tx) CountPublicImages(region origami.Region, owner origami.AccountID) (int, error) {
	n, _, err := one[int](tx, `SELECT COUNT(*) FROM image_grants g CROSS JOIN images t
WHERE g.region = ? AND g.account = 'all' AND t.region = g.region AND t.id = g.image AND `+tx.db.dialect.unindexed+`t.owner = ? AND t.state <> 'deregistered'`, string(region), string(owner))
	if err != nil {
		return 0, err
	}
	binned, err := images.where(tx, `t.state = 'recycle-bin' AND t.region = ? AND `+tx.db.dialect.unindexed+`t.owner = ?`, string(region), string(owner))
	if err != nil {
		return 0, err
	}
	for _, i := range binned {
		if i.Public {
			n++
		}
	}
	return n, nil
}

// BinnedImages yields the images in the recycle bin that q selects, by ID.
func (tx *Tx) BinnedImages(q Query) iter.Seq2[*origami.Image, error] { return binnedImages.list(tx, q) }

// binnedImages are images, with a list that shows what the other hides. Only
// owners see it: the grants of images in the recycle bin are suspended.
var binnedImages = func() *table[origami.Image] {
	t := *images
	t.listed = "t.state = 'recycle-bin'"
	return &t
}()

// ImagesInState lists at most limit images of all accounts and regions in a
// state, by region and ID, behind the given one.
func (tx *Tx) ImagesInState(state origami.ImageState, region origami.Region, id origami.ImageID, limit int) ([]*origami.Image, error) {
	return collect(tx, images.scanDoc, `SELECT doc FROM images WHERE state = ? AND (region, id) > (?, ?) ORDER BY region, id LIMIT ?`,
		string(state), string(region), string(id), limit)
}

// ImagesWithSnapshot lists the images, of any owner, that map a snapshot and are
// neither deregistered nor in the recycle bin.
func (tx *Tx) ImagesWithSnapshot(region origami.Region, id origami.SnapshotID) ([]origami.ImageID, error) {
	return collect(tx, scanOne[origami.ImageID],
		`SELECT image FROM image_snapshots WHERE region = ? AND snapshot = ? ORDER BY image`, string(region), string(id))
}
