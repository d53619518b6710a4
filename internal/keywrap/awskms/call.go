package awskms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"origami/internal/awsjson"
	"origami/internal/keywrap"
	"origami/internal/keywrap/remote"
	"origami/internal/sigv4"
)

// call does one operation.
func (r *Root) call(ctx context.Context, operation string, in, out any) error {
	body, err := awsjson.Marshal(in)
	if err != nil {
		return err
	}
	prepare := func(ctx context.Context, req *http.Request, body []byte) error {
		req.Header.Set("Content-Type", awsjson.ContentType)
		req.Header.Set("X-Amz-Target", "TrentService."+operation)
		cred, err := r.c.Credentials(ctx)
		if err != nil {
			return fmt.Errorf("credentials of the root key: %w", err)
		}
		return sigv4.Sign(req, body, cred, r.region, "kms", r.c.Clock())
	}
	s := remote.Service{Client: r.c.Client, Prepare: prepare, Refusal: failure}
	return s.Call(ctx, strings.TrimSuffix(r.c.Endpoint, "/")+"/", body, out)
}

// failure is the error of an answer that says no.
func failure(resp *http.Response, answer []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: names are matched in any case
	}
	// What is no JSON has no type, and is reported by its status.
	_ = json.Unmarshal(answer, &said)
	code := said.Type
	if h := resp.Header.Get("X-Amzn-Errortype"); h != "" {
		code = h
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndexByte(code, '#')+1:]
	text := fmt.Sprintf("%d %.100s %.300s", resp.StatusCode, code, said.Message)
	switch code {
	case "InvalidCiphertextException", "IncorrectKeyException":
		return fmt.Errorf("%w: %s", keywrap.ErrDamaged, text)
	case "NotFoundException":
		return fmt.Errorf("%w: %s", keywrap.ErrNoRoot, text)
	case "ThrottlingException", "RequestLimitExceeded", "DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException":
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, remote.ErrTransient, text)
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, remote.ErrTransient, text)
	}
	return fmt.Errorf("%w: %s", keywrap.ErrUnavailable, text)
}
