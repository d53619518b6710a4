package instance

import (
	"slices"
	"strings"

	"origami"
)

// compatible refuses an image that machines of the type cannot start, in the
// words of RunInstances.
func compatible(img *origami.Image, t *Type) error {
	if !slices.Contains(t.Architectures, img.Architecture) {
		names := make([]string, len(t.Architectures))
		for i, a := range t.Architectures {
			names[i] = string(a)
		}
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. "+
				"Specify an instance type and an AMI that have matching architectures, and try again. "+
				"You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
			strings.Join(names, ","), img.Architecture)
	}
	if img.VirtualizationType == origami.HVM && !t.HVM || img.VirtualizationType == origami.Paravirtual && !t.Paravirtual {
		return origami.Errorf(origami.CodeInvalidParameterCombination,
			"Non-Windows instances with a virtualization type of '%s' are currently not supported for this instance type.", img.VirtualizationType)
	}
	if t.ENA == "required" && !img.ENASupport {
		return origami.Errorf(origami.CodeInvalidParameterCombination,
			"Enhanced networking with the Elastic Network Adapter (ENA) is required for the '%s' instance type. Ensure that you are using an AMI that is enabled for ENA.", t.Name)
	}
	if img.BootMode == origami.UEFI && !t.UEFI {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"The %s instance type does not support an AMI with a boot mode of UEFI. Only instance types built on the Nitro System support UEFI. "+
				"Specify an instance type that supports UEFI, and try again.", t.Name)
	}
	if img.TPMSupport != "" && !t.TPM {
		return origami.Errorf(origami.CodeInvalidParameterCombination, "The instance type '%s' does not support NitroTPM, which the image requires.", t.Name)
	}
	return nil
}

// fits refuses what this host cannot run, as EC2 refuses what it has no
// capacity for.
func (c Capacity) fits(img *origami.Image, t *Type) error {
	if t.VCPUs > c.VCPUs || t.MemoryMiB > c.MemoryMiB || !c.AnyImage && !executable(img) {
		return noCapacity(t)
	}
	return nil
}

// executable reports whether machines here can execute what is in an image.
func executable(img *origami.Image) bool {
	return img.VirtualizationType == origami.HVM && img.BootMode != origami.UEFI && img.TPMSupport == "" &&
		slices.Contains([]origami.Architecture{origami.I386, origami.X8664}, img.Architecture)
}

func noCapacity(t *Type) error {
	return origami.Errorf(origami.CodeInsufficientInstanceCapacity,
		"We currently do not have sufficient %s capacity in the Availability Zone you requested.", t.Name)
}
