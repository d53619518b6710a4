package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"origami"
	"origami/internal/sdktest"
)

// kms is a KMS client of the default account in a region.
func (n *installation) kms(region origami.Region) *kms.Client {
	n.t.Helper()
	var e environment
	n.json(&e, "env")
	return kms.New(kms.Options{
		Region: string(region), BaseEndpoint: &e.Endpoint, Retryer: aws.NopRetryer{}, HTTPClient: sdktest.Client{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: e.AccessKey, SecretAccessKey: e.Secret}, nil
		}),
	})
}

// refused starts the service of an installation that must not start.
func (n *installation) refused(want string) {
	n.t.Helper()
	ctx, stop := context.WithCancel(n.t.Context())
	defer stop()
	if err := serve(ctx, n.o, stopper{stop}); err == nil || !strings.Contains(err.Error(), want) {
		n.t.Errorf("serve: got error %v, want one with %q", err, want)
	}
}

// stopper ends a service that says that it serves.
type stopper struct{ stop context.CancelFunc }

func (s stopper) Write(p []byte) (int, error) {
	s.stop()
	return len(p), nil
}

// What was encrypted can be decrypted after a restart, and not without the root
// key, or with one that others may read.
func TestRootKeyFile(t *testing.T) {
	t.Parallel()
	n := install(t)
	sealed, err := n.kms("us-east-1").Encrypt(t.Context(), &kms.EncryptInput{KeyId: n.newKey("us-east-1"), Plaintext: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	n.end()
	path := filepath.Join(n.dir, "root.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("root key: %v, %v, want mode 0600", info, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	n.refused("may be used by others")
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	n.refused("root key does not exist")
	if _, err := os.Stat(path); err == nil {
		t.Error("another root key was made")
	}
	if err := os.Rename(path+".aside", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	opened, err := n.kms("us-east-1").Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || string(opened.Plaintext) != "secret" {
		t.Errorf("after a restart: got %+v, %v", opened, err)
	}
	n.noneIn(path)
}

// noneIn checks that the secret of a root key is in no other file.
func (n *installation) noneIn(path string) {
	n.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		n.t.Fatal(err)
	}
	secret := bytes.Split(text, []byte("\n"))[1]
	err = filepath.WalkDir(n.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || name == path {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, secret) {
			n.t.Errorf("%s holds the root key", name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the service is at work
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// An installation whose root key is in the KMS of another one.
func TestRootKeyElsewhere(t *testing.T) {
	far := install(t)
	key := far.newKey("us-east-1")
	var e environment
	far.json(&e, "env")
	t.Setenv("AWS_ACCESS_KEY_ID", e.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", e.Secret)
	for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"} {
		t.Setenv(name, "") // of who runs the test
	}
	near := install(t, "--root-key", *key, "--root-key-endpoint", e.Endpoint)
	sealed, err := near.kms("eu-west-1").Encrypt(t.Context(), &kms.EncryptInput{KeyId: near.newKey("eu-west-1"), Plaintext: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(near.dir, "root.key")); err == nil {
		t.Error("a root key was made beside the external one")
	}
	near.end()
	if _, err := far.kms("us-east-1").DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key}); err != nil {
		t.Fatal(err)
	}
	near.refused("DisabledException")
	if _, err := far.kms("us-east-1").EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: key}); err != nil {
		t.Fatal(err)
	}
	near.start()
	opened, err := near.kms("eu-west-1").Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || string(opened.Plaintext) != "secret" {
		t.Errorf("after a restart: got %+v, %v", opened, err)
	}
}

// newKey makes a KMS key in a region and returns its ARN.
func (n *installation) newKey(region origami.Region) *string {
	n.t.Helper()
	out, err := n.kms(region).CreateKey(n.t.Context(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	return out.KeyMetadata.Arn
}

func TestRootKeyFlags(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kms:us-east-1:111111111111:key/00000000-0000-0000-0000-000000000001"
	for _, tt := range []struct {
		flags []string
		want  string // in the error, "" for none
	}{
		{nil, ""},
		{[]string{"--root-key", arn}, ""},
		{[]string{"--root-key", arn, "--root-key-endpoint", "http://127.0.0.1:1"}, ""},
		{[]string{"--root-key", arn, "--root-key-endpoint", "http://example.test"}, "is not https"},
		{[]string{"--root-key", "alias/x"}, "not the ARN of a KMS key"},
		{[]string{"--root-key-endpoint", "https://example.test"}, "only with --root-key"},
	} {
		c := serveCommandWith(func(context.Context, options, io.Writer) error { return nil })
		c.SetArgs(append([]string{"--data-dir", t.TempDir()}, tt.flags...))
		c.SetErr(io.Discard)
		c.SetOut(io.Discard)
		err := c.Execute()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v: got error %v, want %q", tt.flags, err, tt.want)
		}
	}
}
