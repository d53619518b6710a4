package origami

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
)

// Typed identifiers. Each is a prefix, a dash, and 17 lower-case hex digits
// (8 in old ones). Values come from New…ID or Parse…ID only.
type (
	// ImageID identifies an image: "ami-0123456789abcdef0".
	ImageID string
	// SnapshotID identifies a snapshot: "snap-…".
	SnapshotID string
	// VolumeID identifies a volume: "vol-…".
	VolumeID string
	// InstanceID identifies an instance: "i-…".
	InstanceID string
	// ReservationID identifies the instances of one launch: "r-…".
	ReservationID string
	// KeyPairID identifies a key pair: "key-…".
	KeyPairID string
	// VPCID identifies a virtual private cloud: "vpc-…".
	VPCID string
	// SubnetID identifies a subnet: "subnet-…".
	SubnetID string
	// SecurityGroupID identifies a security group: "sg-…".
	SecurityGroupID string
	// SecurityGroupRuleID identifies a rule of a security group: "sgr-…".
	SecurityGroupRuleID string
	// NetworkInterfaceID identifies a network interface: "eni-…".
	NetworkInterfaceID string
	// LaunchTemplateID identifies a launch template: "lt-…".
	LaunchTemplateID string
	// AllocationID identifies an elastic address: "eipalloc-…".
	AllocationID string
	// ReplaceRootTaskID identifies the replacement of a root volume:
	// "replacevol-…".
	ReplaceRootTaskID string
	// ProfileAssociationID identifies the association of an instance profile
	// with an instance: "iip-assoc-…".
	ProfileAssociationID string
	// TaskID identifies background work: "task-…".
	TaskID string
	// RuleID identifies a rule of the Recycle Bin: 11 letters and digits. It
	// has neither prefix nor dash.
	RuleID string
)

// kind is what is known about one kind of identifier.
type kind struct {
	resource  string // resource type in tags and ARNs
	malformed Code
	notFound  Code
	message   string // format of the not-found message, %s being the ID
}

// kinds lists every kind of identifier by its prefix.
var kinds = map[string]kind{
	"ami":        {"image", CodeInvalidAMIIDMalformed, CodeInvalidAMIIDNotFound, "The image id '[%s]' does not exist"},
	"aki":        {"image", "InvalidKernelId.Malformed", CodeInvalidAMIIDNotFound, "The image id '[%s]' does not exist"},
	"ari":        {"image", "InvalidRamdiskId.Malformed", CodeInvalidAMIIDNotFound, "The image id '[%s]' does not exist"},
	"snap":       {"snapshot", CodeInvalidSnapshotIDMalformed, CodeInvalidSnapshotNotFound, "The snapshot '%s' does not exist."},
	"vol":        {"volume", CodeInvalidVolumeIDMalformed, CodeInvalidVolumeNotFound, "The volume '%s' does not exist."},
	"i":          {"instance", CodeInvalidInstanceIDMalformed, CodeInvalidInstanceIDNotFound, "The instance ID '%s' does not exist"},
	"r":          {"reservation", "InvalidReservationID.Malformed", "InvalidReservationID.NotFound", "The reservation '%s' does not exist"},
	"key":        {"key-pair", "InvalidKeyPair.Malformed", CodeInvalidKeyPairNotFound, "The key pair ID '%s' does not exist"},
	"vpc":        {"vpc", "InvalidVpcID.Malformed", "InvalidVpcID.NotFound", "The vpc ID '%s' does not exist"},
	"subnet":     {"subnet", "InvalidSubnetID.Malformed", "InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist"},
	"sg":         {"security-group", "InvalidGroupId.Malformed", "InvalidGroup.NotFound", "The security group '%s' does not exist"},
	"sgr":        {"security-group-rule", "InvalidSecurityGroupRuleId.Malformed", "InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist"},
	"eni":        {"network-interface", "InvalidNetworkInterfaceID.Malformed", "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist"},
	"lt":         {"launch-template", "InvalidLaunchTemplateId.Malformed", "InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist."},
	"eipalloc":   {"elastic-ip", "InvalidAllocationID.Malformed", "InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist"},
	"replacevol": {"replace-root-volume-task", "InvalidReplaceRootVolumeTaskId.Malformed", "InvalidReplaceRootVolumeTaskId.NotFound", "The replace root volume task '%s' does not exist"},
	"amiur":      {"image-usage-report", "InvalidImageUsageReportId.Malformed", "InvalidImageUsageReportId.NotFound", "The image usage report ID '%s' does not exist"},
	"task":       {"task", CodeInvalidParameterValue, CodeInvalidParameterValue, "The task '%s' does not exist"},
}

