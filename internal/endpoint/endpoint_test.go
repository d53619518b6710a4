package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/endpoint"
	"origami/internal/sdktest"
	"origami/internal/sigv4"
	"origami/internal/stsserver"
)

const (
	keyID   = "AKIAIOSFODNN7EXAMPLE"
	secret  = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	account = "123456789012"
	arn     = "arn:aws:iam::123456789012:root"
)

var (
	now       = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cred      = sigv4.Credentials{AccessKeyID: keyID, Secret: secret}
	uuidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// fakeService answers with what serve says, and writes errors as plain text
// behind its own name.
type fakeService struct {
	name  string
	serve func(w http.ResponseWriter, r *http.Request, who origami.Caller) error
}

func (f *fakeService) ServeAWS(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
	return f.serve(w, r, who)
}

func (f *fakeService) WriteError(w http.ResponseWriter, request string, err *origami.Error) {
	w.WriteHeader(err.Status())
	io.WriteString(w, f.name+" "+request+" "+string(err.Code)+" "+err.Message)
}

// door is a front door with a log to look at.
type door struct {
	*endpoint.Handler
	log bytes.Buffer
}

func newDoor(serve func(w http.ResponseWriter, r *http.Request, who origami.Caller) error) *door {
	d := new(door)
	d.Handler = endpoint.New(endpoint.Config{
		Credentials: func(_ context.Context, id, token string) (endpoint.Credential, error) {
			switch {
			case id == "AKIABROKEN":
				return endpoint.Credential{}, errors.New("no database")
			case id != keyID:
				return endpoint.Credential{}, sigv4.ErrUnknownKey
			case token != "":
				return endpoint.Credential{}, sigv4.ErrInvalidToken
			}
			return endpoint.Credential{Secret: secret, Account: account, ARN: arn, UserID: account}, nil
		},
		Regions: []origami.Region{"us-east-1", "eu-west-1"},
		Services: map[string]endpoint.Service{
			"ec2": &fakeService{"ec2", serve},
			"ebs": &fakeService{"ebs", serve},
			"sts": new(stsserver.Handler),
		},
		Clock:  func() time.Time { return now },
		Logger: slog.New(slog.NewJSONHandler(&d.log, nil)),
	})
	return d
}

// line returns the one line of the access log.
func (d *door) line(t *testing.T) map[string]any {
	t.Helper()
	text := strings.TrimSuffix(d.log.String(), "\n")
	if strings.Contains(text, "\n") {
		t.Errorf("more than one line in the log:\n%s", text)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatalf("log %q: %v", text, err)
	}
	return line
}

func post(t *testing.T, service, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "http://aws.test/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sign(t, r, service, body)
	return r
}

func sign(t *testing.T, r *http.Request, service, body string) {
	t.Helper()
	if err := sigv4.Sign(r, []byte(body), cred, "eu-west-1", service, now); err != nil {
		t.Fatal(err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	var got origami.Caller
	d := newDoor(func(w http.ResponseWriter, r *http.Request, who origami.Caller) error {
		got = who
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		_, err = w.Write(append([]byte("answer to "), body...))
		return err
	})
	w := httptest.NewRecorder()
	d.ServeHTTP(w, post(t, "ec2", "Action=Ping"))
	if got, want := w.Body.String(), "answer to Action=Ping"; w.Code != 200 || got != want {
		t.Errorf("got %d %s, want 200 %s", w.Code, got, want)
	}
	id := w.Header().Get("X-Amzn-Requestid")
	if !uuidShape.MatchString(id) {
		t.Errorf("got request ID %q, want a UUID", id)
	}
	want := origami.Caller{Account: account, ARN: arn, UserID: account, AccessKey: keyID, Region: "eu-west-1", Request: id, Address: "192.0.2.1"}
	if got != want {
		t.Errorf("got caller %+v, want %+v", got, want)
	}
	line := d.line(t)
	for key, want := range map[string]any{
		"level": "INFO", "msg": "request", "request": id, "method": "POST", "service": "ec2", "region": "eu-west-1", "action": "Ping",
		"account": account, "key": keyID, "status": 200.0, "code": "", "bytes": 21.0, "duration": 0.0,
	} {
		if line[key] != want {
			t.Errorf("log: got %s %v, want %v", key, line[key], want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		edit   func(*http.Request)
		status int
		want   string // beginning of the answer, REQ for the request ID
	}{
		{"unsigned", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "ec2 REQ MissingAuthenticationToken Request is missing Authentication Token"},
		{"signature", func(r *http.Request) { r.Host = "other" }, 401, "ec2 REQ AuthFailure AWS was not able to validate"},
		{"region", func(r *http.Request) { resign(t, r, "mars-1", "ec2", keyID) }, 403, "ec2 REQ SignatureDoesNotMatch Credential should be scoped to a valid Region, not 'mars-1'."},
		{"service", func(r *http.Request) { resign(t, r, "us-east-1", "sqs", keyID) }, 403, "ec2 REQ SignatureDoesNotMatch Credential should be scoped to correct service: 'sqs'"},
		{"key", func(r *http.Request) { resign(t, r, "us-east-1", "ec2", "AKIAOTHER") }, 401, "ec2 REQ AuthFailure AWS was not able"},
		{"key of another service", func(r *http.Request) { resign(t, r, "us-east-1", "ebs", "AKIAOTHER") }, 403, "ebs REQ UnrecognizedClientException The security token"},
		{"trouble with keys", func(r *http.Request) { resign(t, r, "us-east-1", "ec2", "AKIABROKEN") }, 500, "ec2 REQ InternalError An internal error has occurred"},
		{"version 2", func(r *http.Request) { r.Header.Set("Authorization", "AWS x:y") }, 400, "ec2 REQ InvalidRequest The authorization mechanism"},
		{"soap action", func(r *http.Request) { r.Header.Set("SOAPAction", "x") }, 400, "ec2 REQ UnsupportedProtocol SOAP"},
		{"soap body", func(r *http.Request) { r.Header.Set("Content-Type", "text/xml; charset=utf-8") }, 400, "ec2 REQ UnsupportedProtocol SOAP"},
		{"browser", func(r *http.Request) { r.Method = "GET"; r.Header = http.Header{} }, 403, "ec2 REQ MissingAuthenticationToken Request is missing Authentication Token. This address serves the AWS API"},
		{"large body", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("a", endpoint.MaxBody+1)))
		}, 413, "ec2 REQ RequestEntityTooLarge The request body exceeds"},
		{"broken body", func(r *http.Request) { r.Body = io.NopCloser(brokenReader{}) }, 400, "ec2 REQ IncompleteBody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(func(http.ResponseWriter, *http.Request, origami.Caller) error {
				t.Error("the request reached the service")
				return nil
			})
			r := post(t, "ec2", "Action=Ping")
			tt.edit(r)
			w := httptest.NewRecorder()
			d.ServeHTTP(w, r)
			got := strings.Replace(w.Body.String(), w.Header().Get("X-Amzn-Requestid"), "REQ", 1)
			if w.Code != tt.status || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, got, tt.status, tt.want)
			}
			line := d.line(t)
			if code := strings.Fields(tt.want)[2]; line["code"] != code {
				t.Errorf("log: got code %v, want %s", line["code"], code)
			}
			if tt.status == 500 && (line["level"] != "ERROR" || !strings.Contains(line["error"].(string), "no database") || strings.Contains(got, "database")) {
				t.Errorf("the cause belongs in the log and only there: answer %s, log %v", got, line)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func resign(t *testing.T, r *http.Request, region, service, key string) {
	t.Helper()
	if err := sigv4.Sign(r, []byte("Action=Ping"), sigv4.Credentials{AccessKeyID: key, Secret: secret}, region, service, now); err != nil {
		t.Fatal(err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk 7 is gone")
	tests := []struct {
		name   string
		serve  func(w http.ResponseWriter, r *http.Request, who origami.Caller) error
		status int
		want   string
		logged string // in the log's error, "" for none
	}{
		{"known", func(http.ResponseWriter, *http.Request, origami.Caller) error {
			return origami.Errorf(origami.CodeDryRunOperation, "dry")
		}, 412, "DryRunOperation dry", ""},
		{"known with cause", func(http.ResponseWriter, *http.Request, origami.Caller) error {
			return &origami.Error{Code: "Unavailable", Message: "later", Err: cause}
		}, 503, "Unavailable later", "disk 7"},
		{"wrapped", func(http.ResponseWriter, *http.Request, origami.Caller) error {
			return errors.Join(cause, origami.Errorf("X", "y"))
		}, 400, "X y", ""},
		{"internal", func(http.ResponseWriter, *http.Request, origami.Caller) error { return cause }, 500, "InternalError An internal error has occurred", "disk 7"},
		{"panic", func(http.ResponseWriter, *http.Request, origami.Caller) error { panic("oh no") }, 500, "InternalError An internal error has occurred", "oh no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(tt.serve)
			w := httptest.NewRecorder()
			d.ServeHTTP(w, post(t, "ec2", ""))
			want := "ec2 " + w.Header().Get("X-Amzn-Requestid") + " " + tt.want
			if w.Code != tt.status || w.Body.String() != want {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, w.Body, tt.status, want)
			}
			logged, _ := d.line(t)["error"].(string)
			if tt.logged == "" && logged != "" || !strings.Contains(logged, tt.logged) {
				t.Errorf("log: got error %q, want %q", logged, tt.logged)
			}
		})
	}
}

// TestHalfAnswer checks that a failure in the middle of an answer cuts the
// connection, because the client would take what it has for the whole.
func TestHalfAnswer(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("late") },
		"panic": func() error { panic("late") },
	} {
		d := newDoor(func(w http.ResponseWriter, _ *http.Request, _ origami.Caller) error {
			io.WriteString(w, "half")
			return fail()
		})
		func() {
			defer func() {
				if p := recover(); p != http.ErrAbortHandler {
					t.Errorf("%s: got panic %v, want %v", name, p, http.ErrAbortHandler)
				}
			}()
			d.ServeHTTP(httptest.NewRecorder(), post(t, "ec2", ""))
		}()
		if line := d.line(t); !strings.Contains(line["error"].(string), "late") || line["status"] != 200.0 {
			t.Errorf("%s: got log %v", name, line)
		}
	}
}

