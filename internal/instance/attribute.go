package instance

import (
	"context"
	"slices"

	"origami"
	"origami/internal/metadb"
)

// Attributes is a change of an instance. Nil means "leave as it is".
type Attributes struct {
	Type               *string
	UserData           *[]byte // empty for none
	DisableTermination *bool
	DisableStop        *bool
	ShutdownBehavior   *string
	EBSOptimized       *bool
	SriovNetSupport    *string
	ENASupport         *bool
	// DeleteOnTermination is given by device name; Volumes may say which
	// volume is expected there.
	DeleteOnTermination map[string]bool
	Volumes             map[string]origami.VolumeID
}

// atRest reports whether the change is for stopped instances only.
func (a *Attributes) atRest() bool {
	return a.Type != nil || a.UserData != nil || a.EBSOptimized != nil || a.SriovNetSupport != nil || a.ENASupport != nil
}

// Modify changes an instance of the caller's. What a running machine cannot
// follow is refused unless the instance is stopped.
func (s *Service) Modify(ctx context.Context, who origami.Caller, id origami.InstanceID, a Attributes) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		i, err := tx.Instance(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		if ended(i) {
			return wrongState(i, "modified")
		}
		if a.atRest() && i.State != origami.InstanceStopped {
			return NotStopped(i.ID)
		}
		if err := a.deletions(tx, i); err != nil {
			return err
		}
		_, err = tx.UpdateInstance(who.Region, id, a.apply)
		return err
	})
}

// NotStopped is the refusal of a change that only a stopped instance takes.
func NotStopped(id origami.InstanceID) error {
	return origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in the 'stopped' state.", id)
}

// ended reports whether an instance is terminated, or about to be.
func ended(i *origami.Instance) bool {
	return i.State == origami.InstanceShuttingDown || i.State == origami.InstanceTerminated
}

// apply changes the row of an instance.
func (a *Attributes) apply(i *origami.Instance) error {
	if a.Type != nil {
		if err := changeType(i, *a.Type); err != nil {
			return err
		}
	}
	if a.UserData != nil {
		if err := checkUserData(*a.UserData); err != nil {
			return err
		}
		i.UserData = *a.UserData
	}
	set(&i.DisableTermination, a.DisableTermination)
	set(&i.DisableStop, a.DisableStop)
	set(&i.ENASupport, a.ENASupport)
	if a.ShutdownBehavior != nil {
		if err := checkShutdownBehavior(*a.ShutdownBehavior); err != nil {
			return err
		}
		i.ShutdownBehavior = *a.ShutdownBehavior
	}
	if a.SriovNetSupport != nil {
		if *a.SriovNetSupport != "simple" {
			return origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%.64s' for sriovNetSupport. The only value is 'simple'.", *a.SriovNetSupport)
		}
		i.SriovNetSupport = *a.SriovNetSupport
	}
	if a.EBSOptimized != nil {
		t, err := TypeByName(i.Type)
		if err != nil {
			return err
		}
		if err := checkEBSOptimized(t, *a.EBSOptimized); err != nil {
			return err
		}
		i.EBSOptimized = *a.EBSOptimized
	}
	return nil
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

// changeType gives a stopped instance another type, which must be able to
// start what is on its root volume.
func changeType(i *origami.Instance, name string) error {
	t, err := TypeByName(name)
	if err != nil {
		return err
	}
	if err := compatible(demands(i), t); err != nil {
		return err
	}
	if err := checkEBSOptimized(t, i.EBSOptimized); err != nil {
		return err
	}
	// The credit option goes with a change between burstable types, too.
	i.Type, i.CPUCredits = t.Name, t.Credits
	return nil
}

// demands is what an instance asks of its type, as an image of it would.
func demands(i *origami.Instance) *origami.Image {
	return &origami.Image{
		Architecture: i.Architecture, VirtualizationType: i.VirtualizationType,
		ENASupport: i.ENASupport, BootMode: i.BootMode, TPMSupport: i.TPMSupport,
	}
}

// checkEBSOptimized refuses a wish that the type cannot fulfil.
func checkEBSOptimized(t *Type, wanted bool) error {
	if wanted && t.EBSOptimized == "unsupported" {
		return origami.Errorf(origami.CodeUnsupported,
			"The requested configuration is currently not supported. Please check the documentation for supported configurations.")
	}
	return nil
}

func checkUserData(b []byte) error {
	if len(b) > MaxUserData {
		return origami.Errorf(origami.CodeInvalidParameterValue, "User data is limited to %d bytes", MaxUserData)
	}
	return nil
}

func checkShutdownBehavior(s string) error {
	if s != "stop" && s != "terminate" {
		return origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%.64s' for InstanceInitiatedShutdownBehavior.", s)
	}
	return nil
}

// deletions says of attached volumes whether they go with the instance.
func (a *Attributes) deletions(tx *metadb.Tx, i *origami.Instance) error {
	if len(a.DeleteOnTermination) == 0 {
		return nil
	}
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return err
	}
	for device, del := range a.DeleteOnTermination {
		at := slices.IndexFunc(vols, func(v *origami.Volume) bool { return deviceOf(v, i.ID) == device })
		if at < 0 {
			return origami.Errorf("InvalidInstanceAttributeValue", "No device is currently mapped at %.64s", device)
		}
		if want := a.Volumes[device]; want != "" && want != vols[at].ID {
			return origami.Errorf("InvalidInstanceAttributeValue", "The volume '%s' is not mapped at %s", want, device)
		}
		_, err := tx.UpdateVolume(i.Region, vols[at].ID, func(v *origami.Volume) error {
			attachment(v, i.ID).DeleteOnTermination = del
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Monitor turns the detailed monitoring of instances of the caller's on or
// off. This service measures nothing; the guest learns of it from its metadata.
func (s *Service) Monitor(ctx context.Context, who origami.Caller, ids []origami.InstanceID, on bool) error {
	_, err := s.change(ctx, who, ids, func(_ *metadb.Tx, i *origami.Instance) error {
		if ended(i) {
			return wrongState(i, "monitored")
		}
		i.Monitoring = on
		return nil
	})
	return err
}

// ModifyMetadata changes how the metadata service serves an instance of the
// caller's, from the next request of the guest on. Zero values leave options
// as they are. It returns the options as they are now.
func (s *Service) ModifyMetadata(ctx context.Context, who origami.Caller, id origami.InstanceID, o origami.MetadataOptions) (origami.MetadataOptions, error) {
	var now origami.MetadataOptions
	_, err := s.change(ctx, who, []origami.InstanceID{id}, func(_ *metadb.Tx, i *origami.Instance) error {
		if ended(i) {
			return wrongState(i, "modified")
		}
		m := i.Metadata
		for _, f := range []struct{ to, from *string }{
			{&m.Endpoint, &o.Endpoint}, {&m.Tokens, &o.Tokens}, {&m.InstanceTags, &o.InstanceTags}, {&m.IPv6, &o.IPv6},
		} {
			if *f.from != "" {
				*f.to = *f.from
			}
		}
		if o.HopLimit != 0 {
			m.HopLimit = o.HopLimit
		}
		var err error
		if now, err = decideMetadata(m, new(origami.Image)); err != nil {
			return err
		}
		i.Metadata = now
		return nil
	})
	return now, err
}
