package instance

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// ReplaceRootRequest asks for another root volume. Without a snapshot and an
// image the new one begins as the present one did.
type ReplaceRootRequest struct {
	Instance  origami.InstanceID
	Snapshot  origami.SnapshotID
	Image     origami.ImageID
	DeleteOld bool
	Tags      origami.Tags

	// Token and Fingerprint are as in [Launch].
	Token       string
	Fingerprint [32]byte
}

// ReplaceRoot promises to restart a running instance of the caller's with
// another root volume. It keeps its addresses and its other volumes.
func (s *Service) ReplaceRoot(ctx context.Context, who origami.Caller, r ReplaceRootRequest) (*origami.RootReplacement, error) {
	const operation = "CreateReplaceRootVolumeTask"
	var out *origami.RootReplacement
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		earlier, done, err := tx.Once(who.Account, who.Region, operation, r.Token, r.Fingerprint)
		if err != nil {
			return err
		}
		if done {
			out, err = tx.RootReplacement(who.Region, who.Account, origami.ReplaceRootTaskID(earlier))
			return err
		}
		if out, err = s.planReplacement(tx, who, r); err != nil {
			return err
		}
		if err := tx.PutRootReplacement(out); err != nil {
			return err
		}
		if err := putTags(tx, who, r.Tags, string(out.ID)); err != nil {
			return err
		}
		err = s.Queue.Add(tx, &origami.Task{
			Kind: taskReplaceRoot, Region: out.Region, Owner: out.Owner, Resource: string(out.Instance), Payload: []byte(out.ID),
		})
		if err != nil {
			return err
		}
		return tx.SetOnce(who.Account, who.Region, operation, r.Token, r.Fingerprint, string(out.ID))
	})
	return out, err
}

// planReplacement checks a request.
func (s *Service) planReplacement(tx *metadb.Tx, who origami.Caller, r ReplaceRootRequest) (*origami.RootReplacement, error) {
	if r.Snapshot != "" && r.Image != "" {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Specify either a snapshot or an image, not both.")
	}
	i, err := tx.Instance(who.Region, who.Account, r.Instance)
	if err != nil {
		return nil, err
	}
	if i.State != origami.InstanceRunning {
		return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in the 'running' state.", i.ID)
	}
	old, err := rootVolume(tx, i)
	if err != nil {
		return nil, err
	}
	lineage := []origami.VolumeID{old.ID}
	for earlier, err := range tx.RootReplacements(metadb.Query{
		Region: i.Region, Viewer: i.Owner, Filters: []origami.Filter{{Name: "instance-id", Values: []string{string(i.ID)}}},
	}) {
		if err != nil {
			return nil, err
		}
		if earlier.Instance != i.ID {
			continue
		}
		if earlier.Completed.IsZero() {
			return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The root volume of the instance '%s' is being replaced already.", i.ID)
		}
		lineage = append(lineage, earlier.OldVolume, earlier.NewVolume)
	}
	out := &origami.RootReplacement{
		ID: origami.NewReplaceRootTaskID(), Region: i.Region, Owner: i.Owner, Instance: i.ID,
		Image: r.Image, Snapshot: r.Snapshot, DeleteOld: r.DeleteOld, OldVolume: old.ID,
		State: origami.ReplacementPending, Started: s.Now().UTC(),
	}
	switch {
	case r.Image != "":
		out.Snapshot, err = s.imageRoot(tx, who, r.Image, i, old)
	case r.Snapshot != "":
		err = checkLineage(tx, who, r.Snapshot, old, lineage)
	default:
		if out.Snapshot = old.Snapshot; out.Snapshot == "" {
			err = origami.Errorf(origami.CodeInvalidParameterCombination, "The root volume of the instance '%s' was not made from a snapshot.", i.ID)
		}
	}
	if err != nil {
		return nil, err
	}
	snap, err := tx.Snapshot(who.Region, metadb.System, out.Snapshot)
	if err == nil {
		err = ebs.Usable(snap)
	}
	return out, err
}

// rootVolume is the volume at the root device of an instance. It is an error
// if there is none.
func rootVolume(tx *metadb.Tx, i *origami.Instance) (*origami.Volume, error) {
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return nil, err
	}
	for _, v := range vols {
		if deviceOf(v, i.ID) == i.RootDeviceName {
			return v, nil
		}
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue,
		"Invalid value '%s' for instanceId. Instance does not have a volume attached at root (%s)", i.ID, i.RootDeviceName)
}

// checkLineage refuses a snapshot that is not one of the instance's root
// volume, past or present.
func checkLineage(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, old *origami.Volume, lineage []origami.VolumeID) error {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return err
	}
	if snap.ID != old.Snapshot && !slices.Contains(lineage, snap.Volume) {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"The snapshot '%s' was not made of the root volume of the instance.", id)
	}
	return nil
}

// imageRoot is the snapshot of the root volume of an image that an instance
// can go on with.
func (s *Service) imageRoot(tx *metadb.Tx, who origami.Caller, id origami.ImageID, i *origami.Instance, old *origami.Volume) (origami.SnapshotID, error) {
	img, err := s.AMI.Resolve(tx, who, id)
	if err != nil {
		return "", err
	}
	t, err := TypeByName(i.Type)
	if err != nil {
		return "", err
	}
	if err := compatible(img, t); err != nil {
		return "", err
	}
	unfit := func(what string) error {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The image '%s' does not match the instance '%s': %s.", id, i.ID, what)
	}
	root := img.Root()
	switch {
	case img.Architecture != i.Architecture:
		return "", unfit("another architecture")
	case img.VirtualizationType != i.VirtualizationType:
		return "", unfit("another virtualization type")
	case img.PlatformDetails != i.PlatformDetails || img.UsageOperation != i.UsageOperation:
		return "", unfit("another platform or billing")
	case i.ENASupport && !img.ENASupport:
		return "", unfit("it lacks ENA support")
	case i.SriovNetSupport != "" && img.SriovNetSupport == "":
		return "", unfit("it lacks SR-IOV support")
	case i.TPMSupport != img.TPMSupport:
		return "", unfit("another TPM support")
	case root == nil:
		return "", unfit("it has no root volume")
	case root.EBS.VolumeSize < old.Size:
		return "", unfit("its root volume is smaller than the present one")
	}
	return root.EBS.Snapshot, s.Host.fits(img, t)
}
