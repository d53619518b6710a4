// Package remote asks services over HTTP to wrap keys: what the roots in awskms
// and vault have in common.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"origami/internal/keywrap"
)

// Bounds of a call.
const (
	timeout   = 20 * time.Second // of one request
	maxAnswer = 64 << 10         // bytes
	attempts  = 4
	firstWait = 200 * time.Millisecond // doubled after each attempt
)

// ErrTransient marks a failure that another attempt may not meet.
var ErrTransient = errors.New("transient")

// Service is what is asked.
type Service struct {
	Client *http.Client // of NewClient

	// Prepare completes a POST request with a body: its headers, what says who
	// asks. It is called for each attempt.
	Prepare func(ctx context.Context, r *http.Request, body []byte) error

	// Refusal is the error of an answer whose status is not 200. One that wraps
	// ErrTransient is asked again.
	Refusal func(resp *http.Response, answer []byte) error
}

// NewClient is c, or if that is nil one with a timeout, and follows no redirects:
// a key must not travel where nobody sent it.
func NewClient(c *http.Client) *http.Client {
	client := http.Client{Timeout: timeout}
	if c != nil {
		client = *c
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// CheckURL refuses URLs to which a key would travel in the clear: what is not
// https must be on this host. Nor may there be anything behind the path.
func CheckURL(u *url.URL) error {
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("it is no URL of a host and a path")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("it is not https")
	}
	return nil
}

// Call posts a body, again if the service or the way to it stumbles, and decodes
// the JSON of the answer into out. The error wraps keywrap.ErrUnavailable, unless
// Prepare or Refusal say otherwise.
func (s Service) Call(ctx context.Context, url string, body []byte, out any) error {
	wait := firstWait
	for n := 1; ; n++ {
		err := s.attempt(ctx, url, body, out)
		if n == attempts || !errors.Is(err, ErrTransient) {
			return err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), err)
		case <-t.C:
		}
		wait *= 2
	}
}

func (s Service) attempt(ctx context.Context, url string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := s.Prepare(ctx, req, body); err != nil {
		return err
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%w (%w): %w", keywrap.ErrUnavailable, ErrTransient, err)
	}
	defer resp.Body.Close() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%w (%w): read the answer: %w", keywrap.ErrUnavailable, ErrTransient, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("%w: the answer is longer than %d bytes", keywrap.ErrUnavailable, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return s.Refusal(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: the answer is not that of such a service: %w", keywrap.ErrUnavailable, err)
	}
	return nil
}
