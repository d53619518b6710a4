package ec2api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"origami/internal/awsquery"
	"origami/internal/ec2api"
	"origami/internal/sdktest"
)

// TestSDK sends every served operation through the AWS SDK for Go with random
// inputs, decodes what the SDK sent, answers with random outputs, and compares
// what arrives on both ends. The SDK is generated from the same model by other
// people, so it is the judge of names, nesting and formats.
func TestSDK(t *testing.T) {
	t.Parallel()
	for name, op := range ec2api.Operations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(6) {
				roundTrip(t, op, rand.New(rand.NewPCG(seed, 1)))
			}
		})
	}
}

func roundTrip(t *testing.T, op *ec2api.Operation, rnd *rand.Rand) {
	t.Helper()
	ours := op.NewInput()
	out := newOutput(op)
	fill(rnd, reflect.ValueOf(out).Elem())

	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		if got := form.Get("Action"); got != op.Name {
			t.Errorf("got action %q, want %q", got, op.Name)
		}
		if got := form.Get("Version"); got != ec2api.Version {
			t.Errorf("got version %q, want %q", got, ec2api.Version)
		}
		params, err := awsquery.EC2.Decode(form, ours, ec2api.Enums)
		if err != nil {
			t.Errorf("decode: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if got, want := len(params), len(form)-2; got != want {
			t.Errorf("got %d parameters, want %d", got, want)
		}
		w.Header().Set("Content-Type", awsquery.ContentType)
		err = awsquery.EC2.Encode(w, awsquery.Response{
			Operation: op.Name, Namespace: ec2api.Namespace, RequestID: "req-1", Body: out,
		})
		if err != nil {
			t.Error(err)
		}
	})
	theirs, answer := callSDK(t, h, op.Name, func(in reflect.Value) { fill(rnd, in) })
	if diff := differ(op.Name+"Input", reflect.ValueOf(ours).Elem(), theirs.Elem()); diff != "" {
		t.Errorf("input: %s", diff)
	}
	if diff := differ(op.Name+"Output", reflect.ValueOf(out).Elem(), answer.Elem()); diff != "" {
		t.Errorf("output: %s", diff)
	}
}

// callSDK calls an operation of the SDK's client against h.
func callSDK(t *testing.T, h http.Handler, name string, fillInput func(reflect.Value)) (in, out reflect.Value) {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	client := ec2.New(ec2.Options{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(srv.URL),
		HTTPClient:   sdktest.Client{},
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
	method := reflect.ValueOf(client).MethodByName(name)
	if !method.IsValid() {
		t.Fatalf("the SDK has no operation %s", name)
	}
	in = reflect.New(method.Type().In(1).Elem())
	fillInput(in.Elem())
	res := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
	if err, _ := res[1].Interface().(error); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return in, res[0]
}

// newOutput makes an output of the operation's method.
func newOutput(op *ec2api.Operation) any {
	m, ok := reflect.TypeFor[ec2api.Server]().MethodByName(op.Name)
	if !ok {
		panic("Server has no method " + op.Name)
	}
	return reflect.New(m.Type.Out(0).Elem()).Interface()
}

// newer lists members that the SDK knows and the kept model does not: the SDK
// was generated from a later model.
var newer = map[string]bool{
	"CreateReplaceRootVolumeTaskInput.VolumeId":                 true,
	"CreateVolumeOutput.OwnerId":                                true,
	"CreateVolumeOutput.VolumeArn":                              true,
	"DescribeVolumesModificationsInput.IncludeManagedResources": true,
	"CreateImageInput.BootModeOverride":                         true,
	"Image.ImageWatermarks":                                     true,
	"ImageCriterion.ImageWatermarks":                            true,
	"ImageCriterionRequest.ImageWatermarks":                     true,
	"ImageCriterion.ScanResultCondition":                        true,
	"ImageCriterionRequest.ScanResultCondition":                 true,
	"ImageMetadata.ImageWatermarks":                             true,
	"ImageMetadata.ScanResults":                                 true,
	"Image.InstanceTypeSpecification":                           true,
	"Image.PublicSsmParameterName":                              true,
	"Image.ScanResults":                                         true,
	"InstanceStatus.ApplicationStatus":                          true,
	"ModifyInstanceAttributeInput.EnclaveOptions":               true,
	"NetworkCardInfo.InterfaceTypes":                            true,
	"InstanceStatus.PerformanceStatus":                          true,
	"Volume.OwnerId":                                            true,
	"Volume.VolumeArn":                                          true,
}

// own lists members that the SDK fills in by itself and does not show.
var own = map[string]bool{"CopySnapshotInput.DestinationRegion": true}

// skipped reports whether a field is no member of the model: bookkeeping of
// the SDK, or newer than the model.
func skipped(t reflect.Type, sf reflect.StructField) bool {
	return sf.Name == "ResultMetadata" || newer[t.Name()+"."+sf.Name]
}

// text mixes what XML and form encoding must escape with other alphabets.
var text = []rune(`abcXYZ019 <>&"'=+%;/.é世界🦙` + "\t\n")

// fill gives every field of a struct a random value. Strings of the SDK's
// enum types get one of their values.
func fill(rnd *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		fill(rnd, p.Elem())
		v.Set(p)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			ms := rnd.Int64N(4e12)
			v.Set(reflect.ValueOf(time.UnixMilli(ms).UTC()))
			return
		}
		for i := range v.NumField() {
			if sf := v.Type().Field(i); sf.IsExported() && !skipped(v.Type(), sf) {
				fill(rnd, v.Field(i))
			}
		}
	case reflect.Slice:
		n := 1 + rnd.IntN(10) // what every list takes
		if v.Type().Elem().Kind() == reflect.Struct {
			n = 1 + rnd.IntN(2)
		}
		s := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			fill(rnd, s.Index(i))
		}
		v.Set(s)
	case reflect.String:
		fillString(rnd, v)
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(1 + rnd.Int32N(1<<30)))
	case reflect.Uint8:
		v.SetUint(rnd.Uint64N(256))
	case reflect.Float64:
		v.SetFloat(rnd.NormFloat64() * 1e6)
	default:
		panic(fmt.Sprintf("fill %s", v.Type()))
	}
}

