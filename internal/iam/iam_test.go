package iam_test

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/iam"
	"origami/internal/metadb"
	"origami/internal/sigv4"
)

func open(t *testing.T) (*iam.Service, *metadb.DB) {
	t.Helper()
	return openAt(t, time.Now)
}

func openAt(t *testing.T, clock func() time.Time) (*iam.Service, *metadb.DB) {
	t.Helper()
	db, err := metadb.Config{Clock: clock}.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return iam.New(db), db
}

func create(t *testing.T, s *iam.Service, name string) (origami.Account, origami.AccessKey) {
	t.Helper()
	a, k, err := s.CreateAccount(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a, k
}

func TestCreateAccount(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	a, k := create(t, s, "alice")
	for what, c := range map[string]struct{ got, want string }{
		"account ID":    {string(a.ID), `^[1-9][0-9]{11}$`},
		"access key ID": {k.ID, `^AKIA[A-Z2-7]{16}$`},
		"secret":        {k.Secret, `^[A-Za-z0-9+/]{40}$`},
	} {
		if !regexp.MustCompile(c.want).MatchString(c.got) {
			t.Errorf("%s: got %q, want it like %s", what, c.got, c.want)
		}
	}
	if a.Name != "alice" || k.Account != a.ID || a.Created.IsZero() || k.Created.IsZero() {
		t.Errorf("got %+v and %+v", a, k)
	}
	b, other := create(t, s, "bob")
	if b.ID == a.ID || other.ID == k.ID || other.Secret == k.Secret {
		t.Errorf("two accounts alike: %+v, %+v", a, b)
	}
	all, err := s.Accounts(t.Context())
	if diff := cmp.Diff([]origami.Account{a, b}, all); diff != "" || err != nil {
		t.Errorf("accounts: %v (-want +got):\n%s", err, diff)
	}
	keys, err := s.AccessKeys(t.Context(), a.ID, "")
	if diff := cmp.Diff([]origami.AccessKey{k}, keys); diff != "" || err != nil {
		t.Errorf("keys: %v (-want +got):\n%s", err, diff)
	}
}

func TestAccountNames(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	create(t, s, "taken")
	for name, ok := range map[string]bool{
		"taken": false, "": false, "a\nb": false, "a\x00": false, "\xff": false,
		strings.Repeat("é", 51): false, strings.Repeat("é", 50): true, "With space": true,
	} {
		_, _, err := s.CreateAccount(t.Context(), name)
		if ok != (err == nil) || err != nil && !errors.Is(err, &origami.Error{Code: origami.CodeInvalidParameterValue}) {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, k := create(t, s, "alice")
	want := iam.Credential{Secret: k.Secret, Account: k.Account, ARN: "arn:aws:iam::" + string(k.Account) + ":root", UserID: string(k.Account)}
	if got, err := s.Authenticate(t.Context(), k.ID, ""); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := s.Authenticate(t.Context(), k.ID, "token"); !errors.Is(err, sigv4.ErrInvalidToken) || got != (iam.Credential{}) {
		t.Errorf("with a token: got %+v, %v", got, err)
	}
	for _, id := range []string{"", "AKIAAAAAAAAAAAAAAAAA", strings.ToLower(k.ID), k.ID + "A", k.ID + "\x00", "' OR 1=1 --abcdef", strings.Repeat("A", 1<<16)} {
		if got, err := s.Authenticate(t.Context(), id, ""); !errors.Is(err, sigv4.ErrUnknownKey) || got != (iam.Credential{}) {
			t.Errorf("key %.40q: got %+v, error %v, want ErrUnknownKey", id, got, err)
		}
	}
	if err := s.DeleteAccessKey(t.Context(), "000000000000", "", k.ID); err == nil {
		t.Error("an account deleted the key of another")
	}
	if err := s.DeleteAccessKey(t.Context(), k.Account, "", k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), k.ID, ""); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("deleted key: got error %v", err)
	}
}

// An access key can be changed for another without a gap, but not collected.
func TestCreateAccessKey(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	a, first := create(t, s, "alice")
	second, err := s.CreateAccessKey(t.Context(), a.ID, "")
	if err != nil || second.ID == first.ID || second.Account != a.ID {
		t.Fatalf("got %+v, %v", second, err)
	}
	if _, err := s.CreateAccessKey(t.Context(), a.ID, ""); !errors.Is(err, &origami.Error{Code: "LimitExceeded"}) {
		t.Errorf("third key: got error %v", err)
	}
	if err := s.DeleteAccessKey(t.Context(), a.ID, "", first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateAccessKey(t.Context(), a.ID, ""); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
	if _, err := s.CreateAccessKey(t.Context(), "000000000000", ""); err == nil {
		t.Error("a key was made for an account that does not exist")
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	root := origami.Caller{Account: "111111111111", ARN: iam.RootARN("111111111111")}
	tests := []struct {
		name   string
		who    origami.Caller
		action string
		ok     bool
	}{
		{"root", root, "ec2:RunInstances", true},
		{"user", origami.Caller{Account: root.Account, ARN: "arn:aws:iam::111111111111:user/u"}, "ec2:RunInstances", false},
		{"root of another account", origami.Caller{Account: "222222222222", ARN: root.ARN}, "ec2:RunInstances", false},
		{"nobody", origami.Caller{}, "ec2:RunInstances", false},
		{"nobody's root", origami.Caller{ARN: iam.RootARN("")}, "ec2:RunInstances", false},
		{"no service", root, "RunInstances", false},
		{"no operation", root, "ec2:", false},
	}
	for _, tt := range tests {
		err := s.Authorize(t.Context(), tt.who, tt.action, iam.Resource{ARN: "arn:aws:ec2:us-east-1:111111111111:instance/*"})
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, &origami.Error{Code: origami.CodeUnauthorizedOperation}) {
			t.Errorf("%s: got error %v, want allowed %t", tt.name, err, tt.ok)
		}
	}
}
