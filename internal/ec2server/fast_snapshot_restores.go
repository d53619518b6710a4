package ec2server

import (
	"context"
	"errors"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// EnableFastSnapshotRestores makes snapshots restore fast in zones.
func (s *Server) EnableFastSnapshotRestores(ctx context.Context, who origami.Caller, in *ec2api.EnableFastSnapshotRestoresInput) (*ec2api.EnableFastSnapshotRestoresOutput, error) {
	zones, err := pickZones(who.Region, in.AvailabilityZones, in.AvailabilityZoneIds)
	if err != nil {
		return nil, err
	}
	out := &ec2api.EnableFastSnapshotRestoresOutput{}
	err = s.eachFastRestore(ctx, in.SourceSnapshotIds, zones, func(tx *metadb.Tx, id origami.SnapshotID, zone string) (*origami.FastRestore, error) {
		return s.ebs.EnableFastRestore(tx, who, id, zone)
	}, func(z origami.Zone, f *origami.FastRestore) {
		out.Successful = append(out.Successful, ec2api.EnableFastSnapshotRestoreSuccessItem(wireFastRestore(z, f)))
	}, func(id string, z origami.Zone, e *origami.Error) {
		item := ec2api.EnableFastSnapshotRestoreStateErrorItem{AvailabilityZone: text(z.Name), AvailabilityZoneId: text(z.ID),
			Error: &ec2api.EnableFastSnapshotRestoreStateError{Code: text(e.Code), Message: text(e.Message)}}
		if n := len(out.Unsuccessful); n == 0 || *out.Unsuccessful[n-1].SnapshotId != id {
			out.Unsuccessful = append(out.Unsuccessful, ec2api.EnableFastSnapshotRestoreErrorItem{SnapshotId: text(id)})
		}
		last := &out.Unsuccessful[len(out.Unsuccessful)-1]
		last.FastSnapshotRestoreStateErrors = append(last.FastSnapshotRestoreStateErrors, item)
	})
	return out, err
}

// DisableFastSnapshotRestores ends that.
func (s *Server) DisableFastSnapshotRestores(ctx context.Context, who origami.Caller, in *ec2api.DisableFastSnapshotRestoresInput) (*ec2api.DisableFastSnapshotRestoresOutput, error) {
	zones, err := pickZones(who.Region, in.AvailabilityZones, in.AvailabilityZoneIds)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DisableFastSnapshotRestoresOutput{}
	err = s.eachFastRestore(ctx, in.SourceSnapshotIds, zones, func(tx *metadb.Tx, id origami.SnapshotID, zone string) (*origami.FastRestore, error) {
		return s.ebs.DisableFastRestore(tx, who, id, zone)
	}, func(z origami.Zone, f *origami.FastRestore) {
		out.Successful = append(out.Successful, ec2api.DisableFastSnapshotRestoreSuccessItem(wireFastRestore(z, f)))
	}, func(id string, z origami.Zone, e *origami.Error) {
		item := ec2api.DisableFastSnapshotRestoreStateErrorItem{AvailabilityZone: text(z.Name), AvailabilityZoneId: text(z.ID),
			Error: &ec2api.DisableFastSnapshotRestoreStateError{Code: text(e.Code), Message: text(e.Message)}}
		if n := len(out.Unsuccessful); n == 0 || *out.Unsuccessful[n-1].SnapshotId != id {
			out.Unsuccessful = append(out.Unsuccessful, ec2api.DisableFastSnapshotRestoreErrorItem{SnapshotId: text(id)})
		}
		last := &out.Unsuccessful[len(out.Unsuccessful)-1]
		last.FastSnapshotRestoreStateErrors = append(last.FastSnapshotRestoreStateErrors, item)
	})
	return out, err
}

// maxFastSnapshots is how many snapshots one request may name.
const maxFastSnapshots = 10

// eachFastRestore does something for each pair of a snapshot and a zone. What
// is refused for one pair is told and done for the others.
func (s *Server) eachFastRestore(ctx context.Context, ids []string, zones []origami.Zone,
	do func(*metadb.Tx, origami.SnapshotID, string) (*origami.FastRestore, error),
	done func(origami.Zone, *origami.FastRestore), failed func(string, origami.Zone, *origami.Error)) error {
	if len(ids) > maxFastSnapshots {
		return origami.Errorf(origami.CodeInvalidRequest, "Number of values of parameter SourceSnapshotIds must be less than or equal to %d.", maxFastSnapshots)
	}
	snapshots := make([]origami.SnapshotID, len(ids))
	for i, text := range ids {
		var err error
		if snapshots[i], err = origami.ParseSnapshotID(text); err != nil {
			return err // before anything is done
		}
	}
	for i, id := range snapshots {
		for _, zone := range zones {
			var f *origami.FastRestore
			err := s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
				f, err = do(tx, id, zone.Name)
				return err
			})
			var e *origami.Error
			switch {
			case errors.As(err, &e):
				failed(ids[i], zone, e)
			case err != nil:
				return err
			default:
				done(zone, f)
			}
		}
	}
	return nil
}

