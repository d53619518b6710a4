package instance

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// maxExcluded is how many volumes a request for snapshots can leave out.
const maxExcluded = 40

// SnapshotsRequest is a request for snapshots of the volumes of an instance.
type SnapshotsRequest struct {
	Instance    origami.InstanceID
	ExcludeBoot bool
	Exclude     []origami.VolumeID // data volumes to leave out
	Description string
	Tags        origami.Tags
	CopyTags    bool // of each volume to its snapshot; Tags come on top
}

// CreateSnapshots takes snapshots of the volumes of an instance of the
// caller's, all as they are at one instant, by slot. Its guest runs on.
func (s *Service) CreateSnapshots(ctx context.Context, who origami.Caller, r SnapshotsRequest) ([]*origami.Snapshot, error) {
	if err := ebs.CheckDescription(r.Description); err != nil {
		return nil, err
	}
	var vols []*origami.Volume
	err := s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		vols, err = chooseVolumes(tx, who, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	ids := make([]origami.VolumeID, len(vols))
	for n, v := range vols {
		ids[n] = v.ID
	}
	frozen, err := s.EBS.Freeze(ctx, who.Region, ids...)
	if err != nil {
		return nil, err
	}
	defer frozen.Release()
	var snaps []*origami.Snapshot
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		vols, err := chooseVolumes(tx, who, r)
		if err != nil {
			return err
		}
		tags := make(map[string]origami.Tags)
		if r.CopyTags {
			if tags, err = tx.Tags(who.Region, who.Account, texts(ids)...); err != nil {
				return err
			}
		}
		snaps = nil
		spec := ebs.SnapshotSpec{Description: r.Description, Started: s.Now().UTC()}
		for _, v := range vols {
			layer, ok := frozen.Layer(v.ID)
			if !ok {
				return origami.Errorf(origami.CodeIncorrectState, "Volume '%s' was attached while the snapshots were being created. Try again.", v.ID)
			}
			spec.Volume = v.ID
			if spec.Tags, err = mergeTags(tags[string(v.ID)], r.Tags); err != nil {
				return err
			}
			snap, err := s.EBS.AddSnapshot(tx, who, v, layer, spec)
			if err != nil {
				return err
			}
			snaps = append(snaps, snap)
		}
		return nil
	})
	return snaps, err
}

// chooseVolumes decides which volumes a request means, by slot.
func chooseVolumes(tx *metadb.Tx, who origami.Caller, r SnapshotsRequest) ([]*origami.Volume, error) {
	i, err := tx.Instance(who.Region, who.Account, r.Instance)
	if err != nil {
		return nil, err
	}
	if len(r.Exclude) > maxExcluded {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "At most %d volumes can be excluded.", maxExcluded)
	}
	if i.State != origami.InstanceRunning && i.State != origami.InstanceStopped && i.State != origami.InstanceStopping {
		return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in a state from which snapshots can be created.", i.ID)
	}
	all, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return nil, err
	}
	sortBySlot(all, i.ID)
	excluded := make(map[origami.VolumeID]bool)
	for _, id := range r.Exclude {
		excluded[id] = true
	}
	var vols []*origami.Volume
	for _, v := range all {
		root := deviceOf(v, i.ID) == i.RootDeviceName
		if root && excluded[v.ID] {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue,
				"The root volume '%s' cannot be excluded as a data volume. Use ExcludeBootVolume.", v.ID)
		}
		if !excluded[v.ID] && !(root && r.ExcludeBoot) {
			vols = append(vols, v)
		}
		delete(excluded, v.ID)
	}
	for _, id := range r.Exclude {
		if excluded[id] {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The volume '%s' is not attached to the instance '%s'.", id, i.ID)
		}
	}
	if len(vols) == 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Every volume of the instance '%s' is excluded.", i.ID)
	}
	return vols, nil
}

// mergeTags puts the tags of a request over those of a volume.
func mergeTags(volume, request origami.Tags) (origami.Tags, error) {
	all := make(origami.Tags, len(volume)+len(request))
	for k, v := range volume {
		all[k] = v
	}
	for k, v := range request {
		all[k] = v
	}
	return all, all.Validate()
}

// texts are IDs as plain strings.
func texts[S ~string](ids []S) []string {
	out := make([]string, len(ids))
	for n, id := range ids {
		out[n] = string(id)
	}
	return out
}
