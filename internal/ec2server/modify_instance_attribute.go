package ec2server

import (
	"context"
	"encoding/base64"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// ModifyInstanceAttribute changes one attribute of an instance. Clients name
// it in one of two ways: by Attribute and Value, or by the attribute's own
// parameter.
func (s *Server) ModifyInstanceAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifyInstanceAttributeInput) (*ec2api.ModifyInstanceAttributeOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	if in, err = typedAttribute(in); err != nil {
		return nil, err
	}
	a := instance.Attributes{
		Type:               attributeValue(in.InstanceType),
		DisableTermination: flagValue(in.DisableApiTermination),
		DisableStop:        flagValue(in.DisableApiStop),
		ShutdownBehavior:   attributeValue(in.InstanceInitiatedShutdownBehavior),
		EBSOptimized:       flagValue(in.EbsOptimized),
		SriovNetSupport:    attributeValue(in.SriovNetSupport),
		ENASupport:         flagValue(in.EnaSupport),
	}
	if in.UserData != nil {
		b := append([]byte{}, in.UserData.Value...)
		a.UserData = &b
	}
	if len(in.Groups) > 0 {
		groups := make([]origami.SecurityGroupID, len(in.Groups))
		for n, g := range in.Groups {
			if groups[n], err = origami.ParseSecurityGroupID(g); err != nil {
				return nil, err
			}
		}
		return &ec2api.ModifyInstanceAttributeOutput{}, s.instances.SetGroups(ctx, who, id, groups)
	}
	if err := parseDeletions(in.BlockDeviceMappings, &a); err != nil {
		return nil, err
	}
	return &ec2api.ModifyInstanceAttributeOutput{}, s.instances.Modify(ctx, who, id, a)
}

func flagValue(v *ec2api.AttributeBooleanValue) *bool {
	if v == nil {
		return nil
	}
	return v.Value
}

// typedAttribute gives a request that names its attribute by Attribute and
// Value the other form, and checks that it is about exactly one.
func typedAttribute(in *ec2api.ModifyInstanceAttributeInput) (*ec2api.ModifyInstanceAttributeInput, error) {
	out := *in
	if in.Value != nil {
		if in.Attribute == nil {
			return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter attribute")
		}
		if len(givenAttributes(in)) > 0 {
			return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter value cannot be used with the parameter %s", givenAttributes(in)[0])
		}
		if err := setAttribute(&out, *in.Attribute, *in.Value); err != nil {
			return nil, err
		}
	}
	given := givenAttributes(&out)
	switch {
	case len(given) == 0:
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "No attributes specified.")
	case len(given) > 1:
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Fields for multiple attribute types specified: %s", strings.Join(given, ", "))
	case in.Attribute != nil && *in.Attribute != given[0]:
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter attribute names %s, and the request is about %s", *in.Attribute, given[0])
	}
	return &out, nil
}

// givenAttributes names the attributes that a request is about.
func givenAttributes(in *ec2api.ModifyInstanceAttributeInput) []string {
	var given []string
	for _, a := range []struct {
		name  string
		given bool
	}{
		{"instanceType", attributeValue(in.InstanceType) != nil},
		{"userData", in.UserData != nil},
		{"disableApiTermination", flagValue(in.DisableApiTermination) != nil},
		{"disableApiStop", flagValue(in.DisableApiStop) != nil},
		{"instanceInitiatedShutdownBehavior", attributeValue(in.InstanceInitiatedShutdownBehavior) != nil},
		{"blockDeviceMapping", len(in.BlockDeviceMappings) > 0},
		{"sourceDestCheck", flagValue(in.SourceDestCheck) != nil},
		{"groupSet", len(in.Groups) > 0},
		{"ebsOptimized", flagValue(in.EbsOptimized) != nil},
		{"sriovNetSupport", attributeValue(in.SriovNetSupport) != nil},
		{"enaSupport", flagValue(in.EnaSupport) != nil},
	} {
		if a.given {
			given = append(given, a.name)
		}
	}
	return given
}

// setAttribute sets the parameter that is named as an attribute is.
func setAttribute(in *ec2api.ModifyInstanceAttributeInput, name, value string) error {
	flag := func(to **ec2api.AttributeBooleanValue) error {
		switch strings.ToLower(value) {
		case "true", "false":
			*to = &ec2api.AttributeBooleanValue{Value: ptr(strings.EqualFold(value, "true"))}
			return nil
		}
		return origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.64s) for parameter %s is invalid. It must be true or false.", value, name)
	}
	word := func(to **ec2api.AttributeValue) error {
		*to = &ec2api.AttributeValue{Value: &value}
		return nil
	}
	switch name {
	case "instanceType":
		return word(&in.InstanceType)
	case "instanceInitiatedShutdownBehavior":
		return word(&in.InstanceInitiatedShutdownBehavior)
	case "sriovNetSupport":
		return word(&in.SriovNetSupport)
	case "disableApiTermination":
		return flag(&in.DisableApiTermination)
	case "disableApiStop":
		return flag(&in.DisableApiStop)
	case "ebsOptimized":
		return flag(&in.EbsOptimized)
	case "enaSupport":
		return flag(&in.EnaSupport)
	case "sourceDestCheck":
		if strings.EqualFold(value, "false") {
			return origami.Errorf(origami.CodeUnsupportedOperation, "The source/destination check of instances cannot be switched off in this service.")
		}
		return flag(&in.SourceDestCheck)
	case "groupSet":
		in.Groups = strings.Split(value, ",")
		return nil
	case "userData":
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return origami.Errorf(origami.CodeInvalidUserDataMalformed, "Invalid BASE64 encoding of user data.")
		}
		in.UserData = &ec2api.BlobAttributeValue{Value: b}
		return nil
	}
	return origami.Errorf(origami.CodeInvalidParameterValue, "The attribute '%s' cannot be modified.", name)
}

// parseDeletions reads which volumes go with the instance.
func parseDeletions(in []ec2api.InstanceBlockDeviceMappingSpecification, a *instance.Attributes) error {
	for _, d := range in {
		name := deref(d.DeviceName)
		if name == "" {
			return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter deviceName")
		}
		if d.Ebs == nil || d.Ebs.DeleteOnTermination == nil {
			return origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter ebs.deleteOnTermination")
		}
		if _, twice := a.DeleteOnTermination[name]; twice {
			return origami.Errorf(origami.CodeInvalidBlockDeviceMapping, "The device '%.64s' is used in more than one block-device mapping", name)
		}
		if a.DeleteOnTermination == nil {
			a.DeleteOnTermination = make(map[string]bool)
			a.Volumes = make(map[string]origami.VolumeID)
		}
		a.DeleteOnTermination[name] = *d.Ebs.DeleteOnTermination
		if d.Ebs.VolumeId != nil {
			id, err := origami.ParseVolumeID(*d.Ebs.VolumeId)
			if err != nil {
				return err
			}
			a.Volumes[name] = id
		}
	}
	return nil
}