// TestClientGone checks that a client that hangs up is not an error of ours.
func TestClientGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := newDoor(func(_ http.ResponseWriter, r *http.Request, _ origami.Caller) error {
		cancel()
		return r.Context().Err()
	})
	d.ServeHTTP(httptest.NewRecorder(), post(t, "ec2", "").WithContext(ctx))
	if line := d.line(t); line["level"] != "INFO" || line["code"] != "ServiceUnavailable" {
		t.Errorf("got log %v", line)
	}
}

// TestPresigned checks that a door sees the operation's parameters only.
func TestPresigned(t *testing.T) {
	t.Parallel()
	var got string
	d := newDoor(func(_ http.ResponseWriter, r *http.Request, _ origami.Caller) error {
		got = r.URL.RawQuery
		return nil
	})
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://aws.test/?Action=Ping&A=%20b", nil)
	if err := sigv4.Presign(r, cred, "us-east-1", "ec2", now, time.Minute); err != nil {
		t.Fatal(err)
	}
	d.ServeHTTP(httptest.NewRecorder(), r)
	if want := "Action=Ping&A=%20b"; got != want {
		t.Errorf("got query %q, want %q", got, want)
	}
	if line := d.line(t); line["action"] != "Ping" || line["status"] != 200.0 {
		t.Errorf("got log %v", line)
	}
}

