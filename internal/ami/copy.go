package ami

import (
	"fmt"
	"strconv"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// CopyRequest is a request for a copy of an image in the caller's region.
type CopyRequest struct {
	Source       origami.ImageID
	SourceRegion origami.Region
	Name         string
	Description  string
	Encryption   ebs.Encryption
	Minutes      *int64 // in which the snapshots are to be complete; nil if that does not matter
	CopyTags     bool   // those that the caller gave the source

	Tags         origami.Tags // of the image
	SnapshotTags origami.Tags // of each of its snapshots

	// ClientToken makes the request safe to repeat; Fingerprint tells whether
	// a repetition asks for the same.
	ClientToken string
	Fingerprint [32]byte
}

// Copy promises a copy of an image that the caller may launch and whose
// snapshots it may use. The copy has snapshots of its own, and is pending until
// all of them are complete.
func (s *Service) Copy(tx *metadb.Tx, who origami.Caller, r CopyRequest) (*origami.Image, error) {
	earlier, done, err := tx.Once(who.Account, who.Region, "CopyImage", r.ClientToken, r.Fingerprint)
	if err != nil {
		return nil, err
	}
	if done {
		return tx.Image(who.Region, who.Account, origami.ImageID(earlier))
	}
	for _, err := range []error{CheckName(r.Name), CheckDescription(r.Description), ebs.CheckMinutes(r.Minutes)} {
		if err != nil {
			return nil, err
		}
	}
	source, err := s.Source(tx, who, r.SourceRegion, r.Source)
	if err != nil {
		return nil, err
	}
	if err := s.checkCopies(tx, who); err != nil {
		return nil, err
	}
	img := copyOf(source, who, r)
	if img.BlockDevices, err = s.copySnapshots(tx, who, source, img.ID, r); err != nil {
		return nil, err
	}
	tags, err := copiedTags(tx, who, source, r)
	if err != nil {
		return nil, err
	}
	if err := s.Promise(tx, img, tags); err != nil {
		return nil, err
	}
	return img, tx.SetOnce(who.Account, who.Region, "CopyImage", r.ClientToken, r.Fingerprint, string(img.ID))
}

// checkCopies refuses a copy more than there may be.
func (s *Service) checkCopies(tx *metadb.Tx, who origami.Caller) error {
	n := 0
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, Filters: []origami.Filter{
		{Name: "state", Values: []string{string(origami.ImagePending)}},
	}}
	for img, err := range tx.Images(q) {
		if err != nil {
			return err
		}
		if img.SourceImage != "" {
			n++
		}
	}
	if most := s.Quotas.decided().Copies; n >= most {
		return origami.Errorf(origami.CodeResourceLimitExceeded, "Too many image copies in progress. The limit is %d for this destination region.", most)
	}
	return nil
}

// copyOf is the new image, but for its mapping. What is not here is not copied:
// permissions, tags, deprecation, and what happened to the source.
func copyOf(source *origami.Image, who origami.Caller, r CopyRequest) *origami.Image {
	return &origami.Image{
		ID:                 origami.NewImageID(),
		Region:             who.Region,
		Owner:              who.Account,
		Name:               r.Name,
		Description:        r.Description,
		Architecture:       source.Architecture,
		VirtualizationType: source.VirtualizationType,
		RootDeviceType:     source.RootDeviceType,
		RootDeviceName:     source.RootDeviceName,
		KernelID:           source.KernelID,
		RamdiskID:          source.RamdiskID,
		ENASupport:         source.ENASupport,
		SriovNetSupport:    source.SriovNetSupport,
		BootMode:           source.BootMode,
		TPMSupport:         source.TPMSupport,
		IMDSSupport:        source.IMDSSupport,
		UEFIData:           source.UEFIData,
		Platform:           source.Platform,
		PlatformDetails:    source.PlatformDetails,
		UsageOperation:     source.UsageOperation,
		ProductCodes:       source.ProductCodes,
		SourceImage:        source.ID,
		SourceImageRegion:  source.Region,
	}
}

// copySnapshots promises a copy of each snapshot of the source, and returns the
// mapping to them.
func (s *Service) copySnapshots(tx *metadb.Tx, who origami.Caller, source *origami.Image, id origami.ImageID, r CopyRequest) ([]origami.BlockDevice, error) {
	made := make(map[origami.SnapshotID]*origami.Snapshot)
	devices := make([]origami.BlockDevice, 0, len(source.BlockDevices))
	for _, d := range source.BlockDevices {
		if d.EBS != nil && d.EBS.Snapshot != "" {
			snap := made[d.EBS.Snapshot]
			if snap == nil {
				var err error
				if snap, err = s.copySnapshot(tx, who, source, d.EBS.Snapshot, id, r); err != nil {
					return nil, err
				}
				made[d.EBS.Snapshot] = snap
			}
			e := *d.EBS
			e.Snapshot, e.Encrypted = snap.ID, &snap.Encrypted
			d.EBS = &e
		}
		devices = append(devices, d)
	}
	return devices, nil
}

func (s *Service) copySnapshot(tx *metadb.Tx, who origami.Caller, source *origami.Image, id origami.SnapshotID, to origami.ImageID, r CopyRequest) (*origami.Snapshot, error) {
	there := who
	there.Region = source.Region
	from, err := readable(tx, there, id)
	if err != nil {
		return nil, err
	}
	secrecy, err := s.ebs.CopySecrecy(tx, who, from, r.Encryption, true)
	if err != nil {
		return nil, err
	}
	return s.ebs.AddCopy(tx, who, from, secrecy, ebs.CopyRequest{
		Description: fmt.Sprintf("Copied for DestinationAmi %s from SourceAmi %s for SourceSnapshot %s. Task created on %s.",
			to, source.ID, id, grouped(s.now().UnixMilli())),
		Minutes:  r.Minutes,
		Tags:     r.SnapshotTags,
		ForImage: true,
	})
}

// grouped writes a number that is not negative with a comma between groups of
// three digits, as descriptions of copies have their time in milliseconds.
func grouped(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// copiedTags are the tags of the new image: those asked for, and those that
// the caller gave the source if it wants them.
func copiedTags(tx *metadb.Tx, who origami.Caller, source *origami.Image, r CopyRequest) (origami.Tags, error) {
	tags := make(origami.Tags)
	if r.CopyTags {
		own, err := tx.Tags(source.Region, who.Account, string(source.ID))
		if err != nil {
			return nil, err
		}
		for k, v := range own[string(source.ID)] {
			if origami.ValidateTagKey(k) == nil { // not one of AWS's own
				tags[k] = v
			}
		}
	}
	for k, v := range r.Tags {
		tags[k] = v
	}
	return tags, nil
}
