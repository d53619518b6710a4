// Package vault is a root key in the transit engine of a HashiCorp Vault, or of
// OpenBao, which speaks the same. The key itself never leaves there.
//
// docs/design/kms.md says what is asked of it.
package vault

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"origami/internal/keywrap"
	"origami/internal/keywrap/remote"
)

// Config names a key and says how to reach it.
type Config struct {
	// Key is the URL of a transit key: "https://HOST/v1/MOUNT/keys/NAME". It is
	// https, or of this host: what is wrapped travels there.
	Key string

	// Token is asked for before each request.
	Token func(ctx context.Context) (string, error)

	Namespace string // of Vault Enterprise and OpenBao, or ""

	Client *http.Client // nil for one with a timeout; redirects are not followed
}

// Root is a root key in a Vault.
type Root struct {
	c       Config
	encrypt string // URLs
	decrypt string
}

var _ keywrap.Root = (*Root)(nil)

const namePrefix = "vault:"

// New checks a configuration. Nothing is asked of the Vault yet.
func New(c Config) (*Root, error) {
	base, mount, name, err := parseKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("root key %.600q: %w", c.Key, err)
	}
	if c.Token == nil {
		return nil, errors.New("root key in a Vault: no token")
	}
	c.Client = remote.NewClient(c.Client)
	return &Root{c, base + "/v1/" + mount + "/encrypt/" + name, base + "/v1/" + mount + "/decrypt/" + name}, nil
}

// parseKey takes the URL of a transit key apart.
func parseKey(key string) (base, mount, name string, err error) {
	if len(key) > keywrap.MaxName-len(namePrefix) {
		return "", "", "", fmt.Errorf("it is longer than %d bytes", keywrap.MaxName-len(namePrefix))
	}
	u, err := url.Parse(key)
	if err != nil {
		return "", "", "", err
	}
	if err := remote.CheckURL(u); err != nil {
		return "", "", "", err
	}
	path, ok := strings.CutPrefix(u.Path, "/v1/")
	at := strings.LastIndex(path, "/keys/")
	if !ok || at < 1 {
		return "", "", "", errors.New("it is not of the form https://HOST/v1/MOUNT/keys/NAME")
	}
	mount, name = path[:at], path[at+len("/keys/"):]
	for _, part := range append(strings.Split(mount, "/"), name) {
		if strings.Trim(part, nameCharacters) != "" || strings.Trim(part, ".") == "" {
			return "", "", "", fmt.Errorf("%q is no name of a mount or a key", part)
		}
	}
	return u.Scheme + "://" + u.Host, mount, name, nil
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

// Name implements [keywrap.Root].
func (r *Root) Name(context.Context) (string, error) { return namePrefix + r.c.Key, nil }

// bound is the associated data that binds a ciphertext to its purpose.
func bound(purpose string) []byte { return []byte("origami:purpose 1 " + purpose) }

type request struct {
	Plaintext  []byte `json:"plaintext,omitempty"`
	Ciphertext string `json:"ciphertext,omitempty"`
	Associated []byte `json:"associated_data"`
}

type response struct {
	Data struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"`
	} `json:"data"`
}

// Wrap implements [keywrap.Root]. The key must exist: whether the Vault makes
// one that is missing is up to the policy of the token.
func (r *Root) Wrap(ctx context.Context, key []byte, purpose string) ([]byte, error) {
	if len(key) < 1 || len(key) > keywrap.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes, want 1 to %d", len(key), keywrap.MaxKey)
	}
	var out response
	err := r.call(ctx, r.encrypt, &request{Plaintext: key, Associated: bound(purpose)}, &out)
	if errors.Is(err, errRefused) {
		err = fmt.Errorf("%w: %w", keywrap.ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("wrap with %s: %w", r.c.Key, err)
	}
	if !wellFormed(out.Data.Ciphertext) {
		return nil, fmt.Errorf("wrap with %s: the answer is not that of a Vault: %w", r.c.Key, keywrap.ErrUnavailable)
	}
	return []byte(out.Data.Ciphertext), nil
}

// Unwrap implements [keywrap.Root].
func (r *Root) Unwrap(ctx context.Context, wrapped []byte, purpose string) ([]byte, error) {
	if !wellFormed(string(wrapped)) {
		return nil, keywrap.ErrDamaged
	}
	var out response
	err := r.call(ctx, r.decrypt, &request{Ciphertext: string(wrapped), Associated: bound(purpose)}, &out)
	if errors.Is(err, errRefused) {
		err = fmt.Errorf("%w: %w", keywrap.ErrDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("unwrap with %s: %w", r.c.Key, err)
	}
	if len(out.Data.Plaintext) == 0 {
		return nil, fmt.Errorf("unwrap with %s: the answer is not that of a Vault: %w", r.c.Key, keywrap.ErrUnavailable)
	}
	return out.Data.Plaintext, nil
}

// wellFormed reports whether a text can be a ciphertext of the transit engine:
// "vault:v", the version of the key, a colon and base64.
func wellFormed(s string) bool {
	rest, ok := strings.CutPrefix(s, "vault:v")
	version, text, found := strings.Cut(rest, ":")
	if n, err := strconv.ParseUint(version, 10, 31); !ok || !found || err != nil || n == 0 || len(s) > keywrap.MaxWrapped {
		return false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && len(raw) > 0 && base64.StdEncoding.EncodeToString(raw) == text
}