func fillString(rnd *rand.Rand, v reflect.Value) {
	if m := v.MethodByName("Values"); m.IsValid() {
		values := m.Call(nil)[0]
		v.Set(values.Index(rnd.IntN(values.Len())))
		return
	}
	var s strings.Builder
	for range 1 + rnd.IntN(9) {
		s.WriteRune(text[rnd.IntN(len(text))])
	}
	v.SetString(s.String())
}

// differ compares a value of ours with the SDK's by field names and returns
// the first difference.
func differ(path string, a, b reflect.Value) string {
	if b.Kind() == reflect.Pointer && a.Kind() != reflect.Pointer {
		return differ(path, a, b.Elem())
	}
	if a.Kind() == reflect.Pointer {
		if a.IsNil() {
			if !b.IsZero() {
				return fmt.Sprintf("%s: absent, want %v", path, b)
			}
			return ""
		}
		if b.Kind() == reflect.Pointer {
			b = b.Elem()
		}
		return differ(path, a.Elem(), b)
	}
	switch a.Kind() {
	case reflect.Struct:
		if at, ok := a.Interface().(time.Time); ok {
			if bt := b.Interface().(time.Time); !at.Equal(bt) {
				return fmt.Sprintf("%s: got %v, want %v", path, at, bt)
			}
			return ""
		}
		return differStruct(path, a, b)
	case reflect.Slice:
		if a.Len() != b.Len() {
			return fmt.Sprintf("%s: got %d elements, want %d", path, a.Len(), b.Len())
		}
		for i := range a.Len() {
			if d := differ(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i)); d != "" {
				return d
			}
		}
		return ""
	}
	if got, want := fmt.Sprint(a.Interface()), fmt.Sprint(b.Interface()); got != want {
		return fmt.Sprintf("%s: got %q, want %q", path, got, want)
	}
	return ""
}

func differStruct(path string, a, b reflect.Value) string {
	if a.NumField() == 0 {
		return "" // an operation without output: the SDK has only bookkeeping
	}
	for i := range b.NumField() {
		sf := b.Type().Field(i)
		if !sf.IsExported() || sf.Name == "ResultMetadata" {
			continue
		}
		if ours, skip := a.FieldByName(sf.Name).IsValid(), skipped(b.Type(), sf); ours == skip {
			return fmt.Sprintf("%s: %s.%s is in our type: %v, but is listed as newer: %v", path, b.Type().Name(), sf.Name, ours, skip)
		}
	}
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		f := b.FieldByName(name)
		if own[b.Type().Name()+"."+name] {
			continue
		}
		if !f.IsValid() {
			return fmt.Sprintf("%s: the SDK has no field %s", path, name)
		}
		if d := differ(path+"."+name, a.Field(i), f); d != "" {
			return d
		}
	}
	return ""
}

// TestSDKEmptyLists checks that a client sees an empty list, not a missing one.
func TestSDKEmptyLists(t *testing.T) {
	t.Parallel()
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := awsquery.EC2.Encode(&b, awsquery.Response{
			Operation: "DescribeImages", Namespace: ec2api.Namespace, Body: &ec2api.DescribeImagesOutput{},
		}); err != nil {
			t.Error(err)
		}
		if !strings.Contains(b.String(), "<imagesSet/>") {
			t.Errorf("no empty list in %s", b.String())
		}
		if _, err := b.WriteTo(w); err != nil {
			t.Error(err)
		}
	})
	_, out := callSDK(t, h, "DescribeImages", func(reflect.Value) {})
	if got := out.Interface().(*ec2.DescribeImagesOutput).Images; got == nil || len(got) != 0 {
		t.Errorf("got images %v, want an empty list", got)
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"AcceptAddressTransfer": true, "WithdrawByoipCidr": true, "CopyFpgaImage": true,
		"DescribeImages": true, "describeImages": false, "": false, "MakeCoffee": false,
	} {
		if got := ec2api.Known(name); got != want {
			t.Errorf("Known(%q) = %v, want %v", name, got, want)
		}
	}
	for name := range ec2api.Operations {
		if !ec2api.Known(name) {
			t.Errorf("%s is served but not known", name)
		}
	}
}
