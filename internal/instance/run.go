package instance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// MaxUserData is the largest user data, before base64.
const MaxUserData = 16 << 10

// maxClientToken is the longest client token, in characters.
const maxClientToken = 64

// Launch is a request for instances. Zero values mean "not given".
type Launch struct {
	Image    origami.ImageID
	Type     string // m1.small
	Min, Max int

	KeyName        string
	UserData       []byte
	BlockDevices   []origami.BlockDevice
	Subnet         origami.SubnetID
	Zone           string
	PrivateIP      netip.Addr // for a single instance
	SecurityGroups []origami.SecurityGroupID
	GroupNames     []string
	PublicIP       *bool // as the subnet says

	ShutdownBehavior   string // stop
	DisableTermination bool
	DisableStop        bool
	EBSOptimized       bool
	Monitoring         bool
	Metadata           origami.MetadataOptions
	CPUCredits         string // as the type says

	Profile   string // ARN of the instance profile, which the caller may hand out
	ProfileID string

	InstanceTags origami.Tags
	// InterfaceTags are for the network interfaces, which end with their
	// instances.
	InterfaceTags origami.Tags
	VolumeTags    origami.Tags

	// Template is the launch template that parameters came from, or "".
	Template        origami.LaunchTemplateID
	TemplateVersion int64

	// ClientToken makes the request safe to repeat; Fingerprint tells whether
	// a repetition asks for the same.
	ClientToken string
	Fingerprint [32]byte
}

// placement is where a launch wants its instances.
func (l Launch) placement() vpc.Placement {
	return vpc.Placement{
		Subnet: l.Subnet, Zone: l.Zone, PrivateIP: l.PrivateIP,
		Groups: l.SecurityGroups, GroupNames: l.GroupNames,
	}
}

// Run launches instances. The answer lists them in order of their launch
// index, all pending; their machines start afterwards. Everything is checked,
// and every row written, in one transaction: either all that the answer names
// exist, or nothing does.
func (s *Service) Run(ctx context.Context, who origami.Caller, l Launch) ([]*origami.Instance, error) {
	var out []*origami.Instance
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		out = nil
		if l.ClientToken != "" {
			earlier, done, err := tx.Once(who.Account, who.Region, "RunInstances", l.ClientToken, l.Fingerprint)
			if err != nil {
				return err
			}
			if done {
				out, err = s.reservation(tx, who, origami.ReservationID(earlier))
				return err
			}
		}
		var err error
		if out, err = s.launch(tx, who, l); err != nil {
			return err
		}
		if l.ClientToken == "" {
			return nil
		}
		return tx.SetOnce(who.Account, who.Region, "RunInstances", l.ClientToken, l.Fingerprint, string(out[0].Reservation))
	})
	return out, err
}

