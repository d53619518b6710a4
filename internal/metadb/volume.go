package metadb

import (
	"iter"

	"origami"
)

var volumes = &table[origami.Volume]{
	name: "volumes", prefix: "vol-",
	doc: documentOf[origami.Volume](),
	key: func(v *origami.Volume) (origami.Region, string, origami.AccountID) {
		return v.Region, string(v.ID), v.Owner
	},
	columns: []string{"state", "snapshot", "recycled", "copying", "rekeyed"},
	values: func(v *origami.Volume) []any {
		copying := origami.VolumeID("")
		if v.Copy != nil {
			copying = v.Source
		}
		rekeyed := ""
		if v.Rekeyed != nil {
			rekeyed = rekeyedTo(v.Rekeyed.From, v.KMSKey)
		}
		return []any{string(v.State), string(v.Snapshot), recycled(v.Bin), string(copying), rekeyed}
	},
	live: "t.recycled = 0",
	children: []child[origami.Volume]{{
		name: "volume_attachments", key: "volume", column: "instance", extra: "device",
		values: func(v *origami.Volume) []string {
			var out []string
			for _, a := range live(v.Attachments) {
				out = append(out, string(a.Instance))
			}
			return out
		},
		extras: func(v *origami.Volume) []string {
			var out []string
			for _, a := range live(v.Attachments) {
				out = append(out, a.Device)
			}
			return out
		},
	}},
	filters: map[string]filter{
		"volume-id":              {column: "id", selective: true},
		"snapshot-id":            {column: "snapshot", selective: true},
		"status":                 {column: "state"},
		"attachment.instance-id": {child: "volume_attachments", key: "volume", value: "instance", selective: true},
	},
}

// live are the attachments that are not detached.
func live(all []origami.Attachment) []origami.Attachment {
	var out []origami.Attachment
	for _, a := range all {
		if a.State != origami.Detached {
			out = append(out, a)
		}
	}
	return out
}

// PutVolume inserts a volume. The instances that it is attached to must be
// there already. The error is InvalidParameterValue if another volume has the
// device name on one of them.
func (tx *Tx) PutVolume(v *origami.Volume) error {
	if err := tx.devicesFree(v); err != nil {
		return err
	}
	return volumes.put(tx, v)
}

// devicesFree checks that no other volume has a device name of v.
func (tx *Tx) devicesFree(v *origami.Volume) error {
	for _, a := range live(v.Attachments) {
		_, taken, err := one[string](tx,
			`SELECT volume FROM volume_attachments WHERE region = ? AND instance = ? AND device = ? AND volume <> ?`,
			string(v.Region), string(a.Instance), a.Device, string(v.ID))
		if err != nil {
			return err
		}
		if taken {
			return origami.Errorf(origami.CodeInvalidParameterValue,
				"Invalid value '%s' for unixDevice. Attachment point %s is already in use", a.Device, a.Device)
		}
	}
	return nil
}

// Volume is viewer's volume, or InvalidVolume.NotFound.
func (tx *Tx) Volume(region origami.Region, viewer origami.AccountID, id origami.VolumeID) (*origami.Volume, error) {
	return volumes.get(tx, region, viewer, string(id))
}

// UpdateVolume changes a volume by f, as UpdateImage does an image.
func (tx *Tx) UpdateVolume(region origami.Region, id origami.VolumeID, f func(*origami.Volume) error) (*origami.Volume, error) {
	return volumes.update(tx, region, string(id), func(v *origami.Volume) error {
		if err := f(v); err != nil {
			return err
		}
		return tx.devicesFree(v)
	})
}

// RecycledVolume is the owner's volume in the Recycle Bin, or
// InvalidVolume.NotFound.
func (tx *Tx) RecycledVolume(region origami.Region, owner origami.AccountID, id origami.VolumeID) (*origami.Volume, error) {
	return recycledVolumes.get(tx, region, owner, string(id))
}

// RecycledVolumes yields the volumes of q's viewer in the Recycle Bin that q
// selects, by ID.
func (tx *Tx) RecycledVolumes(q Query) iter.Seq2[*origami.Volume, error] {
	return recycledVolumes.list(tx, q)
}

// recycledVolumes are the volumes that others do not show.
var recycledVolumes = inBin(volumes)

// rekeyedTo is how the table finds volumes that began with the same disk and have
// it encrypted with the same key.
func rekeyedTo(from, key string) string { return from + " " + key }

// VolumesRekeyed lists volumes, of any account and region, that began with a disk
// and have it encrypted with a key: some of them, by ID.
func (tx *Tx) VolumesRekeyed(from, key string, limit int) ([]*origami.Volume, error) {
	return collect(tx, volumes.scanDoc, `SELECT doc FROM volumes WHERE rekeyed = ? AND rekeyed <> '' ORDER BY region, id LIMIT ?`,
		rekeyedTo(from, key), limit)
}

// VolumeCopies lists the volumes that are being copied from one, whoever owns
// them, by ID.
func (tx *Tx) VolumeCopies(region origami.Region, source origami.VolumeID) ([]*origami.Volume, error) {
	return volumes.where(tx, `t.region = ? AND t.copying = ? AND t.copying <> ''`, string(region), string(source))
}

// CountVolumeCopies is how many copies of volumes an account has under way in a
// region.
func (tx *Tx) CountVolumeCopies(region origami.Region, owner origami.AccountID) (int, error) {
	return tx.number(`SELECT COUNT(*) FROM volumes WHERE region = ? AND owner = ? AND copying <> ''`, string(region), string(owner))
}

// DeleteVolume removes a volume.
func (tx *Tx) DeleteVolume(region origami.Region, id origami.VolumeID) error {
	return volumes.remove(tx, region, string(id))
}

// Volumes yields the volumes that q selects, by ID.
func (tx *Tx) Volumes(q Query) iter.Seq2[*origami.Volume, error] { return volumes.list(tx, q) }

// AllVolumes yields the volumes of all accounts and regions: for recovery,
// never for a request.
func (tx *Tx) AllVolumes() iter.Seq2[*origami.Volume, error] { return volumes.all(tx) }

// VolumesOf lists the volumes that are attached to an instance, by ID.
func (tx *Tx) VolumesOf(region origami.Region, id origami.InstanceID) ([]*origami.Volume, error) {
	return volumes.where(tx,
		`t.region = ? AND t.id IN (SELECT volume FROM volume_attachments WHERE region = ? AND instance = ?)`,
		string(region), string(region), string(id))
}
