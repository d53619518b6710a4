package main

import (
	"context"
	"errors"
	"os"

	"origami/internal/keywrap"
	"origami/internal/keywrap/awskms"
	"origami/internal/keywrap/keyfile"
	"origami/internal/sigv4"
)

// openRootKey finds the key on top of all others: a file in the data directory,
// or the key of an external KMS.
func (o options) openRootKey() (keywrap.Root, error) {
	if o.rootKey == "" {
		return keyfile.Open(o.dir.path("root.key"))
	}
	return o.externalRootKey()
}

func (o options) externalRootKey() (*awskms.Root, error) {
	return awskms.New(awskms.Config{Key: o.rootKey, Endpoint: o.rootKeyEndpoint, Credentials: environmentCredentials})
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

// checkRootKey checks the flags of an external root key.
func (o options) checkRootKey() error {
	if o.rootKey == "" && o.rootKeyEndpoint != "" {
		return errors.New("--root-key-endpoint: only with --root-key")
	}
	if o.rootKey == "" {
		return nil
	}
	_, err := o.externalRootKey()
	return err
}
