package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// volumeStatusProperties are the filters of DescribeVolumeStatus. Bytes that
// do not match are never returned by this service, so that volumes have
// neither events nor actions, and I/O to them is enabled.
var volumeStatusProperties = properties[*origami.Volume]{
	"action.code":                  func(*origami.Volume) []string { return nil },
	"action.description":           func(*origami.Volume) []string { return nil },
	"action.event-id":              func(*origami.Volume) []string { return nil },
	"availability-zone":            func(v *origami.Volume) []string { return one(v.Zone) },
	"availability-zone-id":         func(v *origami.Volume) []string { return one(zoneID(v.Region, v.Zone)) },
	"event.description":            func(*origami.Volume) []string { return nil },
	"event.event-id":               func(*origami.Volume) []string { return nil },
	"event.event-type":             func(*origami.Volume) []string { return nil },
	"event.not-after":              func(*origami.Volume) []string { return nil },
	"event.not-before":             func(*origami.Volume) []string { return nil },
	"operator.managed":             func(*origami.Volume) []string { return boolean(false) },
	"operator.principal":           func(*origami.Volume) []string { return nil },
	"volume-status.details-name":   ofStatus(func(d statusDetail) string { return d.name }),
	"volume-status.details-status": ofStatus(func(d statusDetail) string { return d.status }),
	"volume-status.status":         func(v *origami.Volume) []string { return one(volumeStatus(v)) },
}

// statusDetail is one check of a volume.
type statusDetail struct{ name, status string }

func ofStatus(get func(statusDetail) string) func(*origami.Volume) []string {
	return func(v *origami.Volume) []string {
		return each(statusDetails(v), func(d statusDetail) []string { return one(get(d)) })
	}
}

// statusDetails are the checks of a volume. One that could not be made has
// none.
func statusDetails(v *origami.Volume) []statusDetail {
	if volumeStatus(v) != "ok" {
		return nil
	}
	out := []statusDetail{{"io-enabled", "passed"}, {"io-performance", ioPerformance(v)}}
	switch i := initialization(v); {
	case i == nil:
	case *i.Progress < 100:
		out = append(out, statusDetail{"initialization-state", "initializing"})
	default:
		out = append(out, statusDetail{"initialization-state", "completed"})
	}
	return out
}

// initialization tells how far a volume is on its way to be independent of what it
// was made of; nil if that was nothing.
func initialization(v *origami.Volume) *ec2api.InitializationStatusDetails {
	kind, progress := "default", 100
	if v.Source != "" {
		kind = "volume-copy"
	}
	switch {
	case v.Rekey != nil: // what it began with is being encrypted with its key
		progress = v.Rekey.Progress
	case v.Copy != nil:
		progress = v.Copy.Progress
	case v.Source == "" && v.Snapshot == "":
		return nil
	}
	return &ec2api.InitializationStatusDetails{InitializationType: &kind, Progress: ptr(int64(progress))}
}

func volumeStatus(v *origami.Volume) string {
	if v.State == origami.VolumeCreating || v.State == origami.VolumeError {
		return "insufficient-data"
	}
	return "ok"
}

// ioPerformance is checked of volumes with IOPS of their own that are in use.
func ioPerformance(v *origami.Volume) string {
	switch v.Type {
	case origami.GP3, origami.IO1, origami.IO2:
		if v.State == origami.VolumeInUse {
			return "normal"
		}
	}
	return "not-applicable"
}

// DescribeVolumeStatus tells whether the caller's volumes are well.
func (s *Server) DescribeVolumeStatus(ctx context.Context, who origami.Caller, in *ec2api.DescribeVolumeStatusInput) (*ec2api.DescribeVolumeStatusOutput, error) {
	if in.MaxResults != nil && len(in.VolumeIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter volumeSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeVolumeStatus", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := volumeStatusProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	ids, err := parseVolumeIDs(in.VolumeIds)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: ids, After: p.after, Expect: p.expect()}
	out := &ec2api.DescribeVolumeStatusOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.VolumeStatuses = nil
		for _, id := range ids {
			if _, err := tx.Volume(who.Region, who.Account, origami.VolumeID(id)); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.Volume]) bool { return volumeStatusProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.Volumes(q), func(v *origami.Volume) string { return string(v.ID) }, match)
		for _, v := range found {
			out.VolumeStatuses = append(out.VolumeStatuses, wireVolumeStatus(v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

func wireVolumeStatus(v *origami.Volume) ec2api.VolumeStatusItem {
	info := &ec2api.VolumeStatusInfo{Status: text(volumeStatus(v))}
	for _, d := range statusDetails(v) {
		info.Details = append(info.Details, ec2api.VolumeStatusDetails{Name: text(d.name), Status: text(d.status)})
	}
	out := ec2api.VolumeStatusItem{
		AvailabilityZone:   text(v.Zone),
		AvailabilityZoneId: text(zoneID(v.Region, v.Zone)),
		VolumeId:           text(v.ID),
		VolumeStatus:       info,

		InitializationStatusDetails: initialization(v),
	}
	for _, a := range v.Attachments {
		out.AttachmentStatuses = append(out.AttachmentStatuses, ec2api.VolumeStatusAttachmentStatus{
			InstanceId: text(a.Instance), IoPerformance: text(ioPerformance(v)),
		})
	}
	return out
}
