package main

import (
	"fmt"
	"maps"
	"slices"
)

// exceptions are the places where the generated package says something other
// than the model does. Names are "Shape" or "Shape.Member". An exception that
// no served operation uses makes generation fail.
type exceptions struct {
	// unchecked shapes lose their bounds and enum: the room that owns the
	// rule checks it, because it answers with an error code of its own or
	// because the set is open.
	unchecked map[string]string

	// keepEmpty members tell an empty value from an absent one. Everywhere
	// else an empty parameter is an absent one.
	keepEmpty map[string]string

	// omitNil members are lists that are left out of an answer when they
	// are nil. Everywhere else a nil list is an empty element.
	omitNil map[string]string

	// pages bounds MaxResults of operations for which the model does not.
	pages map[string][2]int32

	used map[string]bool
}

// newExceptions lists the exceptions, each with its reason.
func newExceptions() *exceptions {
	return &exceptions{
		unchecked: map[string]string{
			"VolumeType":                               "UnknownVolumeType",
			"MarketType":                               "newer clients have more; markets are refused by name",
			"LaunchTemplateNameStringList":             "InvalidLaunchTemplateName.MalformedException",
			"AllowedInstanceTypeSet":                   "requirements of instance types are refused by name",
			"ExcludedInstanceTypeSet":                  "requirements of instance types are refused by name",
			"LaunchTemplateName":                       "InvalidLaunchTemplateName.MalformedException",
			"ImageAttributeName":                       "InvalidRequest",
			"ImageNameRequest":                         "InvalidAMIName.Malformed",
			"InstanceType":                             "a region offers instance types of its own",
			"PermissionGroup":                          "InvalidAMIAttributeItemValue",
			"CoolOffPeriodRequestHours":                "bounds of locks are those of internal/ebs",
			"RetentionPeriodRequestDays":               "bounds of locks are those of internal/ebs",
			"SnapshotCompletionDurationMinutesRequest": "ebs knows the multiples too",
			"ResourceType":                             "only some types can be tagged by each operation",
		},
		keepEmpty: map[string]string{
			"LaunchTemplateBlockDeviceMappingRequest.NoDevice": "an empty string suppresses the device",
			"AttributeValue.Value":                             "an empty description is none",
			"BlobAttributeValue.Value":                         "ModifyInstanceAttribute: empty user data is none",
			"ModifyInstanceAttributeRequest.Value":             "empty user data is none",
			"BlockDeviceMapping.NoDevice":                      "an empty string suppresses the device",
			"CreateImageRequest.Description":                   "an empty description is none",
			"CreateSnapshotRequest.Description":                "an empty description is none",
			"ModifyImageAttributeRequest.Value":                "an empty description is none",
			"RegisterImageRequest.Description":                 "an empty description is none",
			"Tag.Value":                                        "DeleteTags: an empty value matches only itself",
		},
		omitNil: map[string]string{
			"DeregisterImageResult.DeleteSnapshotResults":             "only the answer to a request for deletion has it",
			"DescribeSnapshotAttributeResult.CreateVolumePermissions": "the answer has one attribute",
			"DescribeSnapshotAttributeResult.ProductCodes":            "the answer has one attribute",
			"DescribeVolumeAttributeResult.ProductCodes":              "the answer has one attribute",
			"Image.ProductCodes":                                      "an image without any has no element",
			"Image.Tags":                                              "an image without any has no element",
			"ImageAttribute.BlockDeviceMappings":                      "the answer has one attribute",
			"ImageAttribute.LaunchPermissions":                        "the answer has one attribute",
			"ImageAttribute.ProductCodes":                             "the answer has one attribute",
			"ImageCriterion.ImageNames":                               "a criterion has the members that it was given",
			"ImageCriterion.ImageProviders":                           "a criterion has the members that it was given",
			"ImageCriterion.MarketplaceProductCodes":                  "a criterion has the members that it was given",
			"InstanceAttribute.BlockDeviceMappings":                   "the answer has one attribute",
			"InstanceAttribute.Groups":                                "the answer has one attribute",
			"InstanceAttribute.ProductCodes":                          "the answer has one attribute",
		},
		pages: map[string][2]int32{
			"DescribeSnapshotTierStatus":      {5, 1000},
			"DescribeLaunchTemplateVersions":  {1, 200},
			"DescribeImageReferences":         {5, 1000},
			"DescribeImageUsageReportEntries": {1, 1000},
			"DescribeImageUsageReports":       {1, 1000},
			"DescribeImages":                  {5, 1000},
			"DescribeInstances":               {5, 1000},
			"DescribeInstanceStatus":          {5, 1000},
			"DescribeSnapshots":               {5, 1000},
			"DescribeTags":                    {5, 1000},
			"DescribeVolumes":                 {5, 1000},
			"DescribeVolumeStatus":            {5, 1000},
			"DescribeVolumesModifications":    {1, 500},
			"ListVolumesInRecycleBin":         {5, 500},
		},
		used: make(map[string]bool),
	}
}

// in reports whether name is in one of the tables, and notes its use.
func in[V any](e *exceptions, table map[string]V, name string) bool {
	_, ok := table[name]
	if ok {
		e.used[name] = true
	}
	return ok
}

// unused is an error that names the exceptions that never applied.
func (e *exceptions) unused() error {
	var names []string
	for _, table := range []map[string]string{e.unchecked, e.keepEmpty, e.omitNil} {
		names = slices.AppendSeq(names, maps.Keys(table))
	}
	names = slices.AppendSeq(names, maps.Keys(e.pages))
	names = slices.DeleteFunc(names, func(n string) bool { return e.used[n] })
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("unused exceptions: %q", names)
}
