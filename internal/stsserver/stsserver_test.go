package stsserver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/sdktest"
	"origami/internal/stsserver"
)

var who = origami.Caller{
	Account: "123456789012", ARN: "arn:aws:iam::123456789012:root", UserID: "123456789012", Request: "req-1",
}

// serve calls the handler as the front door does, without a signature.
func serve(w http.ResponseWriter, r *http.Request) {
	h := new(stsserver.Handler)
	err := h.ServeAWS(w, r, who)
	var e *origami.Error
	if errors.As(err, &e) {
		h.WriteError(w, who.Request, e)
	} else if err != nil {
		panic(err)
	}
}

func newClient(t *testing.T) *sts.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(srv.Close)
	return sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), HTTPClient: sdktest.Client{}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
}

//origami:proves sts:GetCallerIdentity
func TestGetCallerIdentity(t *testing.T) {
	t.Parallel()
	out, err := newClient(t).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != string(who.Account) || *out.Arn != who.ARN || *out.UserId != who.UserID {
		t.Errorf("got %s %s %s, want those of %+v", *out.Account, *out.Arn, *out.UserId, who)
	}
}

func TestSDKSeesRefusal(t *testing.T) {
	t.Parallel()
	_, err := newClient(t).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("x")})
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "UnsupportedOperation" {
		t.Errorf("got error %v, want UnsupportedOperation", err)
	}
}

func TestWire(t *testing.T) {
	t.Parallel()
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	failure := func(code, message string) string {
		return head + `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code +
			`</Code><Message>` + message + `</Message></Error><RequestId>req-1</RequestId></ErrorResponse>`
	}
	tests := []struct {
		name, form string
		status     int
		want       string
	}{
		{"identity", "Action=GetCallerIdentity&Version=2011-06-15", 200, head +
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
			`<UserId>123456789012</UserId><Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn>` +
			`</GetCallerIdentityResult><ResponseMetadata><RequestId>req-1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`},
		{"unknown parameter", "Action=GetCallerIdentity&Version=2011-06-15&X=1", 400, failure("UnknownParameter", "The parameter X is not recognized")},
		{"no action", "Version=2011-06-15", 400, failure("MissingAction", "The request must contain the parameter Action")},
		{"no version", "Action=GetCallerIdentity", 400, failure("MissingParameter", "The request must contain the parameter Version")},
		{"other version", "Action=GetCallerIdentity&Version=1999", 400, failure("NoSuchVersion", "The requested version (1999) of service AWSSecurityTokenService does not exist")},
		{"unknown action", "Action=Dance&Version=2011-06-15", 400, failure("InvalidAction", "Could not find operation Dance for version 2011-06-15")},
		{"missing parameter", "Action=AssumeRole&Version=2011-06-15", 400, failure("ValidationError", "1 validation error detected: Value null at &#39;roleArn&#39; failed to satisfy constraint: Member must not be null")},
		{"other action", "Action=AssumeRoot&Version=2011-06-15", 400, failure("UnsupportedOperation", "The operation AssumeRoot is not supported by this service.")},
		{"twice", "Action=GetCallerIdentity&Action=GetCallerIdentity&Version=2011-06-15", 400, failure("MalformedQueryString", "The parameter Action is given more than once")},
		{"no form", "%", 400, failure("MalformedQueryString", "The request body contains a syntax error")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			serve(w, httptest.NewRequest("POST", "/", strings.NewReader(tt.form)))
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, tt.status, tt.want)
			}
		})
	}
}

func TestReceiverFault(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	new(stsserver.Handler).WriteError(w, "req-1", origami.Errorf(origami.CodeInternalError, "x"))
	if w.Code != 500 || !strings.Contains(w.Body.String(), "<Type>Receiver</Type>") {
		t.Errorf("got %d %s, want 500 and a receiver's fault", w.Code, w.Body)
	}
}

// served are the operations that do something.
var served = []string{"AssumeRole", "DecodeAuthorizationMessage", "GetAccessKeyInfo", "GetCallerIdentity", "GetSessionToken"}

// TestEveryOtherOperation checks that each operation of the SDK's client is
// known, so that a client can tell an operation that is not served from a
// misspelt one.
func TestEveryOtherOperation(t *testing.T) {
	t.Parallel()
	client := reflect.TypeFor[*sts.Client]()
	for i := range client.NumMethod() {
		action := client.Method(i).Name
		if action == "Options" || slices.Contains(served, action) {
			continue
		}
		form := url.Values{"Action": {action}, "Version": {stsserver.Version}}
		w := httptest.NewRecorder()
		serve(w, httptest.NewRequest("POST", "/", strings.NewReader(form.Encode())))
		if !strings.Contains(w.Body.String(), "<Code>UnsupportedOperation</Code>") {
			t.Errorf("%s: got %s", action, w.Body)
		}
	}
}
