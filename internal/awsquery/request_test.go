package awsquery_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"origami/internal/awsquery"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	tests := []struct{ name, method, target, contentType, body, want string }{
		{"post", "POST", "/", form, "A=1&B=2", "A=1&B=2"},
		{"get", "GET", "/?A=1&B=%26", "", "", "A=1&B=%26"},
		{"both", "POST", "/?A=1", form, "B=2&A=3", "A=1&A=3&B=2"},
		{"no content type", "POST", "/", "", "A=1", "A=1"},
		{"empty body of another type", "POST", "/?A=1", "text/xml", "", "A=1"},
		{"method", "PUT", "/", form, "A=1", "error UnsupportedProtocol"},
		{"content type", "POST", "/", "application/json", "{}", "error UnsupportedProtocol"},
		{"malformed content type", "POST", "/", ";;;", "A=1", "error UnsupportedProtocol"},
		{"malformed query", "GET", "/?A=%zz", "", "", "error MalformedQueryString"},
		{"malformed body", "POST", "/", form, "A=%zz", "error MalformedQueryString"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			_, r.URL.RawQuery, _ = strings.Cut(tt.target, "?")
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			got, err := awsquery.ParseRequest(r)
			var e *awsquery.Error
			if errors.As(err, &e) {
				if "error "+e.Code != tt.want {
					t.Errorf("got error %v, want %s", err, tt.want)
				}
				return
			}
			if want := parse(t, tt.want); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		})
	}
	r := httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := awsquery.ParseRequest(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got error %v, want %v", err, io.ErrUnexpectedEOF)
	}
}