// pickZones finds zones of a region by their names or by their IDs.
func pickZones(region origami.Region, names, ids []string) ([]origami.Zone, error) {
	if len(names) > 0 && len(ids) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter AvailabilityZone cannot be used with the parameter AvailabilityZoneId")
	}
	if len(names)+len(ids) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter AvailabilityZone or AvailabilityZoneId")
	}
	var out []origami.Zone
	all := vpc.Zones(region)
	for _, want := range slices.Concat(names, ids) {
		i := slices.IndexFunc(all, func(z origami.Zone) bool { return len(names) > 0 && z.Name == want || len(ids) > 0 && z.ID == want })
		if i < 0 {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid availability zone: [%.64s]", want)
		}
		if !slices.Contains(out, all[i]) {
			out = append(out, all[i])
		}
	}
	return out, nil
}

// fastRestoreProperties are the filters of DescribeFastSnapshotRestores.
var fastRestoreProperties = properties[*origami.FastRestore]{
	"availability-zone":    func(f *origami.FastRestore) []string { return one(f.Zone) },
	"availability-zone-id": func(f *origami.FastRestore) []string { return one(zoneNamed(f.Region, f.Zone).ID) },
	"owner-id":             func(f *origami.FastRestore) []string { return one(f.Owner) },
	"snapshot-id":          func(f *origami.FastRestore) []string { return one(f.Snapshot) },
	"state":                func(f *origami.FastRestore) []string { return one(f.State) },
}

// DescribeFastSnapshotRestores lists the caller's fast snapshot restores.
func (s *Server) DescribeFastSnapshotRestores(ctx context.Context, who origami.Caller, in *ec2api.DescribeFastSnapshotRestoresInput) (*ec2api.DescribeFastSnapshotRestoresOutput, error) {
	p, err := s.page(who, "DescribeFastSnapshotRestores", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := fastRestoreProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after}
	out := &ec2api.DescribeFastSnapshotRestoresOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.FastSnapshotRestores = nil
		match := func(v tagged[*origami.FastRestore]) bool { return fastRestoreProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.FastRestores(q), (*origami.FastRestore).Key, match)
		for _, v := range found {
			out.FastSnapshotRestores = append(out.FastSnapshotRestores, wireFastRestore(zoneNamed(who.Region, v.noun.Zone), v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// zoneNamed is the zone of a name, without an ID if there is none.
func zoneNamed(region origami.Region, name string) origami.Zone {
	for _, z := range vpc.Zones(region) {
		if z.Name == name {
			return z
		}
	}
	return origami.Zone{Name: name, Region: region}
}

func wireFastRestore(z origami.Zone, f *origami.FastRestore) ec2api.DescribeFastSnapshotRestoreSuccessItem {
	return ec2api.DescribeFastSnapshotRestoreSuccessItem{
		AvailabilityZone: text(z.Name), AvailabilityZoneId: text(z.ID), OwnerId: text(f.Owner), SnapshotId: text(f.Snapshot),
		State: text(f.State), StateTransitionReason: text(f.Reason), EnablingTime: instant(f.Enabling),
		OptimizingTime: instant(f.Optimizing), EnabledTime: instant(f.Enabled), DisablingTime: instant(f.Disabling), DisabledTime: instant(f.Disabled),
	}
}