// newID makes a random identifier with the given prefix. Randomness alone
// makes it unique: 68 bits, and the database refuses a second one.
func newID(prefix string) string {
	var b [9]byte
	rand.Read(b[:])
	return prefix + "-" + hex.EncodeToString(b[:])[:17]
}

// wellFormed reports whether s is prefix, a dash, and 8 or 17 lower-case hex
// digits.
func wellFormed(s, prefix string) bool {
	digits, ok := strings.CutPrefix(s, prefix+"-")
	if !ok || len(digits) != 8 && len(digits) != 17 {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func parse(s, prefix string) error {
	if wellFormed(s, prefix) {
		return nil
	}
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	msg := fmt.Sprintf("Invalid id: %q (expecting %q)", s, prefix+"-...")
	if prefix == "i" {
		msg = fmt.Sprintf("Invalid id: %q", s)
	}
	return &Error{Code: kinds[prefix].malformed, Message: msg}
}

// NewImageID makes a new image ID.
func NewImageID() ImageID { return ImageID(newID("ami")) }

// ParseImageID checks the shape of an image ID of a machine, kernel or ramdisk
// image; the error is InvalidAMIID.Malformed.
func ParseImageID(s string) (ImageID, error) {
	if wellFormed(s, "aki") || wellFormed(s, "ari") {
		return ImageID(s), nil
	}
	return ImageID(s), parse(s, "ami")
}

// CheckKernelID checks the shape of the ID of a kernel image; the error is
// InvalidKernelId.Malformed.
func CheckKernelID(s string) error { return parse(s, "aki") }

// CheckRamdiskID checks the shape of the ID of a ramdisk image; the error is
// InvalidRamdiskId.Malformed.
func CheckRamdiskID(s string) error { return parse(s, "ari") }

// NewSnapshotID makes a new snapshot ID.
func NewSnapshotID() SnapshotID { return SnapshotID(newID("snap")) }

// ParseSnapshotID checks the shape of a snapshot ID.
func ParseSnapshotID(s string) (SnapshotID, error) { return SnapshotID(s), parse(s, "snap") }

// NewVolumeID makes a new volume ID.
func NewVolumeID() VolumeID { return VolumeID(newID("vol")) }

// ParseVolumeID checks the shape of a volume ID.
func ParseVolumeID(s string) (VolumeID, error) { return VolumeID(s), parse(s, "vol") }

// NewInstanceID makes a new instance ID.
func NewInstanceID() InstanceID { return InstanceID(newID("i")) }

// ParseInstanceID checks the shape of an instance ID.
func ParseInstanceID(s string) (InstanceID, error) { return InstanceID(s), parse(s, "i") }

// NewReservationID makes a new reservation ID.
func NewReservationID() ReservationID { return ReservationID(newID("r")) }

// NewKeyPairID makes a new key pair ID.
func NewKeyPairID() KeyPairID { return KeyPairID(newID("key")) }

// ParseKeyPairID checks the shape of a key pair ID.
func ParseKeyPairID(s string) (KeyPairID, error) { return KeyPairID(s), parse(s, "key") }

// NewVPCID makes a new VPC ID.
func NewVPCID() VPCID { return VPCID(newID("vpc")) }

// ParseVPCID checks the shape of a VPC ID.
func ParseVPCID(s string) (VPCID, error) { return VPCID(s), parse(s, "vpc") }

// NewSubnetID makes a new subnet ID.
func NewSubnetID() SubnetID { return SubnetID(newID("subnet")) }

// ParseSubnetID checks the shape of a subnet ID.
func ParseSubnetID(s string) (SubnetID, error) { return SubnetID(s), parse(s, "subnet") }

// NewSecurityGroupID makes a new security group ID.
func NewSecurityGroupID() SecurityGroupID { return SecurityGroupID(newID("sg")) }

// ParseSecurityGroupID checks the shape of a security group ID.
func ParseSecurityGroupID(s string) (SecurityGroupID, error) {
	return SecurityGroupID(s), parse(s, "sg")
}

// NewSecurityGroupRuleID makes a new ID of a security group rule.
func NewSecurityGroupRuleID() SecurityGroupRuleID { return SecurityGroupRuleID(newID("sgr")) }

// ParseSecurityGroupRuleID checks the shape of the ID of a security group rule.
func ParseSecurityGroupRuleID(s string) (SecurityGroupRuleID, error) {
	return SecurityGroupRuleID(s), parse(s, "sgr")
}

// NewNetworkInterfaceID makes a new network interface ID.
func NewNetworkInterfaceID() NetworkInterfaceID { return NetworkInterfaceID(newID("eni")) }

// ParseNetworkInterfaceID checks the shape of a network interface ID.
func ParseNetworkInterfaceID(s string) (NetworkInterfaceID, error) {
	return NetworkInterfaceID(s), parse(s, "eni")
}

// NewLaunchTemplateID makes a new launch template ID.
func NewLaunchTemplateID() LaunchTemplateID { return LaunchTemplateID(newID("lt")) }

// ParseLaunchTemplateID checks the shape of a launch template ID.
func ParseLaunchTemplateID(s string) (LaunchTemplateID, error) {
	return LaunchTemplateID(s), parse(s, "lt")
}

// NewAllocationID makes a new ID of an elastic address.
func NewAllocationID() AllocationID { return AllocationID(newID("eipalloc")) }

// ParseAllocationID checks the shape of an ID of an elastic address.
func ParseAllocationID(s string) (AllocationID, error) { return AllocationID(s), parse(s, "eipalloc") }

// NewReplaceRootTaskID makes a new ID of the replacement of a root volume.
func NewReplaceRootTaskID() ReplaceRootTaskID { return ReplaceRootTaskID(newID("replacevol")) }

// ParseReplaceRootTaskID checks the shape of an ID of the replacement of a root
// volume.
func ParseReplaceRootTaskID(s string) (ReplaceRootTaskID, error) {
	return ReplaceRootTaskID(s), parse(s, "replacevol")
}

const profileAssociationPrefix = "iip-assoc"

// NewProfileAssociationID makes a new ID of an association of an instance
// profile.
func NewProfileAssociationID() ProfileAssociationID {
	return ProfileAssociationID(newID(profileAssociationPrefix))
}

// ParseProfileAssociationID checks the shape of the ID of an association of an
// instance profile. The error is InvalidAssociationID.Malformed.
func ParseProfileAssociationID(s string) (ProfileAssociationID, error) {
	if wellFormed(s, profileAssociationPrefix) {
		return ProfileAssociationID(s), nil
	}
	return "", Errorf("InvalidAssociationID.Malformed", "Invalid id: %.64q (expecting %q)", s, profileAssociationPrefix+"-...")
}

// NewTaskID makes a new task ID.
func NewTaskID() TaskID { return TaskID(newID("task")) }

// ruleIDLen is the length of the ID of a rule of the Recycle Bin.
const ruleIDLen = 11

// NewRuleID makes a new ID of a rule of the Recycle Bin. It has 55 random bits.
func NewRuleID() RuleID { return RuleID(rand.Text()[:ruleIDLen]) }

// ParseRuleID checks the shape of the ID of a rule of the Recycle Bin.
func ParseRuleID(s string) (RuleID, error) {
	ok := len(s) == ruleIDLen
	for i := range len(s) {
		c := s[i] | 0x20 // letters in lower case; digits stay
		ok = ok && (c >= 'a' && c <= 'z' || s[i] >= '0' && s[i] <= '9')
	}
	if !ok {
		return "", Errorf(CodeValidationException, "The rule identifier %.64q is not %d letters and digits.", s, ruleIDLen).Because(ReasonInvalidParameterValue)
	}
	return RuleID(s), nil
}

// ResourceType names the kind of resource that an ID identifies, as tags and
// ARNs name it: "image" for "ami-…". It is "" for what is no ID.
func ResourceType(id string) string {
	prefix, _, ok := strings.Cut(id, "-")
	if !ok {
		return ""
	}
	if !wellFormed(id, prefix) {
		return ""
	}
	return kinds[prefix].resource
}

// NotFound is the error that EC2 gives for a well-formed ID of a resource that
// does not exist, or that the caller may not know to exist.
func NotFound[ID ~string](id ID) error {
	prefix, _, _ := strings.Cut(string(id), "-")
	k, ok := kinds[prefix]
	if !ok {
		return Errorf(CodeInvalidParameterValue, "The ID '%s' is not valid", string(id))
	}
	return Errorf(k.notFound, k.message, string(id))
}
