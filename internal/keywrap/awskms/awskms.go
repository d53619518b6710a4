// Package awskms is a root key in an AWS KMS, or in anything that speaks its
// protocol. The key itself never leaves there.
//
// docs/design/kms.md says what is asked of it.
package awskms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"origami/internal/keywrap"
	"origami/internal/keywrap/remote"
	"origami/internal/sigv4"
)

// Config names a key and says how to reach it.
type Config struct {
	// Key is the ARN of a symmetric key:
	// "arn:aws:kms:REGION:ACCOUNT:key/ID".
	Key string

	// Endpoint is the URL of the service; "" for AWS's in the region of the
	// key. It is https, or of this host: what is wrapped travels there.
	Endpoint string

	// Credentials are asked for before each request.
	Credentials func(ctx context.Context) (sigv4.Credentials, error)

	Client *http.Client     // nil for one with a timeout; redirects are not followed
	Clock  func() time.Time // nil for time.Now
}

// Root is a root key in an AWS KMS.
type Root struct {
	c      Config
	region string
}

var _ keywrap.Root = (*Root)(nil)

// New checks a configuration. Nothing is asked of the service yet.
func New(c Config) (*Root, error) {
	part := strings.SplitN(c.Key, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[2] != "kms" || part[3] == "" || strings.Trim(part[3], regionCharacters) != "" ||
		!strings.HasPrefix(part[5], "key/") || len(c.Key) > keywrap.MaxName-len(namePrefix) {
		return nil, fmt.Errorf("root key %.600q is not the ARN of a KMS key", c.Key)
	}
	if c.Endpoint == "" {
		c.Endpoint = "https://kms." + part[3] + ".amazonaws.com"
	}
	if err := checkEndpoint(c.Endpoint); err != nil {
		return nil, fmt.Errorf("endpoint of the root key: %w", err)
	}
	if c.Credentials == nil {
		return nil, errors.New("root key in a KMS: no credentials")
	}
	c.Client = remote.NewClient(c.Client)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return &Root{c, part[3]}, nil
}

const regionCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-"

// checkEndpoint refuses URLs to which a key would travel in the clear.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	if u.Path != "" && u.Path != "/" {
		return fmt.Errorf("%q is no URL of a host", endpoint)
	}
	if err := remote.CheckURL(u); err != nil {
		return fmt.Errorf("%q: %w", endpoint, err)
	}
	return nil
}

const namePrefix = "aws-kms:"

// Name implements [keywrap.Root].
func (r *Root) Name(context.Context) (string, error) { return namePrefix + r.c.Key, nil }

// context binds a ciphertext to its purpose.
func bound(purpose string) map[string]string {
	return map[string]string{"origami:purpose": "1 " + purpose}
}

type encryptInput struct {
	KeyID     *string           `json:"KeyId"`
	Plaintext []byte            `json:"Plaintext"`
	Context   map[string]string `json:"EncryptionContext"`
}

type encryptOutput struct {
	Blob  []byte  `json:"CiphertextBlob"`
	KeyID *string `json:"KeyId"`
}

// Wrap implements [keywrap.Root]. The key must exist: it is never made.
func (r *Root) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	if len(key) < 1 || len(key) > keywrap.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes, want 1 to %d", len(key), keywrap.MaxKey)
	}
	var out encryptOutput
	if err := r.call(ctx, "Encrypt", &encryptInput{&r.c.Key, key, bound(purpose)}, &out); err != nil {
		return nil, fmt.Errorf("wrap with %s: %w", r.c.Key, err)
	}
	if out.KeyID == nil || *out.KeyID != r.c.Key || len(out.Blob) == 0 || len(out.Blob) > keywrap.MaxWrapped {
		return nil, fmt.Errorf("wrap with %s: the answer is of another key: %w", r.c.Key, keywrap.ErrUnavailable)
	}
	return out.Blob, nil
}

type decryptInput struct {
	KeyID   *string           `json:"KeyId"`
	Blob    []byte            `json:"CiphertextBlob"`
	Context map[string]string `json:"EncryptionContext"`
}

type decryptOutput struct {
	Plaintext []byte  `json:"Plaintext"`
	KeyID     *string `json:"KeyId"`
}

// maxBlob is the largest blob that KMS takes, in bytes.
const maxBlob = 6144

// Unwrap implements [keywrap.Root].
func (r *Root) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	if len(wrapped) < 1 || len(wrapped) > maxBlob {
		return nil, keywrap.ErrDamaged
	}
	var out decryptOutput
	if err := r.call(ctx, "Decrypt", &decryptInput{&r.c.Key, wrapped, bound(purpose)}, &out); err != nil {
		return nil, fmt.Errorf("unwrap with %s: %w", r.c.Key, err)
	}
	if out.KeyID == nil || *out.KeyID != r.c.Key || len(out.Plaintext) == 0 {
		return nil, fmt.Errorf("unwrap with %s: the answer is of another key: %w", r.c.Key, keywrap.ErrUnavailable)
	}
	return out.Plaintext, nil
}
