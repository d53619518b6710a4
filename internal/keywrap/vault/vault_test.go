package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"origami/internal/keywrap"
	"origami/internal/keywrap/keywraptest"
	"origami/internal/keywrap/vault"
	"origami/internal/keywrap/vault/vaulttest"
)

func token(context.Context) (string, error) { return vaulttest.Token, nil }

func newRoot(t *testing.T, c vault.Config) *vault.Root {
	t.Helper()
	if c.Token == nil {
		c.Token = token
	}
	r, err := vault.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serveVault is a Vault with the key "root", and its URL.
func serveVault(t *testing.T) (*vaulttest.Server, string) {
	t.Helper()
	v := new(vaulttest.Server)
	v.Make("root")
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return v, server.URL
}

func TestContract(t *testing.T) {
	t.Parallel()
	_, url := serveVault(t)
	keywraptest.Run(t, func() keywrap.Root { return newRoot(t, vault.Config{Key: url + "/v1/transit/keys/root"}) })
}

func TestErrors(t *testing.T) {
	t.Parallel()
	v, url := serveVault(t)
	v.Make("other")
	wrapped, err := newRoot(t, vault.Config{Key: url + "/v1/transit/keys/root"}).Wrap(t.Context(), []byte("x"), "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		c            vault.Config
		want         error
		wantWrap     error
		wantContents string
	}{
		{"another key", vault.Config{Key: url + "/v1/transit/keys/other"}, keywrap.ErrDamaged, nil, "authentication failed"},
		{"no key", vault.Config{Key: url + "/v1/transit/keys/none"}, keywrap.ErrNoRoot, keywrap.ErrNoRoot, "not found"},
		{"no mount", vault.Config{Key: url + "/v1/team/transit/keys/root"}, keywrap.ErrUnavailable, keywrap.ErrUnavailable, "no handler"},
		{"another token", vault.Config{Key: url + "/v1/transit/keys/root", Token: func(context.Context) (string, error) { return "x", nil }},
			keywrap.ErrUnavailable, keywrap.ErrUnavailable, "permission denied"},
	} {
		r := newRoot(t, tt.c)
		if _, err := r.Unwrap(t.Context(), wrapped, "p"); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.wantContents) {
			t.Errorf("%s: unwrap: got error %v, want %v with %q", tt.name, err, tt.want, tt.wantContents)
		}
		if _, err := r.Wrap(t.Context(), []byte("x"), "p"); !errors.Is(err, tt.wantWrap) {
			t.Errorf("%s: wrap: got error %v, want %v", tt.name, err, tt.wantWrap)
		}
	}
	none := errors.New("no token")
	r := newRoot(t, vault.Config{Key: url + "/v1/transit/keys/root", Token: func(context.Context) (string, error) { return "", none }})
	if _, err := r.Unwrap(t.Context(), wrapped, "p"); !errors.Is(err, none) || errors.Is(err, keywrap.ErrDamaged) {
		t.Errorf("without a token: got error %v", err)
	}
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func text(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// A Vault that stumbles is asked again, and one that lies is not believed.
func TestAnswers(t *testing.T) {
	t.Parallel()
	const good = `{"request_id":"1","lease_id":"","data":{"plaintext":"eA=="},"auth":null}`
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }
	redirect := func(r *http.Request) (*http.Response, error) {
		resp, err := text(307, "")(r)
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
		{"after three stumbles", answers{broken, text(503, `{"errors":["Vault is sealed"]}`), text(429, ""), text(200, good)}, nil, 4},
		{"sealed", answers{text(503, ""), text(503, ""), text(503, ""), text(503, ""), text(200, good)}, keywrap.ErrUnavailable, 4},
		{"denied", answers{text(403, `{"errors":["permission denied"]}`)}, keywrap.ErrUnavailable, 1},
		{"damaged", answers{text(400, `{"errors":["cipher: message authentication failed"]}`)}, keywrap.ErrDamaged, 1},
		{"gone", answers{text(400, `{"errors":["encryption key not found"]}`)}, keywrap.ErrNoRoot, 1},
		{"nothing in it", answers{text(200, `{"data":{}}`)}, keywrap.ErrUnavailable, 1},
		{"no JSON", answers{text(200, `<html>`)}, keywrap.ErrUnavailable, 1},
		{"redirect", answers{redirect}, keywrap.ErrUnavailable, 1},
		{"endless", answers{text(200, `{"x":"`+strings.Repeat("x", 100<<10)+`"}`)}, keywrap.ErrUnavailable, 1},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			r := newRoot(t, vault.Config{Key: "https://vault.test:8200/v1/a/b/keys/k", Namespace: "team", Client: &http.Client{Transport: transport(
				func(req *http.Request) (*http.Response, error) {
					if req.URL.String() != "https://vault.test:8200/v1/a/b/decrypt/k" || req.Header.Get("X-Vault-Namespace") != "team" {
						t.Errorf("%s: asked %s with %v", tt.name, req.URL, req.Header)
					}
					return tt.answers[calls.Add(1)-1](req)
				})}})
			got, err := r.Unwrap(t.Context(), []byte("vault:v3:eA=="), "p")
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
		key string
		ok  bool
	}{
		{"https://vault.test:8200/v1/transit/keys/origami", true},
		{"https://vault.test/v1/team/a/transit/keys/origami-1.x_y", true},
		{"http://127.0.0.1:8200/v1/transit/keys/k", true},
		{"http://[::1]:8200/v1/transit/keys/k", true},
		{"http://10.0.0.1/v1/transit/keys/k", false},
		{"http://localhost.evil.test/v1/transit/keys/k", false},
		{"https://vault.test/transit/keys/k", false},
		{"https://vault.test/v1/transit/k", false},
		{"https://vault.test/v1/keys/k", false},
		{"https://vault.test/v1/transit/keys/", false},
		{"https://vault.test/v1/transit/keys/a/b", false},
		{"https://vault.test/v1/transit/../keys/k", false},
		{"https://vault.test/v1/transit/keys/..", false},
		{"https://vault.test/v1/transit/keys/a%2fb", false},
		{"https://a:b@vault.test/v1/transit/keys/k", false},
		{"https://vault.test/v1/transit/keys/k?x=y", false},
		{"file:///v1/transit/keys/k", false},
		{"https://vault.test/v1/transit/keys/" + strings.Repeat("k", 600), false},
	} {
		if _, err := vault.New(vault.Config{Key: tt.key, Token: token}); tt.ok != (err == nil) {
			t.Errorf("%.80s: got error %v, want ok %t", tt.key, err, tt.ok)
		}
	}
	if _, err := vault.New(vault.Config{Key: "https://vault.test/v1/transit/keys/k"}); err == nil {
		t.Error("without a token: no error")
	}
}

// What is taken for the URL of a key leads to that host, to the same mount, and
// to the decryption with that key.
func FuzzKey(f *testing.F) {
	f.Add("https://vault.test:8200/v1/transit/keys/k", "vault:v1:eA==")
	f.Add("https://vault.test/v1/a/keys/b/keys/c", "vault:v12:eA==")
	f.Add("http://127.0.0.1/v1/a/keys/..", "vault:v0:eA==")
	f.Add("https://a%2fb/v1/x/keys/%2e%2e", "vault:v1:eB==")
	f.Fuzz(func(t *testing.T, key, wrapped string) {
		asked := 0
		r, err := vault.New(vault.Config{Key: key, Token: token, Client: &http.Client{Transport: transport(
			func(req *http.Request) (*http.Response, error) {
				asked++
				want, err := url.Parse(key)
				if err != nil {
					t.Fatalf("%q was taken: %v", key, err)
				}
				at := strings.LastIndex(want.Path, "/keys/")
				if req.URL.Host != want.Host || req.URL.Path != want.Path[:at]+"/decrypt/"+want.Path[at+len("/keys/"):] || strings.Contains(req.URL.Path, "/../") {
					t.Errorf("%q leads to %s", key, req.URL)
				}
				var in struct{ Ciphertext string }
				if err := json.NewDecoder(req.Body).Decode(&in); err != nil || in.Ciphertext != wrapped {
					t.Errorf("%q is sent as %q, %v", wrapped, in.Ciphertext, err)
				}
				return text(400, `{"errors":["invalid ciphertext"]}`)(req)
			})}})
		if err != nil {
			return
		}
		if _, err := r.Unwrap(t.Context(), []byte(wrapped), "p"); !errors.Is(err, keywrap.ErrDamaged) || asked > 1 {
			t.Errorf("asked %d times: %v", asked, err)
		}
	})
}
