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
// image. The others are the owner's.
var seenByAll = []string{"description", "kernel", "ramdisk", "productCodes"}

// launchDelay is how long a launch stays unreported.
const launchDelay = 24 * time.Hour

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
	var img *origami.Image
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if !slices.Contains(seenByAll, name) {
			img, err = s.ami.Owned(tx, who, id)
			return err
		}
		if img, err = tx.Image(who.Region, who.Account, id); err != nil {
			return err
		}
		if img.State == origami.ImageDeregistered {
			return ami.Unavailable(id)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeImageAttributeOutput{ImageId: text(id)}
	setImageAttribute(out, name, img)
	return out, nil
}

// setImageAttribute writes the one attribute that was asked for. One without a
// value is there, and empty.
func setImageAttribute(out *ec2api.DescribeImageAttributeOutput, name string, img *origami.Image) {
	value := func(s string) *ec2api.AttributeValue { return &ec2api.AttributeValue{Value: text(s)} }
	switch name {
	case "description":
		out.Description = value(img.Description)
	case "kernel":
		out.KernelId = value(img.KernelID)
	case "ramdisk":
		out.RamdiskId = value(img.RamdiskID)
	case "launchPermission":
		out.LaunchPermissions = []ec2api.LaunchPermission{}
		for _, g := range wireGrants(img.Public, img.SharedWith) {
			out.LaunchPermissions = append(out.LaunchPermissions, ec2api.LaunchPermission{UserId: g.user, Group: g.group})
		}
	case "productCodes":
		out.ProductCodes = []ec2api.ProductCode{}
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
		if t := img.LastLaunched; !t.IsZero() && time.Since(t) >= launchDelay {
			out.LastLaunchedTime = value(t.UTC().Format(time.RFC3339))
		}
	case "deregistrationProtection":
		out.DeregistrationProtection = value("disabled")
	}
}
