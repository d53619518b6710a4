package instance

import (
	"context"

	"origami"
	"origami/internal/metadb"
)

// CodeCreditsUnsupported is the refusal of credit options for types without
// CPU credits.
const CodeCreditsUnsupported origami.Code = "InstanceCreditSpecification.NotSupported"

// decideCredits is the credit option of an instance of type t: what is asked
// for, or what the type has.
func decideCredits(t *Type, asked string) (string, error) {
	switch {
	case asked == "":
		return t.Credits, nil
	case !t.Burstable:
		return "", origami.Errorf(origami.CodeInvalidParameterCombination,
			"The CPU credit option is not supported for the instance type '%s'.", t.Name)
	case asked != "standard" && asked != "unlimited":
		return "", origami.Errorf(origami.CodeInvalidParameterValue, "Invalid value '%.64s' for CpuCredits. It must be 'standard' or 'unlimited'.", asked)
	}
	return asked, nil
}

// SetCredits chooses the credit option of an instance of the caller's:
// "standard" or "unlimited". Nothing here is throttled or charged by it.
func (s *Service) SetCredits(ctx context.Context, who origami.Caller, id origami.InstanceID, option string) error {
	_, err := s.change(ctx, who, []origami.InstanceID{id}, func(_ *metadb.Tx, i *origami.Instance) error {
		t, err := TypeByName(i.Type)
		if err != nil {
			return err
		}
		if !t.Burstable {
			return origami.Errorf(CodeCreditsUnsupported, "The instance type '%s' of the instance '%s' has no CPU credits.", t.Name, i.ID)
		}
		if i.State != origami.InstanceRunning && i.State != origami.InstanceStopped {
			return wrongState(i, "modified")
		}
		i.CPUCredits, err = decideCredits(t, option)
		return err
	})
	return err
}
