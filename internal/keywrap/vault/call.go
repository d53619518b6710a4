package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"origami/internal/keywrap"
	"origami/internal/keywrap/remote"
)

// errRefused marks an answer that says that the request is wrong.
var errRefused = errors.New("refused")

// call does one operation.
func (r *Root) call(ctx context.Context, url string, in *request, out *response) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return remote.Service{Client: r.c.Client, Prepare: r.prepare, Refusal: failure}.Call(ctx, url, body, out)
}

// prepare says who asks.
func (r *Root) prepare(ctx context.Context, req *http.Request, _ []byte) error {
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
	return nil
}

// failure is the error of an answer that says no.
func failure(resp *http.Response, answer []byte) error {
	status := resp.StatusCode
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
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, remote.ErrTransient, text)
	}
	return fmt.Errorf("%w: %s", keywrap.ErrUnavailable, text)
}
