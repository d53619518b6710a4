package ec2server

import (
	"context"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ModifyImageAttribute changes one attribute of an image. An attribute is named
// by the parameter that has its value, or by Attribute with Value or with users
// and groups.
func (s *Server) ModifyImageAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifyImageAttributeInput) (*ec2api.ModifyImageAttributeOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	m, err := imageModificationOf(in)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		switch {
		case m.description != nil:
			return s.ami.Describe(tx, who, id, *m.description)
		case m.imds != nil:
			return s.ami.RequireTokens(tx, who, id, *m.imds)
		}
		return s.ami.Share(tx, who, id, m.add, m.remove)
	})
	return &ec2api.ModifyImageAttributeOutput{}, err
}

// imageModification is the one change that a request asks for: of the
// description, of the IMDS support, or else of the launch permissions.
type imageModification struct {
	description *string
	imds        *string
	add, remove origami.Grants
}

func imageModificationOf(in *ec2api.ModifyImageAttributeInput) (imageModification, error) {
	c := change{name: "launchPermission", operation: in.OperationType, users: in.UserIds, groups: in.UserGroups,
		organizations: in.OrganizationArns, units: in.OrganizationalUnitArns}
	if p := in.LaunchPermission; p != nil {
		c.add, c.remove = launchGrantees(p.Add), launchGrantees(p.Remove)
	}
	m := imageModification{description: attributeValue(in.Description), imds: attributeValue(in.ImdsSupport)}
	if len(in.ProductCodes) > 0 || deref(in.Attribute) == "productCodes" {
		return m, origami.Errorf(origami.CodeUnsupportedOperation, "The product codes of an image cannot be modified.")
	}
	var given []string
	note := func(name string, is bool) {
		if is {
			given = append(given, name)
		}
	}
	note("description", m.description != nil)
	note("imdsSupport", m.imds != nil)
	note("launchPermission", c.given())
	named := deref(in.Attribute)
	if err := m.setValue(named, in.Value, &given); err != nil {
		return m, err
	}
	if len(given) > 1 || named != "" && len(given) == 1 && given[0] != named {
		if named != "" {
			given = append([]string{named}, given...)
		}
		return m, origami.Errorf(origami.CodeInvalidParameterCombination, "Fields for multiple attribute types specified: %s", strings.Join(given, ", "))
	}
	if len(given) == 0 {
		return m, origami.Errorf(origami.CodeInvalidParameterCombination, "No attributes specified.")
	}
	var err error
	if c.given() {
		m.add, m.remove, err = c.grants()
	}
	return m, err
}

// setValue reads the form of a request that names an attribute and gives its
// value apart.
func (m *imageModification) setValue(named string, value *string, given *[]string) error {
	switch named {
	case "", "description", "imdsSupport", "launchPermission":
	default:
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.128s) for parameter attribute is invalid. It cannot be modified.", named)
	}
	if value == nil || *value == "" && named != "description" {
		return nil
	}
	switch {
	case named == "description" && m.description == nil:
		m.description = value
	case named == "imdsSupport" && m.imds == nil:
		m.imds = value
	default:
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter value cannot be used with the other parameters of the request.")
	}
	*given = append(*given, named)
	return nil
}

// attributeValue is the value of an attribute that a request gives, or nil.
func attributeValue(v *ec2api.AttributeValue) *string {
	if v == nil {
		return nil
	}
	return v.Value
}
