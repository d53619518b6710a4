package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"origami/internal/keywrap"
)

// Bounds of a call.
const (
	maxAnswer = 64 << 10 // bytes
	attempts  = 4
	firstWait = 200 * time.Millisecond // doubled after each attempt
)

var (
	// errTransient marks a failure that another attempt may not meet.
	errTransient = errors.New("transient")
	// errRefused marks an answer that says that the request is wrong.
	errRefused = errors.New("refused")
)

// call does one operation, again if the Vault or the way to it stumbles.
func (r *Root) call(ctx context.Context, url string, in *request, out *response) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	wait := firstWait
	for n := 1; ; n++ {
		err := r.attempt(ctx, url, body, out)
		if n == attempts || !errors.Is(err, errTransient) {
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

func (r *Root) attempt(ctx context.Context, url string, body []byte, out *response) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	token, err := r.c.Token(ctx)
	if err != nil {
		return fmt.Errorf("token of the root key: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true")
	req.Header.Set("X-Vault-Token", token)
	if r.c.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", r.c.Namespace)
	}
	resp, err := r.c.Client.Do(req)
	if err != nil {
		return fmt.Errorf("%w (%w): %w", keywrap.ErrUnavailable, errTransient, err)
	}
	defer resp.Body.Close() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%w (%w): read the answer: %w", keywrap.ErrUnavailable, errTransient, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("%w: the answer is longer than %d bytes", keywrap.ErrUnavailable, maxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return failure(resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: the answer is not that of a Vault: %w", keywrap.ErrUnavailable, err)
	}
	return nil
}

// failure is the error of an answer that says no.
func failure(status int, answer []byte) error {
	var said struct {
		Errors []string `json:"errors"`
	}
	// What is no JSON says nothing, and is reported by its status.
	_ = json.Unmarshal(answer, &said)
	words := strings.Join(said.Errors, "; ")
	text := fmt.Sprintf("%d %.300s", status, words)
	switch {
	case status == http.StatusBadRequest && strings.Contains(words, "key not found"):
		return fmt.Errorf("%w: %s", keywrap.ErrNoRoot, text)
	case status == http.StatusBadRequest:
		return fmt.Errorf("%w: %s", errRefused, text)
	case status == http.StatusTooManyRequests, status == http.StatusPreconditionFailed, status >= http.StatusInternalServerError:
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, errTransient, text)
	}
	return fmt.Errorf("%w: %s", keywrap.ErrUnavailable, text)
}
