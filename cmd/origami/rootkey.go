package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"origami/internal/keywrap"
	"origami/internal/keywrap/awskms"
	"origami/internal/keywrap/keyfile"
	"origami/internal/keywrap/vault"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/sigv4"
)

// rootKeys are the flags that name keys on top of all others. Of several, the one
// that opens what is stored is used: so a service can be started between the two
// ends of a move from one to another.
type rootKeys struct {
	given    []string // in the words of --root-key; none for the file in the data directory
	endpoint string   // of keys in a KMS that name none; "" for AWS's
}

// flags adds the flags.
func (k *rootKeys) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&k.given, "root-key", nil, "key to wrap all keys with: file:PATH; the ARN of a symmetric key of an AWS KMS, or ARN@URL of another\nservice of its kind, which AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may use; or\nhttps://HOST/v1/MOUNT/keys/NAME, a transit key of a Vault, which VAULT_TOKEN may use.\nOf several, the one that the keys are under; the first in a new installation\n(default: a key in root.key in the data directory)")
	c.Flags().StringVar(&k.endpoint, "root-key-endpoint", "", "URL of the KMS of a --root-key without one (default: AWS's)")
}

// check checks the flags, and asks nothing of the keys.
func (k *rootKeys) check() error {
	if len(k.given) == 0 && k.endpoint != "" {
		return errors.New("--root-key-endpoint: only with --root-key")
	}
	for i, word := range k.given {
		if path, ok := strings.CutPrefix(word, keyfile.NamePrefix); ok {
			if path == "" {
				return errors.New("--root-key: file: names no file")
			}
			abs, err := filepath.Abs(path)
			if err != nil {
				return fmt.Errorf("--root-key: %w", err)
			}
			k.given[i] = keyfile.NamePrefix + abs
			continue
		}
		if _, err := k.root(word); err != nil {
			return fmt.Errorf("--root-key: %w", err)
		}
	}
	return nil
}

// root is the root key that a word of --root-key names. A file is read.
func (k *rootKeys) root(word string) (keywrap.Root, error) {
	if path, ok := strings.CutPrefix(word, keyfile.NamePrefix); ok {
		return keyfile.Open(path)
	}
	if strings.HasPrefix(word, "https://") || strings.HasPrefix(word, "http://") {
		return vault.New(vault.Config{Key: word, Token: environmentToken, Namespace: os.Getenv("VAULT_NAMESPACE")})
	}
	arn, endpoint, ok := strings.Cut(word, "@")
	if !ok {
		endpoint = k.endpoint
	}
	return awskms.New(awskms.Config{Key: arn, Endpoint: endpoint, Credentials: environmentCredentials})
}

// environmentCredentials reads credentials from the variables that AWS clients
// read.
func environmentCredentials(context.Context) (sigv4.Credentials, error) {
	c := sigv4.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), Secret: os.Getenv("AWS_SECRET_ACCESS_KEY"), Token: os.Getenv("AWS_SESSION_TOKEN"),
	}
	if c.AccessKeyID == "" || c.Secret == "" {
		return c, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	return c, nil
}

// environmentToken reads the token of a Vault from the variable that its own
// client reads.
func environmentToken(context.Context) (string, error) {
	if t := os.Getenv("VAULT_TOKEN"); t != "" {
		return t, nil
	}
	return "", errors.New("VAULT_TOKEN is not set")
}

// words are the words of --root-key that there are: those given, or the file in
// the data directory.
func (k *rootKeys) words(d dataDir) []string {
	if len(k.given) > 0 {
		return k.given
	}
	return []string{keyfile.NamePrefix + d.rootFile("")}
}

// open finds the root key that the keys of an installation are under. If there
// are none yet it is the first one given.
func (k *rootKeys) open(ctx context.Context, d dataDir, db *metadb.DB) (keywrap.Root, error) {
	wrapped, err := kms.RootName(ctx, db)
	if err != nil {
		return nil, err
	}
	words := k.words(d)
	if wrapped == "" {
		return k.root(words[0])
	}
	if digits, ok := strings.CutPrefix(wrapped, keyfile.NamePrefix); ok {
		// A rotation may have ended before the file got its name.
		words = append(words[:len(words):len(words)], keyfile.NamePrefix+d.rootFile(""), keyfile.NamePrefix+d.rootFile(digits))
	}
	var seen []string
	var errs []error
	for i, word := range words {
		name := ""
		root, err := k.root(word)
		if err == nil {
			name, err = root.Name(ctx)
		}
		switch {
		case err == nil && name == wrapped:
			return root, nil
		case i >= len(k.words(d)): // nobody named it
		case err != nil:
			errs = append(errs, err)
		default:
			seen = append(seen, fmt.Sprintf("%s is %s", word, name))
		}
	}
	return nil, lostRoot(d, wrapped, seen, errs)
}

// lostRoot says that the root key that is needed is not among those there are,
// and what to do.
func lostRoot(d dataDir, wrapped string, seen []string, errs []error) error {
	advice := "start with --root-key " + strings.TrimPrefix(strings.TrimPrefix(wrapped, "aws-kms:"), "vault:")
	if strings.HasPrefix(wrapped, keyfile.NamePrefix) {
		advice = fmt.Sprintf("put the copy that was kept of that key back as %s, with mode 0600, or name its file: --root-key file:PATH", d.rootFile(""))
	}
	text := fmt.Sprintf("the keys of %s are under the root key %s, which is not there: %s; nothing else opens them", d, wrapped, advice)
	if len(seen) > 0 {
		text += " (" + strings.Join(seen, ", ") + ")"
	}
	if len(errs) > 0 {
		return fmt.Errorf("%s: %w", text, errors.Join(errs...))
	}
	return errors.New(text)
}

// adviseRoot says what to do about a root key that does not open the master key.
func adviseRoot(err error) error {
	switch {
	case errors.Is(err, keywrap.ErrUnavailable):
		return fmt.Errorf("%w\nNothing is lost: see that the root key can be reached and that the credentials in the environment may use it, then start again", err)
	case errors.Is(err, keywrap.ErrNoRoot):
		return fmt.Errorf("%w\nRestore the root key where it was: nothing else opens the keys under it", err)
	}
	return err
}

// rootFile is the path of the root key in a data directory, or of one that has
// yet to take its place, or has had it, which its digits tell.
func (d dataDir) rootFile(digits string) string {
	if digits == "" {
		return d.path("root.key")
	}
	return d.path("root.key." + digits)
}
