package ec2server_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami/internal/awsquery"
	"origami/internal/ec2api"
)

// hostileValues are values that no parameter, or not every one, should take.
var hostileValues = []string{
	"", " ", "-1", "0", "2147483647", "9223372036854775808", "1e9", "true", "AA==", "2030-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
	"\x00", "\xff", strings.Repeat("a", 70000), strings.Repeat("ü", 300), "../../etc/passwd", "*", `\`, "<&>'\"", "🦙", "' OR '1'='1", "%s%n", "aws:x", "all",
	"ami-", "ami-0123456789abcdef0", "snap-01234567", "vol-01234567", "i-01234567", "eni-01234567", "r-01234567", "::1", "172.31.0.9", "tag:x", "volume-size",
}

// portion is the third of the hostile values that falls to a parameter.
func portion(pattern string) []string {
	h := fnv.New32a()
	h.Write([]byte(pattern))
	var some []string
	for n := int(h.Sum32() % 3); n < len(hostileValues); n += 3 {
		some = append(some, hostileValues[n])
	}
	return some
}

// assets is what an account has that others must not learn of.
type assets struct {
	image, instance, snapshot, volume, key, vpc, subnet, group string
	others                                                     []string // names, addresses, tags
}

// own makes one of everything.
func own(t *testing.T, a *account, name string) assets {
	t.Helper()
	key := do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p(name + "-key"), KeyType: "ed25519"})
	snapshot := a.snapshot(t, home, name+"-disk")
	in := bootable(name+"-image", snapshot)
	in.Description = p(name + "-description")
	img := *do(t, a.RegisterImage, in).ImageId
	run := launch(img)
	run.KeyName, run.UserData = p(name+"-key"), p("c2VjcmV0")
	run.TagSpecifications = []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{tag(name+"-tag", name+"-value")}}}
	m := reaches(t, a.Client, *do(t, a.RunInstances, run).Instances[0].InstanceId, "running")
	return assets{
		img, *m.InstanceId, snapshot, *m.BlockDeviceMappings[0].Ebs.VolumeId, *key.KeyPairId, *m.VpcId, *m.SubnetId, *m.SecurityGroups[0].GroupId,
		[]string{name, string(a.id), *m.NetworkInterfaces[0].NetworkInterfaceId, *m.NetworkInterfaces[0].MacAddress, ">" + *m.PublicIpAddress + "<", *key.KeyFingerprint},
	}
}

func (s assets) ids() []string {
	return []string{s.image, s.instance, s.snapshot, s.volume, s.key, s.vpc, s.subnet, s.group}
}

// base is a request of the operation that would succeed, made of an account's
// assets.
func base(operation string, s assets, n int) url.Values {
	name := fmt.Sprintf("fresh name %d", n)
	pairs := map[string][]string{
		"CreateImage":                   {"InstanceId", s.instance, "Name", name, "NoReboot", "true"},
		"CreateKeyPair":                 {"KeyName", name, "KeyType", "ed25519"},
		"CreateSnapshot":                {"VolumeId", s.volume},
		"CreateTags":                    {"ResourceId.1", s.image, "Tag.1.Key", "k", "Tag.1.Value", "v"},
		"DeleteKeyPair":                 {"KeyName", name},
		"DeleteSnapshot":                {"SnapshotId", "snap-01234567"},
		"DeleteTags":                    {"ResourceId.1", s.image},
		"DeregisterImage":               {"ImageId", "ami-01234567"},
		"DescribeImageAttribute":        {"ImageId", s.image, "Attribute", "description"},
		"DescribeSnapshotAttribute":     {"SnapshotId", s.snapshot, "Attribute", "createVolumePermission"},
		"DisableImageDeprecation":       {"ImageId", s.image},
		"EnableImageDeprecation":        {"ImageId", s.image, "DeprecateAt", "2030-01-01T00:00:00Z"},
		"GetConsoleOutput":              {"InstanceId", s.instance},
		"ImportKeyPair":                 {"KeyName", name, "PublicKeyMaterial", "c3NoLXJzYSBBQUFB"},
		"ModifyImageAttribute":          {"ImageId", s.image, "Description.Value", "x"},
		"ModifySnapshotAttribute":       {"SnapshotId", s.snapshot, "Attribute", "createVolumePermission", "OperationType", "remove", "UserId.1", "123456789012"},
		"AttachVolume":                  {"VolumeId", s.volume, "InstanceId", s.instance, "Device", "/dev/sdf"},
		"AuthorizeSecurityGroupIngress": {"GroupId", s.group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", fmt.Sprint(n), "IpPermissions.1.ToPort", fmt.Sprint(n), "IpPermissions.1.IpRanges.1.CidrIp", "10.0.0.0/8"},
		"CreateSecurityGroup":           {"GroupName", name, "Description", "x", "VpcId", s.vpc},
		"CreateSnapshots":               {"InstanceSpecification.InstanceId", s.instance},
		"CreateVolume":                  {"AvailabilityZone", "eu-west-1a", "Size", "1"},
		"DeleteSecurityGroup":           {"GroupId", "sg-01234567"},
		"DeleteVolume":                  {"VolumeId", "vol-01234567"},
		"DescribeInstanceAttribute":     {"InstanceId", s.instance, "Attribute", "instanceType"},
		"DescribeVpcAttribute":          {"VpcId", s.vpc, "Attribute", "enableDnsSupport"},
		"DetachVolume":                  {"VolumeId", "vol-01234567"},
		"ModifyInstanceAttribute":       {"InstanceId", s.instance, "DisableApiStop.Value", "false"},
		"ModifyVolume":                  {"VolumeId", s.volume, "Size", "2"},
		"RebootInstances":               {"InstanceId.1", s.instance},
		"RegisterImage":                 {"Name", name, "RootDeviceName", "/dev/sda1", "BlockDeviceMapping.1.DeviceName", "/dev/sda1", "BlockDeviceMapping.1.Ebs.SnapshotId", s.snapshot},
		"ResetImageAttribute":           {"ImageId", s.image, "Attribute", "launchPermission"},
		"ResetSnapshotAttribute":        {"SnapshotId", s.snapshot, "Attribute", "createVolumePermission"},
		"RunInstances":                  {"ImageId", s.image, "InstanceType", "t3.nano", "MinCount", "1", "MaxCount", "1"},
		"StartInstances":                {"InstanceId.1", s.instance},
		"StopInstances":                 {"InstanceId.1", "i-01234567"},
		"TerminateInstances":            {"InstanceId.1", "i-01234567"},
		"DescribeKeyPairs":              {"Filter.1.Name", "key-name", "Filter.1.Value.1", "*"},
		"DescribeTags":                  {"Filter.1.Name", "key", "Filter.1.Value.1", "*"},
		"DescribeInstances":             {"Filter.1.Name", "tag-value", "Filter.1.Value.1", "*"},
		"DescribeImages":                {"Filter.1.Name", "name", "Filter.1.Value.1", "*"},
		"DescribeSnapshots":             {"Filter.1.Name", "description", "Filter.1.Value.1", "*"},
		"DescribeVolumes":               {"Filter.1.Name", "size", "Filter.1.Value.1", "*"},
	}[operation]
	return form(operation, pairs...)
}

// TestHostile gives every parameter of every operation hostile values,
// and everything that another account owns, within a request that would
// succeed. Nothing may break the service, and no answer may tell of the
// other account what the request did not say itself.
func TestHostile(t *testing.T) {
	t.Parallel()
	i := open(t)
	bobs := own(t, i.b, "bob-secret")
	alices := own(t, i.a, "alice-open")
	before := everything(t, i.b)
	requests := 0
	operations := slices.Sorted(maps.Keys(ec2api.Operations))
	describes := func(name string) int { return len(name) - len(strings.TrimPrefix(name, "Describe")) }
	slices.SortStableFunc(operations, func(x, y string) int { return describes(y) - describes(x) }) // while the lists are short
	for _, name := range operations {
		op := ec2api.Operations[name]
		for _, pattern := range awsquery.EC2.Patterns(op.NewInput()) {
			path := strings.ReplaceAll(pattern, ".N", ".1")
			some := slices.Concat(portion(pattern), bobs.ids())
			switch kindOf(t, i.a, base(name, alices, requests), path) {
			case refused:
				continue
			case typed:
				some = []string{"", "-1", "0", "2147483647", "9223372036854775808", "true", "9999-12-31T23:59:59Z", "\x00"}
			case free:
				if freeText(pattern) {
					some = portion(pattern)
				}
			}
			for _, value := range some {
				requests++
				within := base(name, alices, requests)
				within.Set(path, value)
				if path == "MaxCount" {
					within.Set("MinCount", value) // or as many start as there is room for
				}
				if value == "" && op.HasDryRun {
					within.Set("DryRun", "true") // it counts as absent, and would succeed
				}
				checkAnswer(t, i.a, within, value, bobs)
			}
			checkAnswer(t, i.a, form(name, path, bobs.image), bobs.image, bobs)
		}
	}
	t.Logf("%d requests", requests)
	if after := everything(t, i.b); !maps.Equal(before, after) {
		for action, text := range before {
			if after[action] != text {
				t.Errorf("%s of bob's changed from\n%s\nto\n%s", action, text, after[action])
			}
		}
	}
}

// freeText says whether a parameter takes what an account pleases to write, and
// gives it back: there another's ID is no secret told.
func freeText(pattern string) bool {
	part := strings.Split(strings.TrimSuffix(pattern, ".N"), ".")
	last := part[len(part)-1]
	return part[0] != "Filter" && slices.Contains(strings.Fields("Name Description Key Value KeyName KernelId RamdiskId UserId ClientToken"), last)
}

// kind is what an operation does with a parameter.
type kind int

const (
	free    kind = iota // takes text
	typed               // a number, a time, a truth or one of a few words
	refused             // does not act upon it, whatever its value
)

// kindOf finds out about a parameter of a request, without effect where there
// are dry runs. What is refused must be named.
func kindOf(t *testing.T, a *account, f url.Values, path string) kind {
	t.Helper()
	f.Set("DryRun", "true")
	if path == "DryRun" {
		return typed
	}
	is := free
	value := "~"
	for range 2 {
		f.Set(path, value)
		status, text := a.send(t, home, f)
		if strings.Contains(text, "<Code>UnsupportedOperation</Code><Message>The parameter ") {
			if status != 400 || !strings.Contains(text, "The parameter "+path+" is not supported by this service.") {
				t.Errorf("%s=%s: got %d %s, want the parameter named", path, value, status, text)
			}
			return refused
		}
		_, rule, ok := strings.Cut(text, "for parameter "+path+" is invalid. ")
		words, oneOf := strings.CutPrefix(rule, "Valid values are: ")
		switch {
		case !ok:
			return is
		case oneOf:
			is, value = typed, words[:strings.IndexAny(words, ",. <")]
		case strings.HasPrefix(rule, "It must be true or false"):
			is, value = typed, "true"
		case strings.HasPrefix(rule, "It must be a time"):
			is, value = typed, "2030-01-01T00:00:00Z"
		case strings.HasPrefix(rule, "It must be"):
			is, value = typed, "1"
		}
	}
	return is
}

// checkAnswer sends a request and looks at the answer with suspicion.
func checkAnswer(t *testing.T, a *account, f url.Values, value string, secret assets) {
	t.Helper()
	short := func() string {
		text := f.Encode()
		return text[:min(len(text), 400)]
	}
	status, text := a.send(t, home, f)
	if status >= 500 && !strings.Contains(text, "<Code>InsufficientInstanceCapacity</Code>") {
		t.Errorf("%s: got %d %s", short(), status, text)
	}
	if status != 200 && !strings.Contains(text, "<Response><Errors><Error><Code>") {
		t.Errorf("%s: got %d and no error document: %.300s", short(), status, text)
	}
	if len(text) > 4096 && status != 200 {
		t.Errorf("%s: an error of %d bytes", short(), len(text))
	}
	for _, s := range slices.Concat(secret.ids(), secret.others) {
		if strings.Contains(text, s) && !strings.Contains(value, s) {
			t.Errorf("%s: the answer tells of %s: %.500s", short(), s, text)
		}
	}
}

// everything is what an account sees of itself.
func everything(t *testing.T, a *account) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, action := range []string{"DescribeImages", "DescribeInstances", "DescribeKeyPairs", "DescribeSnapshots", "DescribeSubnets", "DescribeTags", "DescribeVolumes", "DescribeVpcs"} {
		text := mustAnswer(t, a, form(action))
		_, all[action], _ = strings.Cut(text, "</requestId>")
	}
	return all
}
