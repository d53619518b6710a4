package ami

import (
	"encoding/base64"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
)

// Registration is the request to make an image from snapshots. Zero values
// mean "not given" and take the defaults of RegisterImage.
type Registration struct {
	Name               string
	Description        string
	Architecture       origami.Architecture       // i386
	VirtualizationType origami.VirtualizationType // paravirtual
	RootDeviceName     string
	BlockDevices       []origami.BlockDevice
	KernelID           string
	RamdiskID          string
	ENASupport         bool
	SriovNetSupport    string
	BootMode           origami.BootMode
	TPMSupport         string
	UEFIData           string
	IMDSSupport        string
	Tags               origami.Tags
}

// maxUEFIData is the longest variable store, in characters of base64.
const maxUEFIData = 64_000

// Register makes an image of the caller's from snapshots that it may read. The
// image is available at once.
func (s *Service) Register(tx *metadb.Tx, who origami.Caller, r Registration) (*origami.Image, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	devices, err := decideMapping(tx, who, r.RootDeviceName, r.BlockDevices)
	if err != nil {
		return nil, err
	}
	img := &origami.Image{
		ID:                 origami.NewImageID(),
		Region:             who.Region,
		Owner:              who.Account,
		Name:               r.Name,
		Description:        r.Description,
		State:              origami.ImageAvailable,
		Architecture:       r.Architecture,
		VirtualizationType: r.VirtualizationType,
		RootDeviceType:     "ebs",
		RootDeviceName:     r.RootDeviceName,
		KernelID:           r.KernelID,
		RamdiskID:          r.RamdiskID,
		BlockDevices:       devices,
		ENASupport:         r.ENASupport,
		SriovNetSupport:    r.SriovNetSupport,
		BootMode:           r.BootMode,
		TPMSupport:         r.TPMSupport,
		UEFIData:           r.UEFIData,
		IMDSSupport:        r.IMDSSupport,
	}
	if err := s.put(tx, img, r.Tags); err != nil {
		return nil, err
	}
	return img, nil
}

// check applies the rules that need no look at the snapshots, and the
// defaults.
func (r *Registration) check() error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	if err := CheckDescription(r.Description); err != nil {
		return err
	}
	if r.Architecture == "" {
		r.Architecture = origami.I386
	}
	if r.VirtualizationType == "" {
		r.VirtualizationType = origami.Paravirtual
	}
	if !KnownArchitecture(r.Architecture) {
		return invalidValue("architecture", string(r.Architecture), "Valid values are i386, x86_64, arm64, x86_64_mac and arm64_mac.")
	}
	if r.VirtualizationType != origami.HVM && r.VirtualizationType != origami.Paravirtual {
		return invalidValue("virtualizationType", string(r.VirtualizationType), "Valid values are hvm and paravirtual.")
	}
	if err := r.checkVirtualization(); err != nil {
		return err
	}
	if err := r.checkBoot(); err != nil {
		return err
	}
	if r.IMDSSupport != "" && r.IMDSSupport != "v2.0" {
		return invalidValue("imdsSupport", r.IMDSSupport, "The only valid value is v2.0.")
	}
	return nil
}

// checkVirtualization keeps what only one virtualization type knows from the
// other.
func (r *Registration) checkVirtualization() error {
	if r.SriovNetSupport != "" && r.SriovNetSupport != "simple" {
		return invalidValue("sriovNetSupport", r.SriovNetSupport, "The only valid value is simple.")
	}
	if r.VirtualizationType == origami.HVM {
		if r.KernelID != "" || r.RamdiskID != "" {
			return origami.Errorf(origami.CodeInvalidParameterCombination, "Kernel and ramdisk cannot be specified for images with virtualization type hvm.")
		}
		return nil
	}
	if r.Architecture != origami.I386 && r.Architecture != origami.X8664 {
		return origami.Errorf(origami.CodeInvalidParameterCombination, "Images with architecture %s support only the virtualization type hvm.", r.Architecture)
	}
	if r.KernelID != "" {
		if err := origami.CheckKernelID(r.KernelID); err != nil {
			return err
		}
	}
	if r.RamdiskID != "" {
		if err := origami.CheckRamdiskID(r.RamdiskID); err != nil {
			return err
		}
	}
	for _, only := range []struct {
		given bool
		name  string
	}{
		{r.ENASupport, "enaSupport"},
		{r.SriovNetSupport != "", "sriovNetSupport"},
		{r.BootMode == origami.UEFI || r.BootMode == origami.UEFIPreferred, "bootMode"},
		{r.TPMSupport != "", "tpmSupport"},
	} {
		if only.given {
			return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter %s is supported only for images with virtualization type hvm.", only.name)
		}
	}
	return nil
}

