package ec2api_test

import (
	"errors"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"origami/internal/awsquery"
	"origami/internal/ec2api"
)

// hostile are values that no parameter, or not every one, should take.
var hostile = []string{
	"x", "-1", "99999999999999999999", "1e999", "NaN", "0x10", "true", "AA==", "2030-01-01T00:00:00Z",
	"\x00", "\xff", strings.Repeat("a", 70000), "../../etc/passwd", "*", `\`, "<&>", "🦙",
}

// TestHostileValues gives each parameter of each operation each hostile value.
// What decodes must travel back unharmed, and what does not must be the
// sender's fault. It also finds tags that name an enum which does not exist.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	for name, op := range ec2api.Operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pattern := range awsquery.EC2.Patterns(op.NewInput()) {
				path := strings.ReplaceAll(pattern, ".N", ".1")
				for _, value := range hostile {
					decodeHostile(t, op, url.Values{path: {value}}, path)
				}
			}
		})
	}
}

func decodeHostile(t *testing.T, op *ec2api.Operation, form url.Values, path string) {
	t.Helper()
	in := op.NewInput()
	params, err := awsquery.EC2.Decode(form, in, ec2api.Enums)
	var e *awsquery.Error
	switch {
	case err == nil && (len(params) != 1 || params[0].Path != path):
		t.Errorf("%s: took %v", path, params)
	case err == nil && reflect.ValueOf(in).Elem().IsZero():
		t.Errorf("%s=%.20q: taken, but set nothing", path, form.Get(path))
	case err != nil && !errors.As(err, &e):
		t.Errorf("%s=%.20q: got error %v, want an *awsquery.Error", path, form.Get(path), err)
	case e != nil && len(e.Message) > 2048:
		t.Errorf("%s: a message of %d bytes", path, len(e.Message))
	}
}

// FuzzOperations decodes anything as a request of any operation.
func FuzzOperations(f *testing.F) {
	for name := range ec2api.Operations {
		f.Add(name, "Filter.1.Name=a&Filter.1.Value.1=b&MaxResults=5&Owner=self")
	}
	f.Add("RunInstances", "ImageId=ami-1&MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.VolumeSize=8&NetworkInterface.1.PrivateIpAddresses.1.Primary=true")
	f.Add("CreateTags", "ResourceId.1=i-1&Tag.1.Key=k&Tag.1.Value=")
	f.Fuzz(func(t *testing.T, name, query string) {
		op := ec2api.Operations[name]
		form, err := url.ParseQuery(query)
		if op == nil || err != nil {
			return
		}
		var e *awsquery.Error
		if _, err := awsquery.EC2.Decode(form, op.NewInput(), ec2api.Enums); err != nil && !errors.As(err, &e) {
			t.Fatalf("got error %v, want an *awsquery.Error", err)
		}
	})
}

func BenchmarkDecodeTags(b *testing.B) {
	form := url.Values{"Action": {"CreateTags"}, "Version": {ec2api.Version}}
	for i := range 4000 {
		n := "." + strconv.Itoa(i+1)
		form.Set("ResourceId"+n, "i-0123456789abcdef0")
		form.Set("Tag"+n+".Key", "key"+n)
	}
	for b.Loop() {
		if _, err := awsquery.EC2.Decode(form, new(ec2api.CreateTagsInput), ec2api.Enums); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeImages(b *testing.B) {
	yes, text, size := true, "ami-0123456789abcdef0", int32(8)
	image := ec2api.Image{
		ImageId: &text, Name: &text, Description: &text, Architecture: &text, State: &text, Public: &yes,
		BlockDeviceMappings: []ec2api.BlockDeviceMapping{{DeviceName: &text, Ebs: &ec2api.EbsBlockDevice{VolumeSize: &size, SnapshotId: &text}}},
		Tags:                []ec2api.Tag{{Key: &text, Value: &text}},
	}
	out := &ec2api.DescribeImagesOutput{}
	for range 1000 {
		out.Images = append(out.Images, image)
	}
	b.ReportAllocs()
	for b.Loop() {
		r := awsquery.Response{Operation: "DescribeImages", Namespace: ec2api.Namespace, Body: out}
		if err := awsquery.EC2.Encode(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
