package queryapi_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"origami"
	"origami/internal/awsquery"
	"origami/internal/queryapi"
)

var lamps = &queryapi.API{
	Name: "AWSLamps", Version: "2026-01-01", Namespace: "https://lamps.example/doc/2026-01-01/",
	Unserved: map[string]bool{"Dim": true},
}

func TestFind(t *testing.T) {
	t.Parallel()
	served := map[string]int{"Light": 7}
	for query, want := range map[string]string{
		"Action=Light&Version=2026-01-01": "",
		"Action=Dim&Version=2026-01-01":   "UnsupportedOperation: The operation Dim is not supported by this service.",
		"Action=Burn&Version=2026-01-01":  "InvalidAction: Could not find operation Burn for version 2026-01-01",
		"Action=Light&Version=2025-01-01": "NoSuchVersion: The requested version (2025-01-01) of service AWSLamps does not exist",
		"Action=Light":                    "MissingParameter: The request must contain the parameter Version",
		"Version=2026-01-01":              "MissingAction: The request must contain the parameter Action",
	} {
		form, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		name, op, err := queryapi.Find(lamps, form, served)
		switch {
		case want == "" && (err != nil || name != "Light" || op != 7):
			t.Errorf("%s: got %q, %d, %v, want Light, 7", query, name, op, err)
		case want != "" && (err == nil || err.Error() != want || op != 0):
			t.Errorf("%s: got %d, error %v, want error %s", query, op, err, want)
		}
	}
}

func TestWriteAnswer(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	lamps.WriteAnswer(w, "Light", "r-1", &struct {
		State *string `xml:"State"`
	}{new("on")})
	for _, want := range []string{`<LightResponse xmlns="https://lamps.example/doc/2026-01-01/">`, "<LightResult><State>on</State></LightResult>", "<RequestId>r-1</RequestId>"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s in it", w.Body, want)
		}
	}
	if got := w.Header().Get("Content-Type"); w.Code != 200 || got != awsquery.ContentType {
		t.Errorf("got %d %s, want 200 %s", w.Code, got, awsquery.ContentType)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    *origami.Error
		status int
		want   string
	}{
		{origami.Errorf(queryapi.CodeValidation, "a < b"), 400, "<Type>Sender</Type><Code>ValidationError</Code><Message>a &lt; b</Message>"},
		{origami.Errorf(origami.CodeAuthFailure, "no").Because(origami.ReasonCredentials), 401, "<Type>Sender</Type><Code>AuthFailure</Code>"},
		{origami.Full(syscall.ENOSPC), 500, "<Type>Receiver</Type><Code>InternalFailure</Code><Message>There is no space left"},
		{origami.Errorf(origami.CodeInternalError, "no"), 500, "<Type>Receiver</Type><Code>InternalError</Code>"},
	} {
		w := httptest.NewRecorder()
		lamps.WriteError(w, "r-1", tt.err)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || !strings.Contains(w.Body.String(), "<RequestId>r-1</RequestId>") {
			t.Errorf("%v: got %d %s, want %d with %s", tt.err, w.Code, w.Body, tt.status, tt.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]origami.Code{
		"MissingParameter": queryapi.CodeValidation, "InvalidParameterValue": queryapi.CodeValidation, "UnknownParameter": origami.CodeUnknownParameter,
	} {
		var e *origami.Error
		if err := queryapi.Refusal(&awsquery.Error{Code: code, Message: "m"}); !errors.As(err, &e) || e.Code != want || e.Message != "m" {
			t.Errorf("%s: got %v, want %s", code, err, want)
		}
	}
	in := new(struct {
		Name *string `query:"Name" valid:"required,max=3"`
		Size *int32  `query:"Size" valid:"min=2"`
		Kind *string `query:"Kind" valid:"enum=Kind"`
		Tags []struct {
			Key *string `query:"Key" valid:"max=1"`
		} `query:"Tags" valid:"items=1"`
	})
	for form, want := range map[string]string{
		"":                          "Value null at 'name' failed to satisfy constraint: Member must not be null",
		"Name=abcd":                 "Value 'abcd' at 'name' failed to satisfy constraint: Member must have length less than or equal to 3",
		"Name=a&Size=1":             "Value '1' at 'size' failed to satisfy constraint: Member must have value greater than or equal to 2",
		"Name=a&Kind=c":             "Value 'c' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [a, b]",
		"Name=a&Tags.member.1.Key=": "",
		"Name=a&Tags.member.1.Key=xy": "Value 'xy' at 'tags.1.member.key' failed to satisfy constraint: " +
			"Member must have length less than or equal to 1",
	} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if want != "" {
			want = "ValidationError: 1 validation error detected: " + want
		}
		got := ""
		if _, err := awsquery.Query.Decode(values, in, awsquery.Enums{"Kind": {"a", "b"}}); err != nil {
			got = queryapi.Refusal(err).Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", form, got, want)
		}
	}
	if err := queryapi.Refusal(io.ErrUnexpectedEOF); err != io.ErrUnexpectedEOF {
		t.Errorf("another error: got %v", err)
	}
}
