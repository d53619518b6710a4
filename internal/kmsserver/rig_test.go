package kmsserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/endpoint"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/kmsserver"
	"origami/internal/metadb"
	"origami/internal/sdktest"
	"origami/internal/sigv4"
)

const (
	east   = origami.Region("us-east-1")
	west   = origami.Region("eu-west-1")
	alice  = origami.AccountID("111111111111")
	bob    = origami.AccountID("222222222222")
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// installation is a KMS behind the front door, with two accounts and two
// regions.
type installation struct {
	t    *testing.T
	db   *metadb.DB
	root *keyfile.Root
	url  string

	mu   sync.Mutex
	kms  *kms.Service
	door http.Handler
	now  time.Time
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	x := &installation{t: t, root: keyfile.New(durabletest.New(), "root.key"), now: time.Now().UTC()}
	clock := func() time.Time {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.now
	}
	var err error
	x.db, err = metadb.Config{Clock: clock}.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.db.Close() })
	err = x.db.Update(t.Context(), func(tx *metadb.Tx) error {
		for _, u := range strings.Fields("111111111111/ann 222222222222/ann 222222222222/a 222222222222/b 222222222222/c 222222222222/d") {
			account, name, _ := strings.Cut(u, "/")
			i := &origami.Identity{ID: "AIDA" + account + name, Account: origami.AccountID(account), Kind: origami.KindUser, Path: "/", Name: name, Created: x.now}
			if err := tx.PutIdentity(i); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.PutAccount(&origami.Account{ID: alice, Name: "alice", Created: x.now}),
			tx.PutAccount(&origami.Account{ID: bob, Name: "bob", Created: x.now}))
	})
	if err != nil {
		t.Fatal(err)
	}
	x.restart()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		door := x.door
		x.mu.Unlock()
		door.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	x.url = server.URL
	return x
}

// restart builds everything above the database anew.
func (x *installation) restart() {
	x.t.Helper()
	s, err := kms.New(x.t.Context(), kms.Config{DB: x.db, Root: x.root, Regions: []origami.Region{east, west}})
	if err != nil {
		x.t.Fatal(err)
	}
	door := endpoint.New(endpoint.Config{
		Credentials: func(_ context.Context, id, _ string) (endpoint.Credential, error) {
			account, user, _ := strings.Cut(id, "USER")
			account = strings.TrimPrefix(account, "AKIA")
			if len(account) != 12 {
				return endpoint.Credential{}, sigv4.ErrUnknownKey
			}
			c := endpoint.Credential{Secret: secret, Account: origami.AccountID(account), ARN: "arn:aws:iam::" + account + ":root", UserID: account}
			if user != "" {
				c.ARN, c.UserID = "arn:aws:iam::"+account+":user/"+strings.ToLower(user), "AIDA"+account+strings.ToLower(user)
			}
			return c, nil
		},
		Regions:  []origami.Region{east, west},
		Services: map[string]endpoint.Service{"kms": kmsserver.New(s)},
		Default:  "kms",
		Logger:   slog.New(slog.NewTextHandler(testLog{x.t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kms, x.door = s, door
}

// testLog shows internal errors in the log of the test.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// pass lets time go by for the database, and does what is due.
func (x *installation) pass(days int) {
	x.t.Helper()
	x.mu.Lock()
	x.now = x.now.AddDate(0, 0, days)
	s := x.kms
	x.mu.Unlock()
	if err := s.Sweep(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
}

// client is the SDK's client of the root of an account in a region.
func (x *installation) client(account origami.AccountID, region origami.Region) *sdk.Client {
	return x.clientOf("AKIA"+string(account), region)
}

// user is the SDK's client of a user of an account in us-east-1.
func (x *installation) user(account origami.AccountID, name string) *sdk.Client {
	return x.clientOf("AKIA"+string(account)+"USER"+strings.ToUpper(name), east)
}

func (x *installation) clientOf(key string, region origami.Region) *sdk.Client {
	return sdk.New(sdk.Options{
		Region: string(region), BaseEndpoint: aws.String(x.url), Retryer: aws.NopRetryer{}, HTTPClient: sdktest.Client{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	})
}

// post sends a body as the AWS CLI does, and returns status, error type of the
// header, and answer.
func (x *installation) post(operation, body string) (int, string, string) {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodPost, x.url+"/", strings.NewReader(body))
	if err != nil {
		x.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService."+operation)
	if err := sigv4.Sign(r, []byte(body), sigv4.Credentials{AccessKeyID: "AKIA" + string(alice), Secret: secret}, string(east), "kms", time.Now()); err != nil {
		x.t.Fatal(err)
	}
	resp, err := sdktest.Client{}.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(text)
}

// wantCode checks the error code that the SDK sees, "" for none.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if code == "" && err != nil || code != "" && (!errors.As(err, &e) || e.ErrorCode() != code) {
		t.Errorf("%s: got error %v, want code %q", what, err, code)
	}
}

// must returns out, or fails.
func must[T any](t *testing.T) func(out T, err error) T {
	return func(out T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}
