package awskms_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/endpoint"
	"origami/internal/keywrap"
	"origami/internal/keywrap/awskms"
	"origami/internal/keywrap/keyfile"
	"origami/internal/keywrap/keywraptest"
	"origami/internal/kms"
	"origami/internal/kmsserver"
	"origami/internal/metadb"
	"origami/internal/sigv4"
)

const (
	account = origami.AccountID("111111111111")
	region  = origami.Region("us-east-1")
)

var caller = origami.Caller{Account: account, ARN: "arn:aws:iam::111111111111:root", UserID: string(account), Region: region}

func credentials(context.Context) (sigv4.Credentials, error) {
	return sigv4.Credentials{AccessKeyID: "AKIDEXAMPLEEXAMPLE", Secret: "secret"}, nil
}

// elsewhere is another installation, whose KMS holds the root of this one.
func elsewhere(t *testing.T) (*kms.Service, *metadb.DB, string) {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := kms.New(t.Context(), kms.Config{DB: db, Root: keyfile.New(durabletest.New(), "root.key"), Regions: []origami.Region{region}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(endpoint.New(endpoint.Config{
		Credentials: func(_ context.Context, id, _ string) (endpoint.Credential, error) {
			if id != "AKIDEXAMPLEEXAMPLE" {
				return endpoint.Credential{}, sigv4.ErrUnknownKey
			}
			return endpoint.Credential{Secret: "secret", Account: account, ARN: caller.ARN, UserID: string(account)}, nil
		},
		Regions:  []origami.Region{region},
		Services: map[string]endpoint.Service{"kms": kmsserver.New(s)},
		Default:  "kms",
		Logger:   slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(server.Close)
	return s, db, server.URL
}

func newRoot(t *testing.T, key, url string) *awskms.Root {
	t.Helper()
	r, err := awskms.New(awskms.Config{Key: key, Endpoint: url, Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestContract(t *testing.T) {
	t.Parallel()
	s, _, url := elsewhere(t)
	k, err := s.CreateKey(t.Context(), kms.Access{Caller: caller}, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	keywraptest.Run(t, func() keywrap.Root { return newRoot(t, k.ARN(), url) })
}

// A whole KMS whose root is in another one, which disables and deletes it.
func TestRooted(t *testing.T) {
	t.Parallel()
	far, _, url := elsewhere(t)
	a := kms.Access{Caller: caller}
	k, err := far.CreateKey(t.Context(), a, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	start := func() (*kms.Service, error) {
		return kms.New(t.Context(), kms.Config{DB: db, Root: newRoot(t, k.ARN(), url), Regions: []origami.Region{region}})
	}
	near, err := start()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := near.CreateKey(t.Context(), a, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := near.Encrypt(t.Context(), a, mine.ARN(), []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Decrypt(t.Context(), a, "", sealed.Blob, nil); err != nil || string(got.Bytes) != "x" {
		t.Errorf("after a restart: got %+v, %v", got, err)
	}
	if err := far.DisableKey(t.Context(), a, string(k.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := start(); !errors.Is(err, keywrap.ErrUnavailable) || !strings.Contains(err.Error(), "DisabledException") {
		t.Errorf("root disabled: got error %v", err)
	}
	if _, err := again.Decrypt(t.Context(), a, "", sealed.Blob, nil); err != nil {
		t.Errorf("a service that runs: %v", err)
	}
	other, err := far.CreateKey(t.Context(), a, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = kms.New(t.Context(), kms.Config{DB: db, Root: newRoot(t, other.ARN(), url)})
	if err == nil || !strings.Contains(err.Error(), k.ARN()) {
		t.Errorf("another root: got error %v, want one that names %s", err, k.ARN())
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s, _, url := elsewhere(t)
	k, err := s.CreateKey(t.Context(), kms.Access{Caller: caller}, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.CreateKey(t.Context(), kms.Access{Caller: caller}, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := newRoot(t, k.ARN(), url).Wrap(t.Context(), []byte("x"), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newRoot(t, other.ARN(), url).Unwrap(t.Context(), wrapped, "p"); !errors.Is(err, keywrap.ErrDamaged) {
		t.Errorf("other key: got error %v", err)
	}
	none := strings.Replace(k.ARN(), string(k.ID), string(origami.NewKMSKeyID(false)), 1)
	if _, err := newRoot(t, none, url).Unwrap(t.Context(), wrapped, "p"); !errors.Is(err, keywrap.ErrNoRoot) {
		t.Errorf("no key: got error %v", err)
	}
	if _, err := newRoot(t, none, url).Wrap(t.Context(), []byte("x"), "p"); !errors.Is(err, keywrap.ErrNoRoot) {
		t.Errorf("wrap with no key: got error %v", err)
	}
	for name, creds := range map[string]func(context.Context) (sigv4.Credentials, error){
		"wrong secret": func(context.Context) (sigv4.Credentials, error) {
			return sigv4.Credentials{AccessKeyID: "AKIDEXAMPLEEXAMPLE", Secret: "other"}, nil
		},
		"no credentials": func(context.Context) (sigv4.Credentials, error) { return sigv4.Credentials{}, errors.New("none") },
	} {
		r, err := awskms.New(awskms.Config{Key: k.ARN(), Endpoint: url, Credentials: creds})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Unwrap(t.Context(), wrapped, "p"); err == nil || errors.Is(err, keywrap.ErrDamaged) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

const arn = "arn:aws:kms:us-east-1:111111111111:key/00000000-0000-0000-0000-000000000001"

// A service that stumbles is asked again, and one that lies is not believed.
func TestAnswers(t *testing.T) {
	t.Parallel()
	good := `{"KeyId":"` + arn + `","Plaintext":"eA==","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","New":{"a":1}}`
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }
	text := func(status int, body string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return answer(status, body) }
	}
	redirect := func(*http.Request) (*http.Response, error) {
		resp, err := answer(307, "")
		resp.Header.Set("Location", "https://evil.test/")
		return resp, err
	}
	type answers []func(*http.Request) (*http.Response, error)
	tests := []struct {
		name    string
		answers answers
		want    error // nil for success
		calls   int32
	}{
		{"good", answers{text(200, good)}, nil, 1},
		{"after three stumbles", answers{broken, text(500, ""), text(400, `{"__type":"ThrottlingException"}`), text(200, good)}, nil, 4},
		{"never", answers{broken, broken, broken, broken, text(200, good)}, keywrap.ErrUnavailable, 4},
		{"denied", answers{text(400, `{"__type":"AccessDeniedException","Message":"no"}`)}, keywrap.ErrUnavailable, 1},
		{"damaged", answers{text(400, `{"__type":"com.amazonaws.kms#InvalidCiphertextException"}`)}, keywrap.ErrDamaged, 1},
		{"gone", answers{text(400, `{"__type":"NotFoundException"}`)}, keywrap.ErrNoRoot, 1},
		{"another key", answers{text(200, strings.Replace(good, "0001", "0002", 1))}, keywrap.ErrUnavailable, 1},
		{"nothing in it", answers{text(200, `{"KeyId":"`+arn+`"}`)}, keywrap.ErrUnavailable, 1},
		{"no JSON", answers{text(200, `<html>`)}, keywrap.ErrUnavailable, 1},
		{"redirect", answers{redirect}, keywrap.ErrUnavailable, 1},
		{"endless", answers{text(200, `{"x":"`+strings.Repeat("x", 100<<10)+`"}`)}, keywrap.ErrUnavailable, 1},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			r, err := awskms.New(awskms.Config{Key: arn, Credentials: credentials, Client: &http.Client{Transport: transport(
				func(req *http.Request) (*http.Response, error) {
					if req.URL.Host != "kms.us-east-1.amazonaws.com" || req.URL.Scheme != "https" {
						t.Errorf("%s: asked %s", tt.name, req.URL)
					}
					return tt.answers[calls.Add(1)-1](req)
				})}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Unwrap(t.Context(), []byte("w"), "p")
			if tt.want == nil && (err != nil || string(got) != "x") || tt.want != nil && (!errors.Is(err, tt.want) || got != nil) {
				t.Errorf("%s: got %q, %v, want error %v", tt.name, got, err, tt.want)
			}
			if calls.Load() != tt.calls {
				t.Errorf("%s: asked %d times, want %d", tt.name, calls.Load(), tt.calls)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    awskms.Config
		ok   bool
	}{
		{"AWS", awskms.Config{Key: arn, Credentials: credentials}, true},
		{"https", awskms.Config{Key: arn, Endpoint: "https://kms.example.test:8443/", Credentials: credentials}, true},
		{"http here", awskms.Config{Key: arn, Endpoint: "http://127.0.0.1:8773", Credentials: credentials}, true},
		{"http to ::1", awskms.Config{Key: arn, Endpoint: "http://[::1]:8773", Credentials: credentials}, true},
		{"http elsewhere", awskms.Config{Key: arn, Endpoint: "http://10.0.0.1", Credentials: credentials}, false},
		{"http to a name", awskms.Config{Key: arn, Endpoint: "http://localhost.example.test", Credentials: credentials}, false},
		{"file", awskms.Config{Key: arn, Endpoint: "file:///etc/passwd", Credentials: credentials}, false},
		{"path", awskms.Config{Key: arn, Endpoint: "https://x/y", Credentials: credentials}, false},
		{"user", awskms.Config{Key: arn, Endpoint: "https://a:b@x", Credentials: credentials}, false},
		{"no credentials", awskms.Config{Key: arn}, false},
		{"alias", awskms.Config{Key: "arn:aws:kms:us-east-1:111111111111:alias/x", Credentials: credentials}, false},
		{"ID", awskms.Config{Key: "00000000-0000-0000-0000-000000000001", Credentials: credentials}, false},
		{"region with a host in it", awskms.Config{Key: "arn:aws:kms:evil.test/:111111111111:key/x", Credentials: credentials}, false},
		{"long", awskms.Config{Key: arn + strings.Repeat("x", 600), Credentials: credentials}, false},
	} {
		if _, err := awskms.New(tt.c); tt.ok != (err == nil) {
			t.Errorf("%s: got error %v, want ok %t", tt.name, err, tt.ok)
		}
	}
}
