package awskms

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

	"origami/internal/awsjson"
	"origami/internal/keywrap"
	"origami/internal/sigv4"
)

// Bounds of a call.
const (
	maxAnswer = 64 << 10 // bytes
	attempts  = 4
	firstWait = 200 * time.Millisecond // doubled after each attempt
)

// errTransient marks a failure that another attempt may not meet.
var errTransient = errors.New("transient")

// call does one operation, again if the service or the way to it stumbles.
func (r *Root) call(ctx context.Context, operation string, in, out any) error {
	body, err := awsjson.Marshal(in)
	if err != nil {
		return err
	}
	wait := firstWait
	for n := 1; ; n++ {
		err := r.attempt(ctx, operation, body, out)
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

func (r *Root) attempt(ctx context.Context, operation string, body []byte, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(r.c.Endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", awsjson.ContentType)
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	cred, err := r.c.Credentials(ctx)
	if err != nil {
		return fmt.Errorf("credentials of the root key: %w", err)
	}
	if err := sigv4.Sign(req, body, cred, r.region, "kms", r.c.Clock()); err != nil {
		return err
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
		return failure(resp, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%w: the answer is not that of a KMS: %w", keywrap.ErrUnavailable, err)
	}
	return nil
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
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, errTransient, text)
	}
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w (%w): %s", keywrap.ErrUnavailable, errTransient, text)
	}
	return fmt.Errorf("%w: %s", keywrap.ErrUnavailable, text)
}
