package endpoint_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/sigv4"
)

// auditedDoor is a front door whose calls are kept, with an audit that may
// fail.
type auditedDoor struct {
	*endpoint.Handler
	audited, observed []endpoint.Call
	refuse            error
	answered          int // bytes that were out when the audit was asked
	w                 *httptest.ResponseRecorder
}

func newAuditedDoor(serve func(w http.ResponseWriter, r *http.Request, who origami.Caller) error) *auditedDoor {
	d := new(auditedDoor)
	d.Handler = endpoint.New(endpoint.Config{
		Credentials: func(_ context.Context, id, _ string) (endpoint.Credential, error) {
			if id != keyID {
				return endpoint.Credential{}, sigv4.ErrUnknownKey
			}
			return endpoint.Credential{Secret: secret, Account: account, ARN: arn, UserID: account}, nil
		},
		Regions:  []origami.Region{"us-east-1"},
		Services: map[string]endpoint.Service{"ec2": &fakeService{"ec2", serve}},
		Clock:    func() time.Time { return now },
		Logger:   slog.New(slog.DiscardHandler),
		Observe:  func(c endpoint.Call) { d.observed = append(d.observed, c) },
		Audit: func(c endpoint.Call) error {
			d.audited = append(d.audited, c)
			d.answered = d.w.Body.Len()
			return d.refuse
		},
	})
	return d
}

// post sends a form signed with a key.
func (d *auditedDoor) post(t *testing.T, form, key string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8773/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := sigv4.Sign(r, []byte(form), sigv4.Credentials{AccessKeyID: key, Secret: secret}, "us-east-1", "ec2", now); err != nil {
		t.Fatal(err)
	}
	d.w = httptest.NewRecorder()
	d.ServeHTTP(d.w, r)
	return d.w
}

func TestAudit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		serve     func(w http.ResponseWriter, r *http.Request, who origami.Caller) error
		form      string
		status    int
		code      origami.Code
		resources []string
	}{
		{
			name: "success",
			serve: func(w http.ResponseWriter, _ *http.Request, _ origami.Caller) error {
				io.WriteString(w, "<imageId>ami-0123456789abcdef0</imageId><x>no-0123456789abcdef0</x>")
				return nil
			},
			form:   "Action=CreateImage&InstanceId=i-0123456789abcdef1&Name=ami-short&ClientToken=secret&UserData=c25hcA",
			status: 200, resources: []string{"i-0123456789abcdef1", "ami-0123456789abcdef0"},
		},
		{
			name:   "nothing to say",
			serve:  func(http.ResponseWriter, *http.Request, origami.Caller) error { return nil },
			form:   "Action=CreateTags&ResourceId.1=snap-0123456789abcdef0&ResourceId.2=snap%2d0123456789abcdef0",
			status: 200, resources: []string{"snap-0123456789abcdef0"},
		},
		{
			name: "refused",
			serve: func(http.ResponseWriter, *http.Request, origami.Caller) error {
				return origami.Errorf(origami.CodeInvalidAMIIDNotFound, "no ami-0123456789abcdef7")
			},
			form:   "Action=DeregisterImage&ImageId=ami-0123456789abcdef0",
			status: 400, code: origami.CodeInvalidAMIIDNotFound, resources: []string{"ami-0123456789abcdef0"},
		},
		{
			name:   "broken",
			serve:  func(http.ResponseWriter, *http.Request, origami.Caller) error { panic("no") },
			form:   "Action=RunInstances",
			status: 500, code: origami.CodeInternalError,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newAuditedDoor(tt.serve)
			if w := d.post(t, tt.form, keyID); w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			if len(d.audited) != 1 || len(d.observed) != 1 || d.answered != 0 {
				t.Fatalf("%d audits after %d bytes, %d observed, want one of each, before any byte", len(d.audited), d.answered, len(d.observed))
			}
			c := d.audited[0]
			if c.Status != tt.status || c.Code != tt.code || !slices.Equal(c.Resources, tt.resources) || !c.Verified() || c.Caller.ARN != arn {
				t.Errorf("audited %+v", c)
			}
			if o := d.observed[0]; o.Status != tt.status || o.Code != tt.code || o.Action != c.Action {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

// TestAuditUnverified sends a request of an unknown key: it is counted, and is
// in no audit.
func TestAuditUnverified(t *testing.T) {
	t.Parallel()
	d := newAuditedDoor(func(http.ResponseWriter, *http.Request, origami.Caller) error { return nil })
	if w := d.post(t, "Action=RunInstances", "AKIAUNKNOWN"); w.Code != 401 {
		t.Errorf("status = %d", w.Code)
	}
	if len(d.audited) != 0 || len(d.observed) != 1 || d.observed[0].Verified() || d.observed[0].Code != origami.CodeAuthFailure {
		t.Errorf("audited %+v, observed %+v", d.audited, d.observed)
	}
}

// TestAuditFails shows that what could not be audited does not look like a
// success.
func TestAuditFails(t *testing.T) {
	t.Parallel()
	answers := map[string]func(w http.ResponseWriter, r *http.Request, who origami.Caller) error{
		"writes": func(w http.ResponseWriter, _ *http.Request, _ origami.Caller) error {
			w.Header().Set("Content-Length", "3")
			w.WriteHeader(http.StatusAccepted)
			io.WriteString(w, "yes")
			return nil
		},
		"returns what Write says": func(w http.ResponseWriter, _ *http.Request, _ origami.Caller) error {
			_, err := io.WriteString(w, "yes")
			return err
		},
		"flushes": func(w http.ResponseWriter, _ *http.Request, _ origami.Caller) error {
			return http.NewResponseController(w).Flush()
		},
		"says nothing": func(http.ResponseWriter, *http.Request, origami.Caller) error { return nil },
		"is refused": func(http.ResponseWriter, *http.Request, origami.Caller) error {
			return origami.Errorf(origami.CodeInvalidAMIIDNotFound, "no")
		},
		"panics": func(http.ResponseWriter, *http.Request, origami.Caller) error { panic("no") },
	}
	for name, serve := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newAuditedDoor(serve)
			d.refuse = errors.New("disk full")
			w := d.post(t, "Action=RunInstances", keyID)
			if w.Code != 500 || !strings.Contains(w.Body.String(), "InternalError") || strings.Contains(w.Body.String(), "yes") ||
				strings.Contains(w.Body.String(), "disk full") || w.Header().Get("Content-Length") == "3" {
				t.Errorf("answer = %d %v %q", w.Code, w.Header(), w.Body)
			}
			if len(d.audited) != 1 {
				t.Errorf("asked %d times", len(d.audited))
			}
		})
	}
}