func TestActionInLog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		target, body, want string
	}{
		"target":      {"TrentService.CreateKey", "{}", "CreateKey"},
		"body":        {"", "Version=1&Action=RunInstances&X=Y", "RunInstances"},
		"none":        {"", "Version=1", ""},
		"odd letters": {"", "Action=a%0Ab", ""},
		"long":        {"", "Action=" + strings.Repeat("a", 129), ""},
	} {
		d := newDoor(func(http.ResponseWriter, *http.Request, origami.Caller) error { return nil })
		r := httptest.NewRequestWithContext(t.Context(), "POST", "http://aws.test/", strings.NewReader(tt.body))
		if tt.target != "" {
			r.Header.Set("X-Amz-Target", tt.target)
		}
		sign(t, r, "ec2", tt.body)
		d.ServeHTTP(httptest.NewRecorder(), r)
		if got := d.line(t)["action"]; got != tt.want {
			t.Errorf("%s: got action %q, want %q", name, got, tt.want)
		}
	}
}

// TestSDK asks STS who we are, through a real server, with the AWS SDK.
func TestSDK(t *testing.T) {
	t.Parallel()
	live := httptest.NewServer(newLiveDoor())
	defer live.Close()
	out, err := newClient(live.URL, secret).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != account || *out.Arn != arn || *out.UserId != account {
		t.Errorf("got %s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
	_, err = newClient(live.URL, "wrong").GetCallerIdentity(t.Context(), nil)
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != "SignatureDoesNotMatch" {
		t.Errorf("got error %v, want SignatureDoesNotMatch", err)
	}
	// The SDK signs with its own clock, which is far from that of this door.
	past := httptest.NewServer(newDoor(nil))
	defer past.Close()
	_, err = newClient(past.URL, secret).GetCallerIdentity(t.Context(), nil)
	if !errors.As(err, &e) || e.ErrorCode() != "SignatureDoesNotMatch" || !strings.Contains(e.ErrorMessage(), "min.)") {
		t.Errorf("got error %v, want one about the time", err)
	}
}

func newClient(url, secret string) *sts.Client {
	return sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(url), HTTPClient: sdktest.Client{}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}, nil
		}),
	})
}

// newLiveDoor is a door that runs on the clock that clients sign with.
func newLiveDoor() http.Handler {
	return endpoint.New(endpoint.Config{
		Credentials: func(context.Context, string, string) (endpoint.Credential, error) {
			return endpoint.Credential{Secret: secret, Account: account, ARN: arn, UserID: account}, nil
		},
		Regions:  []origami.Region{"us-east-1"},
		Services: map[string]endpoint.Service{"sts": new(stsserver.Handler)},
		Default:  "sts",
		Logger:   slog.New(slog.DiscardHandler),
	})
}

func TestNewWithoutDefault(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("New accepted a default service that does not exist")
		}
	}()
	endpoint.New(endpoint.Config{Services: map[string]endpoint.Service{"sts": new(stsserver.Handler)}})
}