func (r *Registration) checkBoot() error {
	switch r.BootMode {
	case "", origami.LegacyBIOS, origami.UEFI, origami.UEFIPreferred:
	default:
		return invalidValue("bootMode", string(r.BootMode), "Valid values are legacy-bios, uefi and uefi-preferred.")
	}
	if r.Architecture == origami.ARM64 && r.BootMode != "" && r.BootMode != origami.UEFI {
		return origami.Errorf(origami.CodeInvalidParameterCombination, "Images with architecture arm64 support only the boot mode uefi.")
	}
	if r.TPMSupport != "" {
		if r.TPMSupport != "v2.0" {
			return invalidValue("tpmSupport", r.TPMSupport, "The only valid value is v2.0.")
		}
		if r.BootMode != origami.UEFI {
			return origami.Errorf(origami.CodeInvalidParameterCombination, "TpmSupport v2.0 requires the boot mode uefi.")
		}
	}
	if r.UEFIData == "" {
		return nil
	}
	if r.BootMode != origami.UEFI && r.BootMode != origami.UEFIPreferred {
		return origami.Errorf(origami.CodeInvalidParameterCombination, "UefiData requires the boot mode uefi or uefi-preferred.")
	}
	if _, err := base64.StdEncoding.DecodeString(r.UEFIData); err != nil || len(r.UEFIData) > maxUEFIData {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value for parameter uefiData is invalid. It must be base64 of at most %d characters.", maxUEFIData)
	}
	return nil
}

// KnownArchitecture reports whether a is an architecture that EC2 knows.
func KnownArchitecture(a origami.Architecture) bool {
	switch a {
	case origami.I386, origami.X8664, origami.ARM64, origami.X8664Mac, origami.ARM64Mac:
		return true
	}
	return false
}

func invalidValue(name, value, rule string) error {
	return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. %s", value, name, rule)
}

// decideMapping checks the block device mapping of a new image against its
// snapshots and fills in every field that was not given.
func decideMapping(tx *metadb.Tx, who origami.Caller, root string, entries []origami.BlockDevice) ([]origami.BlockDevice, error) {
	if root == "" && len(entries) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter imageLocation or blockDeviceMapping")
	}
	if root == "" {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter rootDeviceName")
	}
	if err := CheckDevices(entries); err != nil {
		return nil, err
	}
	var out []origami.BlockDevice
	for _, d := range entries {
		if d.NoDevice {
			continue
		}
		if d.EBS != nil {
			e, err := DecideEBS(tx, who, d.DeviceName, *d.EBS)
			if err != nil {
				return nil, err
			}
			d.EBS = &e
		}
		out = append(out, d)
	}
	img := origami.Image{RootDeviceName: root, BlockDevices: out}
	r := img.Root()
	if r == nil || r.EBS.Snapshot == "" {
		return nil, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "No root snapshot specified in device mapping.")
	}
	if !ebs.Bootable(r.EBS.VolumeType) {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Volume type %s is not supported for the root device '%s'.", r.EBS.VolumeType, root)
	}
	return out, nil
}

// DecideEBS checks one EBS entry of a new image, which names a snapshot that
// the caller may read or the size of an empty volume, and fills it in.
func DecideEBS(tx *metadb.Tx, who origami.Caller, device string, e origami.EBSBlockDevice) (origami.EBSBlockDevice, error) {
	if e.KMSKey != "" {
		return e, origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "the KMS key cannot be specified for device %s: each launch has its own.", device)
	}
	if e.Snapshot != "" {
		if e.Encrypted != nil {
			return e, origami.Errorf(origami.CodeInvalidBlockDeviceMapping,
				"the encrypted flag cannot be specified since device %s has a snapshot specified.", device)
		}
		snap, err := tx.Snapshot(who.Region, who.Account, e.Snapshot)
		if err != nil {
			return e, err
		}
		if err := ebs.Usable(snap); err != nil {
			return e, err
		}
		if e.VolumeSize == 0 {
			e.VolumeSize = snap.VolumeSize
		}
		if err := CheckSize(e.VolumeSize, snap); err != nil {
			return e, err
		}
		e.Encrypted = &snap.Encrypted
	} else if e.VolumeSize == 0 {
		return e, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter size/snapshot")
	}
	if e.Encrypted == nil {
		e.Encrypted = new(bool)
	}
	shape, err := ebs.Shape{Type: e.VolumeType, Size: e.VolumeSize, IOPS: e.IOPS, Throughput: e.Throughput}.Decide()
	if err != nil {
		return e, err
	}
	e.VolumeType, e.Throughput = shape.Type, shape.Throughput
	if shape.Type != origami.GP2 { // gp2 derives its IOPS; mappings do not show them
		e.IOPS = shape.IOPS
	}
	if e.DeleteOnTermination == nil {
		yes := true
		e.DeleteOnTermination = &yes
	}
	return e, nil
}

// CheckSize refuses a volume that is smaller than its snapshot.
func CheckSize(gib int64, snap *origami.Snapshot) error {
	if gib < snap.VolumeSize {
		return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB",
			gib, snap.ID, snap.VolumeSize)
	}
	return nil
}
