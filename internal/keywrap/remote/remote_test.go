package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"origami/internal/keywrap"
	"origami/internal/keywrap/remote"
)

// transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// says answers with a status and a body.
func says(status int, body string, header ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// torn breaks off in the middle of its answer.
func torn(r *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`{"A":`), failing{})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

var errNo = errors.New("no")

// refuse calls 503 transient, and all else a plain no.
func refuse(resp *http.Response, answer []byte) error {
	if resp.StatusCode == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s", remote.ErrTransient, answer)
	}
	return errNo
}

func TestCall(t *testing.T) {
	t.Parallel()
	ok := says(200, `{"A":"b"}`)
	for _, tt := range []struct {
		name    string
		answers []transport
		want    error         // nil if the answer is read
		waits   time.Duration // between the attempts
	}{
		{"at once", []transport{ok}, nil, 0},
		{"down, then there", []transport{down, down, ok}, nil, 600 * time.Millisecond},
		{"torn, then whole", []transport{torn, ok}, nil, 200 * time.Millisecond},
		{"busy, then there", []transport{says(503, "busy"), ok}, nil, 200 * time.Millisecond},
		{"down for good", []transport{down, down, down, down}, keywrap.ErrUnavailable, 1400 * time.Millisecond},
		{"busy for good", []transport{says(503, ""), says(503, ""), says(503, ""), says(503, "")}, remote.ErrTransient, 1400 * time.Millisecond},
		{"refused", []transport{says(403, "")}, errNo, 0},
		{"redirected", []transport{says(302, "", "Location", "https://elsewhere.test/")}, errNo, 0},
		{"no JSON", []transport{says(200, "<html>")}, keywrap.ErrUnavailable, 0},
		{"endless", []transport{says(200, `{"A":"`+strings.Repeat("x", 64<<10)+`"}`)}, keywrap.ErrUnavailable, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				s := remote.Service{Refusal: refuse, Client: remote.NewClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil || r.Method != http.MethodPost || string(body) != "question" || r.Header.Get("Who") != fmt.Sprint(asked) {
						t.Errorf("asked %s %q as %q, %v", r.Method, body, r.Header.Get("Who"), err)
					}
					asked++
					return tt.answers[asked-1](r)
				})})}
				s.Prepare = func(_ context.Context, r *http.Request, body []byte) error {
					r.Header.Set("Who", fmt.Sprint(asked))
					return nil
				}
				var out struct{ A string }
				start := time.Now()
				err := s.Call(t.Context(), "https://a.test/", []byte("question"), &out)
				if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || out.A != "b") {
					t.Errorf("got %+v, error %v, want error %v", out, err, tt.want)
				}
				if d := time.Since(start); asked != len(tt.answers) || d != tt.waits {
					t.Errorf("asked %d times in %v, want %d in %v", asked, d, len(tt.answers), tt.waits)
				}
			})
		})
	}
}

// A caller who gives up is not kept waiting.
func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		s := remote.Service{Client: remote.NewClient(&http.Client{Transport: transport(down)}), Refusal: refuse,
			Prepare: func(context.Context, *http.Request, []byte) error { return nil }}
		start := time.Now()
		if err := s.Call(ctx, "https://a.test/", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v", err)
		}
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("waited %v", d)
		}
	})
}

// Without the word of who asks nobody is asked.
func TestPrepareFails(t *testing.T) {
	t.Parallel()
	s := remote.Service{Refusal: refuse,
		Client: remote.NewClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			t.Error("asked")
			return nil, errNo
		})}),
		Prepare: func(context.Context, *http.Request, []byte) error { return errNo }}
	if err := s.Call(t.Context(), "https://a.test/", nil, nil); !errors.Is(err, errNo) || errors.Is(err, keywrap.ErrUnavailable) {
		t.Errorf("got error %v", err)
	}
}

func TestNewClient(t *testing.T) {
	t.Parallel()
	if c := remote.NewClient(nil); c.Timeout <= 0 {
		t.Errorf("a client with a timeout of %v", c.Timeout)
	}
	given := &http.Client{Timeout: time.Hour}
	if c := remote.NewClient(given); c == given || given.CheckRedirect != nil || c.Timeout != time.Hour {
		t.Error("the client that was given is changed, or its timeout is lost")
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"https://a.test":           true,
		"https://a.test:8200/v1/x": true,
		"http://127.0.0.1:4566/":   true,
		"http://[::1]:1/":          true,
		"http://localhost:1/":      true,
		"http://a.test":            false,
		"http://localhost.a.test":  false,
		"http://10.0.0.1":          false,
		"ftp://a.test":             false,
		"https:///v1":              false,
		"https://u:p@a.test":       false,
		"https://a.test/?q":        false,
		"https://a.test/#f":        false,
		"a.test":                   false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.CheckURL(u); ok != (err == nil) {
			t.Errorf("%s: got error %v, want ok %t", text, err, ok)
		}
	}
}