// reservation finds the instances of an earlier launch.
func (s *Service) reservation(tx *metadb.Tx, who origami.Caller, id origami.ReservationID) ([]*origami.Instance, error) {
	var out []*origami.Instance
	for i, err := range tx.Instances(metadb.Query{
		Region: who.Region, Viewer: who.Account,
		Filters: []origami.Filter{{Name: "reservation-id", Values: []string{string(id)}}},
	}) {
		if err != nil {
			return nil, err
		}
		if i.Reservation == id && i.State != origami.InstanceTerminated {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		return nil, origami.Errorf("IdempotentInstanceTerminated", "The instances of this client token were terminated")
	}
	sortByIndex(out)
	return out, nil
}

// launch checks a request and writes its rows.
func (s *Service) launch(tx *metadb.Tx, who origami.Caller, l Launch) ([]*origami.Instance, error) {
	if l.Min < 1 || l.Max < l.Min {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%d' for minCount. It must be at least 1 and at most maxCount (%d).", l.Min, l.Max)
	}
	if l.PrivateIP.IsValid() && l.Max > 1 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Network interfaces and an instance-level private IP address may not be specified when launching multiple instances")
	}
	if len(l.ClientToken) > maxClientToken {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value for parameter clientToken is invalid. It must not exceed %d characters.", maxClientToken)
	}
	if err := checkUserData(l.UserData); err != nil {
		return nil, err
	}
	img, err := s.AMI.Resolve(tx, who, l.Image)
	if err != nil {
		return nil, err
	}
	if l.Type == "" {
		l.Type = "m1.small"
	}
	t, err := TypeByName(l.Type)
	if err != nil {
		return nil, err
	}
	if err := compatible(img, t); err != nil {
		return nil, err
	}
	p, err := s.planDevices(tx, who, img, l.BlockDevices)
	if err != nil {
		return nil, err
	}
	if !t.Encrypted && p.encrypted() {
		return nil, origami.Errorf("EncryptedVolumesNotSupported", "The instance type '%s' does not support encrypted volumes.", t.Name)
	}
	proto, err := s.prototype(tx, who, l, img, t)
	if err != nil {
		return nil, err
	}
	if p.subnet, err = s.VPC.Place(tx, who, l.placement(), proto); err != nil {
		return nil, err
	}
	if err := s.Host.fits(img, t); err != nil {
		return nil, err
	}
	n, err := s.Quotas.instances(tx, who, l.Min, l.Max)
	if err != nil {
		return nil, err
	}
	if n, err = s.room(tx, t, l.Min, n); err != nil {
		return nil, err
	}
	proto.InstanceStores = p.stores
	if err := s.allocate(tx, l, p, n); err != nil {
		return nil, err
	}
	out := make([]*origami.Instance, n)
	for i := range out {
		if out[i], err = s.makeInstance(tx, who, l, proto, p, i); err != nil {
			return nil, err
		}
	}
	_, err = tx.UpdateImage(who.Region, img.ID, func(img *origami.Image) error {
		img.LastLaunched = s.Now().UTC()
		return nil
	})
	return out, err
}

// prototype decides everything that the instances of a launch have in common.
func (s *Service) prototype(tx *metadb.Tx, who origami.Caller, l Launch, img *origami.Image, t *Type) (*origami.Instance, error) {
	i := &origami.Instance{
		Region:             who.Region,
		Owner:              who.Account,
		Reservation:        origami.NewReservationID(),
		ClientToken:        l.ClientToken,
		Image:              img.ID,
		Type:               t.Name,
		State:              origami.InstancePending,
		Launched:           s.Now().UTC(),
		Architecture:       img.Architecture,
		VirtualizationType: img.VirtualizationType,
		Hypervisor:         img.Hypervisor,
		RootDeviceType:     img.RootDeviceType,
		RootDeviceName:     img.RootDeviceName,
		BootMode:           img.BootMode,
		ENASupport:         img.ENASupport,
		SriovNetSupport:    img.SriovNetSupport,
		TPMSupport:         img.TPMSupport,
		KernelID:           img.KernelID,
		RamdiskID:          img.RamdiskID,
		Platform:           img.Platform,
		PlatformDetails:    img.PlatformDetails,
		UsageOperation:     img.UsageOperation,
		UserData:           l.UserData,
		ShutdownBehavior:   l.ShutdownBehavior,
		DisableTermination: l.DisableTermination,
		DisableStop:        l.DisableStop,
		EBSOptimized:       l.EBSOptimized,
		Monitoring:         l.Monitoring,
		Profile:            l.Profile,
		ProfileID:          l.ProfileID,
	}
	var err error
	if i.Metadata, err = decideMetadata(l.Metadata, img); err != nil {
		return nil, err
	}
	if i.ShutdownBehavior == "" {
		i.ShutdownBehavior = "stop"
	}
	if err := checkShutdownBehavior(i.ShutdownBehavior); err != nil {
		return nil, err
	}
	if err := checkEBSOptimized(t, l.EBSOptimized); err != nil {
		return nil, err
	}
	if i.CPUCredits, err = decideCredits(t, l.CPUCredits); err != nil {
		return nil, err
	}
	if l.KeyName != "" {
		k, err := tx.KeyPairByName(who.Region, who.Account, l.KeyName)
		if err != nil {
			return nil, err
		}
		i.KeyName, i.PublicKey = k.Name, k.PublicKey
	}
	return i, nil
}

