package origami

import "time"

// Image is a machine image: a record that points at snapshots and says how to
// start a machine from them.
type Image struct {
	ID                 ImageID
	Region             Region
	Owner              AccountID
	Name               string
	Description        string
	Location           string // OWNER/NAME for images backed by snapshots
	State              ImageState
	StateReason        *StateReason
	Created            time.Time
	ImageType          string // "machine"
	Architecture       Architecture
	VirtualizationType VirtualizationType
	Hypervisor         string // "xen", the only value in practice
	RootDeviceType     string // "ebs"
	RootDeviceName     string // "/dev/sda1"
	KernelID           string // paravirtual only
	RamdiskID          string // paravirtual only
	BlockDevices       []BlockDevice
	ENASupport         bool
	SriovNetSupport    string // "simple" or ""
	BootMode           BootMode
	TPMSupport         string // "v2.0" or ""
	IMDSSupport        string // "v2.0" or ""
	UEFIData           string // base64, at most 64,000 characters
	Platform           string // "windows" or ""
	PlatformDetails    string // "Linux/UNIX"
	UsageOperation     string // "RunInstances"
	SourceInstance     InstanceID
	SourceImage        ImageID
	SourceImageRegion  Region
	LastLaunched       time.Time // zero if never
	DeprecationTime    time.Time // zero if not set
	ProductCodes       []ProductCode
	// Public, SharedWith and Organizations are the launch permissions that
	// other accounts have; the owner's is implied.
	Public        bool
	SharedWith    []AccountID
	Organizations []OrganizationARN
	// Protection keeps the image from being deregistered until it is
	// switched off and ProtectedUntil has passed.
	Protection     Protection
	ProtectedUntil time.Time
	Deregistered   time.Time // zero if it is not
	Bin            *BinStay  // in the Recycle Bin, nil if it is not there
}

// Grants are the launch permissions of the image.
func (i *Image) Grants() Grants {
	return Grants{Public: i.Public, Accounts: i.SharedWith, Organizations: i.Organizations}
}

// Grant replaces the launch permissions of the image.
func (i *Image) Grant(g Grants) {
	i.Public, i.SharedWith, i.Organizations = g.Public, g.Accounts, g.Organizations
}

// Gone reports whether the image is deregistered, for good or into the
// recycle bin: it holds no name and no snapshots, and nobody can use it.
func (i *Image) Gone() bool { return i.State == ImageDeregistered || i.State == ImageBinned }

// ProductCode marks an image as somebody's product.
type ProductCode struct {
	Code string
	Type string // "marketplace" or "devpay"
}

// Protection is whether an image can be deregistered.
type Protection string

// The values of Protection. With a cooldown, an image stays protected for a day
// after its protection was switched off.
const (
	Unprotected           Protection = ""
	Protected             Protection = "enabled-without-cooldown"
	ProtectedWithCooldown Protection = "enabled-with-cooldown"
)

// Root returns the mapping of the root device, or nil.
func (i *Image) Root() *BlockDevice {
	for n := range i.BlockDevices {
		if d := &i.BlockDevices[n]; d.DeviceName == i.RootDeviceName && d.EBS != nil {
			return d
		}
	}
	return nil
}

// Snapshots lists the snapshots that the image maps, in order of the mapping.
func (i *Image) Snapshots() []SnapshotID {
	var ids []SnapshotID
	for _, d := range i.BlockDevices {
		if d.EBS != nil && d.EBS.Snapshot != "" {
			ids = append(ids, d.EBS.Snapshot)
		}
	}
	return ids
}

// ImageState is the state of an image.
type ImageState string

// The states of images. A deregistered image is a record only: it answers
// that the image is gone. One in the Recycle Bin answers the same, and can be
// restored; the API has no word for that state.
const (
	ImagePending      ImageState = "pending"
	ImageAvailable    ImageState = "available"
	ImageFailed       ImageState = "failed"
	ImageDisabled     ImageState = "disabled"
	ImageDeregistered ImageState = "deregistered"
	ImageBinned       ImageState = "recycle-bin"
)

// Architecture is the processor architecture of an image or instance type.
type Architecture string

// The architectures.
const (
	I386     Architecture = "i386"
	X8664    Architecture = "x86_64"
	ARM64    Architecture = "arm64"
	X8664Mac Architecture = "x86_64_mac"
	ARM64Mac Architecture = "arm64_mac"
)

// VirtualizationType is how a guest meets its host.
type VirtualizationType string

// The virtualization types.
const (
	HVM         VirtualizationType = "hvm"
	Paravirtual VirtualizationType = "paravirtual"
)

// BootMode is the firmware that an image wants, or "" for the default.
type BootMode string

// The boot modes.
const (
	LegacyBIOS    BootMode = "legacy-bios"
	UEFI          BootMode = "uefi"
	UEFIPreferred BootMode = "uefi-preferred"
)

// BlockDevice is one entry of a block device mapping. Exactly one of
// VirtualName, EBS and NoDevice is set.
type BlockDevice struct {
	DeviceName  string // "/dev/sda1"
	VirtualName string // "ephemeral0"
	NoDevice    bool   // suppresses an entry that would be there
	EBS         *EBSBlockDevice
}

// EBSBlockDevice is a volume to be made at launch. In an image every field is
// decided; in a request zero values and nil mean "not given".
type EBSBlockDevice struct {
	Snapshot            SnapshotID // "" for an empty volume
	VolumeSize          int64      // GiB
	VolumeType          VolumeType
	IOPS                int64
	Throughput          int64 // MiB/s
	DeleteOnTermination *bool
	Encrypted           *bool
	KMSKey              string // in a request: which key; never in an image
}
