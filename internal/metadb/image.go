package metadb

import (
	"iter"

	"origami"
)

// everybody is the account of grants that all accounts have.
const everybody = "all"

// grantees are the accounts of a permission.
func grantees(public bool, accounts []origami.AccountID) []string {
	out := texts(accounts)
	if public {
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
		if i.State != origami.ImageDeregistered {
			live = i.Name
		}
		return []any{string(i.State), i.Name, live}
	},
	grants: &child[origami.Image]{
		name: "image_grants", key: "image", column: "account",
		values: func(i *origami.Image) []string { return grantees(i.Public, i.SharedWith) },
	},
	children: []child[origami.Image]{{
		name: "image_snapshots", key: "image", column: "snapshot",
		values: func(i *origami.Image) []string {
			if i.State == origami.ImageDeregistered {
				return nil
			}
			return texts(i.Snapshots())
		},
	}},
	listed: "t.state <> 'deregistered'",
	filters: map[string]filter{
		"image-id":                         {column: "id", selective: true},
		"name":                             {column: "name", selective: true},
		"owner-id":                         {column: "owner"},
		"state":                            {column: "state"},
		"block-device-mapping.snapshot-id": {child: "image_snapshots", key: "image", value: "snapshot", selective: true},
	},
}

// PutImage inserts an image. Its snapshots must be there already. The error is
// InvalidAMIName.Duplicate if the owner has an image of that name that is not
// deregistered.
func (tx *Tx) PutImage(i *origami.Image) error {
	if err := tx.imageNameFree(i); err != nil {
		return err
	}
	return images.put(tx, i)
}

// imageNameFree checks that no other image holds the name of i.
func (tx *Tx) imageNameFree(i *origami.Image) error {
	if i.State == origami.ImageDeregistered {
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
// shared with it; otherwise InvalidAMIID.NotFound. A deregistered image is
// found too: its State says so.
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

// Images yields the images that q selects, by ID, without deregistered ones.
func (tx *Tx) Images(q Query) iter.Seq2[*origami.Image, error] { return images.list(tx, q) }

// AllImages yields the images of all accounts and regions, deregistered ones
// included: for recovery and collection of garbage, never for a request.
func (tx *Tx) AllImages() iter.Seq2[*origami.Image, error] { return images.all(tx) }

// ImagesWithSnapshot lists the images, of any owner and not deregistered, that
// map a snapshot.
func (tx *Tx) ImagesWithSnapshot(region origami.Region, id origami.SnapshotID) ([]origami.ImageID, error) {
	return collect(tx, scanOne[origami.ImageID],
		`SELECT image FROM image_snapshots WHERE region = ? AND snapshot = ? ORDER BY image`, string(region), string(id))
}
