package ec2server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/ec2server"
	"origami/internal/iam"
)

var who = origami.Caller{Account: "123456789012", Region: "eu-west-1", Request: "req-1"}

// fakeServer has the operations of these tests; any other is a nil pointer.
type fakeServer struct {
	ec2api.Server
	runInstances func(*ec2api.RunInstancesInput) (*ec2api.RunInstancesOutput, error)
}

func (fakeServer) CreateTags(context.Context, origami.Caller, *ec2api.CreateTagsInput) (*ec2api.CreateTagsOutput, error) {
	return &ec2api.CreateTagsOutput{}, nil
}

func (fakeServer) DescribeImages(_ context.Context, who origami.Caller, in *ec2api.DescribeImagesInput) (*ec2api.DescribeImagesOutput, error) {
	id := "ami-of-" + string(who.Account)
	return &ec2api.DescribeImagesOutput{Images: []ec2api.Image{{ImageId: &id}}, NextToken: in.NextToken}, nil
}

func (f fakeServer) RunInstances(_ context.Context, _ origami.Caller, in *ec2api.RunInstancesInput) (*ec2api.RunInstancesOutput, error) {
	return f.runInstances(in)
}

func (fakeServer) DeleteSnapshot(context.Context, origami.Caller, *ec2api.DeleteSnapshotInput) (*ec2api.DeleteSnapshotOutput, error) {
	return nil, nil
}

func (fakeServer) CreateImage(context.Context, origami.Caller, *ec2api.CreateImageInput) (*ec2api.CreateImageOutput, error) {
	return nil, errBroken
}

var errBroken = errors.New("broken")

// serve calls a handler as the front door does, without a signature. An error
// that is not for the caller comes back.
func serve(h *ec2server.Handler, form string) (*httptest.ResponseRecorder, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	err := h.ServeAWS(w, r, who)
	var e *origami.Error
	if errors.As(err, &e) {
		h.WriteError(w, who.Request, e)
		return w, nil
	}
	return w, err
}

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func TestAnswers(t *testing.T) {
	t.Parallel()
	h := ec2server.New(fakeServer{}, ec2server.Options{})
	for form, want := range map[string]string{
		"Action=DescribeImages&Version=2016-11-15": `<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>req-1</requestId>` +
			`<imagesSet><item>`,
		"Action=CreateTags&Version=2016-11-15&ResourceId.1=i-1&Tag.1.Key=a&Tag.1.Value=": `<CreateTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">` +
			`<requestId>req-1</requestId><return>true</return></CreateTagsResponse>`,
	} {
		w, err := serve(h, form)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Body.String(); w.Code != http.StatusOK || !strings.HasPrefix(got, head+want) {
			t.Errorf("%s:\ngot  %d %s\nwant 200 %s", form, w.Code, got, want)
		}
		if got, want := w.Header().Get("Content-Type"), "text/xml;charset=UTF-8"; got != want {
			t.Errorf("got content type %q, want %q", got, want)
		}
	}
}

// TestRefusals checks every refusal that the dispatch makes for all
// operations. None of them reaches the operation.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const run = "Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=1"
	const images = "Action=DescribeImages&Version=2016-11-15"
	tests := []struct {
		name, form string
		status     int
		code, text string
	}{
		{"no action", "Version=2016-11-15", 400, "MissingAction", "The request must contain the parameter Action"},
		{"no version", "Action=DescribeImages", 400, "MissingParameter", "The request must contain the parameter Version"},
		{"other version", "Action=DescribeImages&Version=2010-01-01", 400, "NoSuchVersion", "The requested version (2010-01-01) of service AmazonEC2 does not exist"},
		{"unknown action", "Action=Dance&Version=2016-11-15", 400, "InvalidAction", "The action Dance is not valid for this web service."},
		{"other operation of EC2", "Action=CreateNatGateway&Version=2016-11-15", 400, "UnsupportedOperation", "The operation CreateNatGateway is not supported by this service."},
		{"no form", "%zz", 400, "MalformedQueryString", "The request body contains a syntax error"},
		{"unknown parameter", images + "&Foo=1", 400, "UnknownParameter", "The parameter Foo is not recognized"},
		{"missing parameter", "Action=RunInstances&Version=2016-11-15&MinCount=1", 400, "MissingParameter", "The request must contain the parameter MaxCount"},
		{"value", run + "&EbsOptimized=maybe", 400, "InvalidParameterValue", "Value (maybe) for parameter EbsOptimized is invalid. It must be true or false."},
		{"enum", run + "&InstanceInitiatedShutdownBehavior=sleep", 400, "InvalidParameterValue", "Value (sleep) for parameter InstanceInitiatedShutdownBehavior is invalid. Valid values are: stop, terminate."},
		{"parameter without support", run + "&InstanceMarketOptions.MarketType=spot", 400, "UnsupportedOperation", "The parameter InstanceMarketOptions.MarketType is not supported by this service."},
		{"nested parameter without support", run + "&BlockDeviceMapping.3.Ebs.OutpostArn=x", 400, "UnsupportedOperation", "The parameter BlockDeviceMapping.3.Ebs.OutpostArn is not supported by this service."},
		{"value without support", run + "&HibernationOptions.Configured=true", 400, "UnsupportedOperation", "The value &#39;true&#39; of the parameter HibernationOptions.Configured is not supported by this service."},
		{"few results", images + "&MaxResults=4", 400, "InvalidParameterValue", "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5."},
		{"many results", images + "&MaxResults=1001", 400, "InvalidParameterValue", "Value ( 1001 ) for parameter maxResults is invalid. Expecting a value less than or equal to 1000."},
		{"long token", run + "&ClientToken=" + strings.Repeat("a", 65), 400, "InvalidParameterValue", "Value (" + strings.Repeat("a", 65) + ") for parameter clientToken is invalid. Length exceeds maximum of 64."},
		{"token not ASCII", run + "&ClientToken=%C3%A9", 400, "InvalidParameterValue", "Value (é) for parameter clientToken is invalid. It must be ASCII."},
		{"dry run", run + "&DryRun=true", 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	}
	h := ec2server.New(fakeServer{runInstances: func(*ec2api.RunInstancesInput) (*ec2api.RunInstancesOutput, error) {
		return nil, errors.New("the request reached the operation")
	}}, ec2server.Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, err := serve(h, tt.form)
			if err != nil {
				t.Fatal(err)
			}
			want := head + `<Response><Errors><Error><Code>` + tt.code + `</Code><Message>` + tt.text +
				`</Message></Error></Errors><RequestID>req-1</RequestID></Response>`
			if w.Code != tt.status || w.Body.String() != want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, tt.status, want)
			}
		})
	}
}

