package instance

import (
	"cmp"
	"slices"

	"origami"
)

// sortByIndex orders the instances of a reservation.
func sortByIndex(all []*origami.Instance) {
	slices.SortFunc(all, func(a, b *origami.Instance) int { return cmp.Compare(a.LaunchIndex, b.LaunchIndex) })
}

// sortBySlot orders volumes by where they are attached to the instance.
func sortBySlot(vols []*origami.Volume, id origami.InstanceID) {
	slices.SortFunc(vols, func(a, b *origami.Volume) int { return cmp.Compare(slotOf(a, id), slotOf(b, id)) })
}

// attachment is the one that ties v to the instance, or nil.
func attachment(v *origami.Volume, id origami.InstanceID) *origami.Attachment {
	for n := range v.Attachments {
		if v.Attachments[n].Instance == id {
			return &v.Attachments[n]
		}
	}
	return nil
}

func slotOf(v *origami.Volume, id origami.InstanceID) int {
	if a := attachment(v, id); a != nil {
		return a.Slot
	}
	return -1
}

func deviceOf(v *origami.Volume, id origami.InstanceID) string {
	if a := attachment(v, id); a != nil {
		return a.Device
	}
	return ""
}
