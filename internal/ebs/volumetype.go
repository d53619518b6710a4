package ebs

import (
	"origami"
)

// typeRule is what EBS says about one volume type. Sizes are in GiB.
type typeRule struct {
	minSize, maxSize             int64
	minIOPS, maxIOPS             int64 // 0: the type has no settable IOPS
	defaultIOPS                  int64 // 0: must be given
	maxIOPSPerGiB                int64
	minThroughput, maxThroughput int64 // MiB/s; 0: not settable
	boot                         bool
}

// typeRules lists the volume types (user guide, "Amazon EBS volume types").
var typeRules = map[origami.VolumeType]typeRule{
	origami.GP3:      {1, 65536, 3000, 80000, 3000, 500, 125, 2000, true},
	origami.GP2:      {1, 16384, 0, 0, 0, 0, 0, 0, true},
	origami.IO1:      {4, 16384, 100, 64000, 0, 50, 0, 0, true},
	origami.IO2:      {4, 65536, 100, 256000, 0, 1000, 0, 0, true},
	origami.ST1:      {125, 16384, 0, 0, 0, 0, 0, 0, false},
	origami.SC1:      {125, 16384, 0, 0, 0, 0, 0, 0, false},
	origami.Standard: {1, 1024, 0, 0, 0, 0, 0, 0, true},
}

// Shape is the size and performance of a volume, as asked for or as decided.
type Shape struct {
	Type       origami.VolumeType
	Size       int64 // GiB
	IOPS       int64
	Throughput int64 // MiB/s
}

// Decide checks a shape against the rules of its type and fills in what was
// not given: type gp2, and the default IOPS and throughput of the type. The
// size must be known already.
func (s Shape) Decide() (Shape, error) {
	if s.Type == "" {
		s.Type = origami.GP2
	}
	r, ok := typeRules[s.Type]
	if !ok {
		return s, origami.Errorf(origami.CodeUnknownVolumeType, "Unsupported volume type '%s' for volume creation.", s.Type)
	}
	if s.Size < r.minSize {
		return s, origami.Errorf(origami.CodeInvalidParameterValue, "Volume of %dGiB is too small for volume type %s; minimum is %dGiB.", s.Size, s.Type, r.minSize)
	}
	if s.Size > r.maxSize {
		return s, origami.Errorf(origami.CodeInvalidParameterValue, "Volume of %dGiB is too large for volume type %s; maximum is %dGiB.", s.Size, s.Type, r.maxSize)
	}
	if err := s.decideIOPS(r); err != nil {
		return s, err
	}
	return s, s.decideThroughput(r)
}

func (s *Shape) decideIOPS(r typeRule) error {
	switch {
	case r.maxIOPS == 0 && s.IOPS != 0:
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter iops is not supported for %s volumes.", s.Type)
	case s.Type == origami.GP2:
		s.IOPS = min(max(3*s.Size, 100), 16000)
		return nil
	case r.maxIOPS == 0:
		return nil
	case s.IOPS == 0 && r.defaultIOPS == 0:
		return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter iops")
	case s.IOPS == 0:
		s.IOPS = r.defaultIOPS
		return nil
	case s.IOPS < r.minIOPS:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Volume iops of %d is too low; minimum is %d.", s.IOPS, r.minIOPS)
	case s.IOPS > r.maxIOPS:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Volume iops of %d is too high; maximum is %d.", s.IOPS, r.maxIOPS)
	case s.IOPS > r.defaultIOPS && s.IOPS > r.maxIOPSPerGiB*s.Size:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Iops to volume size ratio of %.6f is too high; maximum is %d.",
			float64(s.IOPS)/float64(s.Size), r.maxIOPSPerGiB)
	}
	return nil
}

func (s *Shape) decideThroughput(r typeRule) error {
	switch {
	case r.maxThroughput == 0 && s.Throughput != 0:
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter throughput is not supported for %s volumes.", s.Type)
	case r.maxThroughput == 0:
		return nil
	case s.Throughput == 0:
		s.Throughput = r.minThroughput
	case s.Throughput < r.minThroughput:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Throughput value of %d is too low; minimum is %d.", s.Throughput, r.minThroughput)
	case s.Throughput > r.maxThroughput:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Throughput value of %d is too high; maximum is %d.", s.Throughput, r.maxThroughput)
	case 4*s.Throughput > s.IOPS: // at most 0.25 MiB/s for each IOPS
		return origami.Errorf(origami.CodeInvalidParameterValue, "Throughput (MiBps) to iops ratio of %.6f is too high; maximum is 0.250000 MiBps per iops.",
			float64(s.Throughput)/float64(s.IOPS))
	}
	return nil
}

// Bootable reports whether a volume of the type can be a root volume.
func Bootable(t origami.VolumeType) bool { return typeRules[t].boot }