// TestClientsDefaults sends what Packer and Terraform send although they mean
// the default: empty parameters and features that are off.
func TestClientsDefaults(t *testing.T) {
	t.Parallel()
	var got *ec2api.RunInstancesInput
	h := ec2server.New(fakeServer{runInstances: func(in *ec2api.RunInstancesInput) (*ec2api.RunInstancesOutput, error) {
		got = in
		return &ec2api.RunInstancesOutput{}, nil
	}}, ec2server.Options{})
	w, err := serve(h, "Action=RunInstances&Version=2016-11-15&ImageId=ami-1&MinCount=1&MaxCount=1&SubnetId=&UserData=&IamInstanceProfile.Name="+
		"&Placement.AvailabilityZone=&EbsOptimized=false&HibernationOptions.Configured=false&CreditSpecification.CpuCredits=standard&Monitoring.Enabled=false")
	if err != nil || w.Code != 200 {
		t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
	}
	if got.SubnetId != nil || got.UserData != nil || got.IamInstanceProfile != nil || got.Placement != nil {
		t.Errorf("empty parameters are present in %+v", got)
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	var asked []string
	deny := origami.Errorf(origami.CodeUnauthorizedOperation, "You are not authorized to perform this operation.")
	h := ec2server.New(fakeServer{}, ec2server.Options{
		Authorize: func(_ context.Context, by origami.Caller, action string, _ ...iam.Resource) error {
			if by != who {
				t.Errorf("got caller %+v, want %+v", by, who)
			}
			asked = append(asked, action)
			if action == "ec2:DescribeImages" {
				return nil
			}
			return deny
		},
	})
	for form, want := range map[string]string{
		"Action=DescribeImages&Version=2016-11-15":                                      "DescribeImagesResponse",
		"Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap-1":                    "UnauthorizedOperation",
		"Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap-1&DryRun=true":        "UnauthorizedOperation",
		"Action=DescribeImages&Version=2016-11-15&DryRun=true":                          "DryRunOperation",
		"Action=DeleteSnapshot&Version=2016-11-15":                                      "MissingParameter",
		"Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&ImageId=ami-1&X=": "UnknownParameter",
	} {
		w, err := serve(h, form)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %s, want %s", form, w.Body, want)
		}
	}
	if got, want := len(asked), 4; got != want {
		t.Errorf("asked %d times %v, want %d", got, asked, want)
	}
}

// TestInternalErrors checks that what is not for the caller stays an error of
// the handler, and that an operation cannot answer nothing.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	h := ec2server.New(fakeServer{}, ec2server.Options{})
	w, err := serve(h, "Action=CreateImage&Version=2016-11-15&InstanceId=i-1&Name=abc")
	if !errors.Is(err, errBroken) || w.Body.Len() > 0 {
		t.Errorf("got error %v and %q, want %v and nothing written", err, w.Body, errBroken)
	}
	w, err = serve(h, "Action=DeleteSnapshot&Version=2016-11-15&SnapshotId=snap-1")
	if err == nil || w.Body.Len() > 0 {
		t.Errorf("got error %v and %q, want an error and nothing written", err, w.Body)
	}
}

func TestNewPanics(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]map[string]string{
		"operation that is not served": {"CreateNatGateway": ""},
		"unknown parameter":            {"DeleteSnapshot": "SnapshotID"},
		"operation left out":           {"DeleteSnapshot": "SnapshotId"},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			ec2server.New(fakeServer{}, ec2server.Options{Parameters: table})
		}()
	}
}
