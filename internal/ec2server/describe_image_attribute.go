package ec2server

import (
	"context"
	"slices"
	"time"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// seenByAll are the attributes of an image that everybody sees who sees the
// image.
var seenByAll = []string{"description", "kernel", "ramdisk", "productCodes"}

// seenByOwner are those that only its owner sees.
var seenByOwner = []string{
	"launchPermission", "sriovNetSupport", "bootMode", "tpmSupport", "uefiData", "lastLaunchedTime", "imdsSupport", "deregistrationProtection",
}

// DescribeImageAttribute tells one attribute of an image.
func (s *Server) DescribeImageAttribute(ctx context.Context, who origami.Caller, in *ec2api.DescribeImageAttributeInput) (*ec2api.DescribeImageAttributeOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	name := deref(in.Attribute)
	if name == "blockDeviceMapping" {
		return nil, origami.Errorf(origami.CodeAuthFailure, "Unauthorized attempt to access restricted resource")
	}
	if !slices.Contains(seenByAll, name) && !slices.Contains(seenByOwner, name) {
		return nil, origami.Errorf(origami.CodeInvalidRequest, "The request received was invalid.")
	}
	out := &ec2api.DescribeImageAttributeOutput{ImageId: text(id)}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		view, err := s.ami.View(tx, who)
		if err != nil {
			return err
		}
		img, err := view.Find(id)
		if err != nil {
			return err
		}
		if slices.Contains(seenByOwner, name) {
			if img, err = s.ami.Owned(tx, who, id); err != nil {
				return err
			}
		}
		if img.Gone() {
			return ami.Unavailable(id)
		}
		setImageAttribute(out, name, imageView{img, view})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// setImageAttribute writes the one attribute that was asked for. One without a
// value is there, and empty.
func setImageAttribute(out *ec2api.DescribeImageAttributeOutput, name string, img imageView) {
	value := func(s string) *ec2api.AttributeValue { return &ec2api.AttributeValue{Value: text(s)} }
	switch name {
	case "description":
		out.Description = value(img.Description)
	case "kernel":
		out.KernelId = value(img.KernelID)
	case "ramdisk":
		out.RamdiskId = value(img.RamdiskID)
	case "launchPermission":
		out.LaunchPermissions = wireLaunchPermissions(img.Grants())
	case "productCodes":
		out.ProductCodes = wireProductCodes(img.ProductCodes)
	case "sriovNetSupport":
		out.SriovNetSupport = value(img.SriovNetSupport)
	case "bootMode":
		out.BootMode = value(string(img.BootMode))
	case "tpmSupport":
		out.TpmSupport = value(img.TPMSupport)
	case "uefiData":
		out.UefiData = value(img.UEFIData)
	case "imdsSupport":
		out.ImdsSupport = value(img.IMDSSupport)
	case "lastLaunchedTime":
		out.LastLaunchedTime = value("")
		if t := img.view.LastLaunched(img.Image); !t.IsZero() {
			out.LastLaunchedTime = value(t.UTC().Format(time.RFC3339))
		}
	case "deregistrationProtection":
		out.DeregistrationProtection = value(img.view.Protection(img.Image))
	}
}

func wireLaunchPermissions(grants origami.Grants) []ec2api.LaunchPermission {
	out := []ec2api.LaunchPermission{}
	for _, g := range wireGrants(grants) {
		out = append(out, ec2api.LaunchPermission{UserId: g.user, Group: g.group, OrganizationArn: g.organization, OrganizationalUnitArn: g.unit})
	}
	return out
}
