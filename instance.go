package origami

import (
	"net/netip"
	"time"
)

// Instance is a virtual machine.
type Instance struct {
	ID                 InstanceID
	Region             Region
	Owner              AccountID
	Reservation        ReservationID
	LaunchIndex        int
	ClientToken        string
	Image              ImageID
	Type               string // "t3.micro"
	State              InstanceState
	StateReason        *StateReason
	TransitionReason   string // "User initiated (2024-01-01 00:00:00 GMT)"
	Launched           time.Time
	Terminated         time.Time // zero while it exists
	Architecture       Architecture
	VirtualizationType VirtualizationType
	Hypervisor         string // "xen", as in images
	RootDeviceType     string
	RootDeviceName     string
	BootMode           BootMode
	ENASupport         bool
	SriovNetSupport    string
	TPMSupport         string
	PlatformDetails    string
	UsageOperation     string
	Platform           string
	KernelID           string
	RamdiskID          string
	KeyName            string
	PublicKey          string        // OpenSSH line; deleting the key pair keeps it
	UserData           []byte        // as the guest sees it
	InstanceStores     []BlockDevice // ephemeral entries of its mapping
	Zone               string
	VPC                VPCID
	Subnet             SubnetID
	SecurityGroups     []SecurityGroupID
	NetworkInterface   NetworkInterfaceID
	MAC                string
	PrivateIP          netip.Addr
	PublicIP           netip.Addr // loopback address; zero while not running
	AssociatePublicIP  bool       // has a public address whenever it runs
	ShutdownBehavior   string     // "stop" or "terminate"
	DisableTermination bool
	DisableStop        bool
	EBSOptimized       bool
	Monitoring         bool
	Metadata           MetadataOptions
	Profile            string               // ARN of its instance profile, or ""
	ProfileID          string               // unique ID of that
	ProfileAssociation ProfileAssociationID // of the two; "" without a profile
	ProfileSince       time.Time            // when it began
	CPUCredits         string               // "standard" or "unlimited"; "" for types without credits
	Allocation         AllocationID         // the elastic address that PublicIP is, or ""
}

// MetadataOptions says how the instance metadata service serves an instance.
type MetadataOptions struct {
	Endpoint     string // "enabled" or "disabled"
	Tokens       string // "optional" or "required"
	HopLimit     int
	InstanceTags string // "enabled" or "disabled"
	IPv6         string // "disabled"
}

// ARN names the instance.
func (i *Instance) ARN() string {
	return "arn:aws:ec2:" + string(i.Region) + ":" + string(i.Owner) + ":instance/" + string(i.ID)
}

// InstanceState is the state of an instance.
type InstanceState string

// The states of instances.
const (
	InstancePending      InstanceState = "pending"
	InstanceRunning      InstanceState = "running"
	InstanceShuttingDown InstanceState = "shutting-down"
	InstanceTerminated   InstanceState = "terminated"
	InstanceStopping     InstanceState = "stopping"
	InstanceStopped      InstanceState = "stopped"
)

// Code is the number of the state in answers.
func (s InstanceState) Code() int {
	switch s {
	case InstanceRunning:
		return 16
	case InstanceShuttingDown:
		return 32
	case InstanceTerminated:
		return 48
	case InstanceStopping:
		return 64
	case InstanceStopped:
		return 80
	}
	return 0 // pending
}