// room decides how many instances of the type can start now, between min and
// max.
func (s *Service) room(tx *metadb.Tx, t *Type, least, most int) (int, error) {
	used := 0
	for i, err := range tx.AllInstances() {
		if err != nil {
			return 0, err
		}
		switch i.State {
		case origami.InstancePending, origami.InstanceRunning, origami.InstanceStopping, origami.InstanceShuttingDown:
			if t, err := TypeByName(i.Type); err == nil {
				used += t.MemoryMiB
			}
		}
	}
	n := min(most, max(0, s.Host.MemoryMiB-used)/t.MemoryMiB)
	if n < least {
		return 0, noCapacity(t)
	}
	return n, nil
}

// allocate finds the addresses of n instances.
func (s *Service) allocate(tx *metadb.Tx, l Launch, p *plan, n int) (err error) {
	if l.PrivateIP.IsValid() {
		p.private = []netip.Addr{l.PrivateIP}
	} else if p.private, err = tx.AllocatePrivateIPs(p.subnet, n); err != nil {
		return err
	}
	public := p.subnet.MapPublicIP
	if l.PublicIP != nil {
		public = *l.PublicIP
	}
	if public {
		p.public, err = tx.AllocatePublicIPs(s.PublicPrefix, n)
	}
	return err
}

// makeInstance writes one instance of a launch with its volumes and tags, and
// queues its start.
func (s *Service) makeInstance(tx *metadb.Tx, who origami.Caller, l Launch, proto *origami.Instance, p *plan, index int) (*origami.Instance, error) {
	i := *proto
	i.ID = origami.NewInstanceID()
	if i.Profile != "" {
		i.ProfileAssociation, i.ProfileSince = origami.NewProfileAssociationID(), i.Launched
	}
	i.LaunchIndex = index
	i.NetworkInterface = origami.NewNetworkInterfaceID()
	i.MAC = newMAC()
	i.PrivateIP = p.private[index]
	if i.AssociatePublicIP = p.public != nil; i.AssociatePublicIP {
		i.PublicIP = p.public[index]
	}
	if err := tx.PutInstance(&i); err != nil {
		return nil, err
	}
	var volumes []string
	planned, how := p.volumes, launching
	if err := s.EBS.CheckQuota(tx, who, len(planned)); errors.Is(err, &origami.Error{Code: ebs.CodeVolumeLimit}) {
		planned, how = nil, overQuota // as in EC2 such a launch is accepted, and fails
	} else if err != nil {
		return nil, err
	}
	for slot, v := range planned {
		made, err := s.EBS.NewVolume(tx, who, ebs.VolumeSpec{
			Zone: i.Zone, Snapshot: v.snapshot, Shape: v.shape, Secrecy: v.secrecy,
			Attach: &origami.Attachment{
				Instance: i.ID, Device: v.device, State: origami.Attached, Attached: i.Launched,
				DeleteOnTermination: v.delete, Slot: slot,
			},
		})
		if err != nil {
			return nil, err
		}
		volumes = append(volumes, string(made.ID))
	}
	if err := putTags(tx, who, l.InstanceTags, string(i.ID)); err != nil {
		return nil, err
	}
	if err := putTags(tx, who, l.InterfaceTags, string(i.NetworkInterface)); err != nil {
		return nil, err
	}
	if l.Template != "" {
		// Tags of the service's own: clients learn from them where an
		// instance came from.
		err := tx.PutTags(who.Region, who.Account, []string{string(i.ID)}, origami.Tags{
			"aws:ec2launchtemplate:id": string(l.Template), "aws:ec2launchtemplate:version": strconv.FormatInt(l.TemplateVersion, 10),
		})
		if err != nil {
			return nil, err
		}
	}
	if err := putTags(tx, who, l.VolumeTags, volumes...); err != nil {
		return nil, err
	}
	return &i, s.queue(tx, taskStart, &i, how)
}

func putTags(tx *metadb.Tx, who origami.Caller, tags origami.Tags, ids ...string) error {
	if len(tags) == 0 || len(ids) == 0 {
		return nil
	}
	if err := tags.Validate(); err != nil {
		return err
	}
	return tx.PutTags(who.Region, who.Account, ids, tags)
}

// newMAC makes a locally administered address that begins as EC2's do.
func newMAC() string {
	var b [5]byte
	rand.Read(b[:])
	return fmt.Sprintf("0a:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4])
}
