package ec2server

import (
	"context"
	"encoding/base64"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeInstanceAttribute tells one attribute of an instance of the
// caller's. One without a value is there, and empty.
func (s *Server) DescribeInstanceAttribute(ctx context.Context, who origami.Caller, in *ec2api.DescribeInstanceAttributeInput) (*ec2api.DescribeInstanceAttributeOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	var v instanceView
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		i, err := tx.Instance(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		v, err = viewInstance(tx, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeInstanceAttributeOutput{InstanceId: text(id)}
	setInstanceAttribute(out, deref(in.Attribute), v)
	return out, nil
}

// setInstanceAttribute writes the one attribute that was asked for.
func setInstanceAttribute(out *ec2api.DescribeInstanceAttributeOutput, name string, v instanceView) {
	value := func(s string) *ec2api.AttributeValue { return &ec2api.AttributeValue{Value: text(s)} }
	flag := func(b bool) *ec2api.AttributeBooleanValue { return &ec2api.AttributeBooleanValue{Value: &b} }
	switch name {
	case "instanceType":
		out.InstanceType = value(v.Type)
	case "kernel":
		out.KernelId = value(v.KernelID)
	case "ramdisk":
		out.RamdiskId = value(v.RamdiskID)
	case "userData":
		out.UserData = value(base64.StdEncoding.EncodeToString(v.UserData))
	case "disableApiTermination":
		out.DisableApiTermination = flag(v.DisableTermination)
	case "disableApiStop":
		out.DisableApiStop = flag(v.DisableStop)
	case "instanceInitiatedShutdownBehavior":
		out.InstanceInitiatedShutdownBehavior = value(v.ShutdownBehavior)
	case "rootDeviceName":
		out.RootDeviceName = value(v.RootDeviceName)
	case "blockDeviceMapping":
		out.BlockDeviceMappings = append([]ec2api.InstanceBlockDeviceMapping{}, wireAttached(v)...)
	case "productCodes":
		out.ProductCodes = []ec2api.ProductCode{}
	case "sourceDestCheck":
		out.SourceDestCheck = flag(true)
	case "groupSet":
		out.Groups = append([]ec2api.GroupIdentifier{}, wireGroups(v.groups)...)
	case "ebsOptimized":
		out.EbsOptimized = flag(v.EBSOptimized)
	case "sriovNetSupport":
		out.SriovNetSupport = value(v.SriovNetSupport)
	case "enaSupport":
		out.EnaSupport = flag(v.ENASupport)
	case "enclaveOptions":
		out.EnclaveOptions = &ec2api.EnclaveOptions{Enabled: ptr(false)}
	}
}
