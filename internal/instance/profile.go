package instance

import (
	"context"
	"time"

	"origami"
	"origami/internal/metadb"
)

// AssociateProfile gives an instance of the caller's, which has none, an
// instance profile. The caller may hand its role out.
func (s *Service) AssociateProfile(ctx context.Context, who origami.Caller, id origami.InstanceID, p *origami.InstanceProfile) (*origami.Instance, error) {
	var out *origami.Instance
	_, err := s.change(ctx, who, []origami.InstanceID{id}, func(_ *metadb.Tx, i *origami.Instance) error {
		switch {
		case ended(i):
			return wrongState(i, "associated with an instance profile")
		case i.Profile != "":
			return origami.Errorf(origami.CodeIncorrectState, "There is an existing association for instance %s", i.ID)
		}
		s.associate(i, p)
		out = i
		return nil
	})
	return out, err
}

// ReplaceProfile gives the instance of an association another instance profile,
// without a moment that it has none. The association that the instance then
// has is a new one.
func (s *Service) ReplaceProfile(ctx context.Context, who origami.Caller, id origami.ProfileAssociationID, p *origami.InstanceProfile) (*origami.Instance, error) {
	return s.changeAssociation(ctx, who, id, func(i *origami.Instance) { s.associate(i, p) })
}

// DisassociateProfile takes the instance profile of an association from its
// instance, and returns the instance as it was.
func (s *Service) DisassociateProfile(ctx context.Context, who origami.Caller, id origami.ProfileAssociationID) (*origami.Instance, error) {
	var was origami.Instance
	_, err := s.changeAssociation(ctx, who, id, func(i *origami.Instance) {
		was = *i
		i.Profile, i.ProfileID, i.ProfileAssociation, i.ProfileSince = "", "", "", time.Time{}
	})
	return &was, err
}

// associate notes the instance profile of an instance.
func (s *Service) associate(i *origami.Instance, p *origami.InstanceProfile) {
	i.Profile, i.ProfileID = p.ARN(), p.ID
	i.ProfileAssociation, i.ProfileSince = origami.NewProfileAssociationID(), s.Now().UTC()
}

func (s *Service) changeAssociation(ctx context.Context, who origami.Caller, id origami.ProfileAssociationID, f func(*origami.Instance)) (*origami.Instance, error) {
	var out *origami.Instance
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		i, err := ProfileAssociation(tx, who, id)
		if err != nil {
			return err
		}
		out, err = tx.UpdateInstance(who.Region, i.ID, func(i *origami.Instance) error {
			f(i)
			return nil
		})
		return err
	})
	return out, err
}

// ProfileAssociation is the instance of the caller's whose instance profile an
// association is about, or InvalidAssociationID.NotFound. Associations end with
// their instances.
func ProfileAssociation(tx *metadb.Tx, who origami.Caller, id origami.ProfileAssociationID) (*origami.Instance, error) {
	for i, err := range tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		if Associated(i) && i.ProfileAssociation == id {
			return i, nil
		}
	}
	return nil, NoAssociation(string(id))
}

// NoAssociation is the error of an association that does not exist.
func NoAssociation(id string) error {
	return origami.Errorf("InvalidAssociationID.NotFound", "An invalid association-id of '%s' was given", id)
}

// Associated reports whether an instance is associated with an instance
// profile.
func Associated(i *origami.Instance) bool { return i.Profile != "" && !ended(i) }
