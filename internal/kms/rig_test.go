package kms_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
	"origami/internal/policy"
)

const (
	east  = origami.Region("us-east-1")
	west  = origami.Region("eu-west-1")
	alice = origami.AccountID("111111111111")
	bob   = origami.AccountID("222222222222")
)

// rig is a service over a database of its own, whose time is the test's.
type rig struct {
	*kms.Service
	t    testing.TB
	db   *metadb.DB
	root keywrap.Root

	mu  sync.Mutex
	now time.Time
	// allowed are the actions that the policies of users allow, by ARN; the
	// root of an account may do everything.
	allowed map[string][]string
	denied  map[string][]string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{
		t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), root: keyfile.New(durabletest.New(), "root.key"),
		allowed: map[string][]string{}, denied: map[string][]string{},
	}
	clock := func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}
	var err error
	r.db, err = metadb.Config{Clock: clock}.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	r.update(func(tx *metadb.Tx) error {
		for _, u := range []kms.Access{user(alice, "ann"), user(bob, "bea"), user(bob, "clara")} {
			name := u.Caller.UserID[4:]
			err := tx.PutIdentity(&origami.Identity{ID: u.Caller.UserID, Account: u.Caller.Account, Kind: origami.KindUser, Path: "/", Name: name, Created: r.now})
			if err != nil {
				return err
			}
		}
		return errors.Join(
			tx.PutAccount(&origami.Account{ID: alice, Name: "alice", Created: r.now}),
			tx.PutAccount(&origami.Account{ID: bob, Name: "bob", Created: r.now}))
	})
	r.Service = r.restart()
	return r
}

// restart makes the service anew, as a process that starts does.
func (r *rig) restart() *kms.Service {
	r.t.Helper()
	s, err := kms.New(r.t.Context(), kms.Config{
		DB: r.db, Root: r.root, Regions: []origami.Region{east, west}, Identity: r.identity,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) identity(_ *metadb.Tx, who origami.Caller, action, resource string, keys policy.Keys, own *policy.Document) (kms.Decision, error) {
	d := kms.Decision{Request: &policy.Request{
		Principal: policy.Principal{Account: string(who.Account), ARN: who.ARN, ID: who.UserID}, Action: action, Resource: resource, Keys: keys,
	}}
	all := policy.Policies{Resource: own}
	add := func(effect string, actions ...string) error {
		for _, a := range actions {
			doc, err := policy.Parse(`{"Version":"2012-10-17","Statement":[{"Effect":"`+effect+`","Action":"`+a+`","Resource":"*"}]}`, policy.Identity)
			if err != nil {
				return err
			}
			all.Identity = append(all.Identity, doc)
		}
		return nil
	}
	allowed := r.allowed[who.ARN]
	if who.ARN == policy.RootARN(string(who.Account)) {
		allowed = []string{"*"}
	}
	if err := errors.Join(add("Allow", allowed...), add("Deny", r.denied[who.ARN]...)); err != nil {
		return d, err
	}
	d.Allowed, d.Denied = all.Decide(d.Request)
	return d, nil
}

// pass lets time go by.
func (r *rig) pass(days int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.AddDate(0, 0, days)
}

func (r *rig) update(fn func(*metadb.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) create(a kms.Access, in kms.NewKey) *origami.KMSKey {
	r.t.Helper()
	k, err := r.CreateKey(r.t.Context(), a, in)
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// root is the root of an account in a region.
func root(account origami.AccountID, region origami.Region) kms.Access {
	return kms.Access{Caller: origami.Caller{Account: account, ARN: policy.RootARN(string(account)), UserID: string(account), Region: region}}
}

// user is a user of an account in us-east-1.
func user(account origami.AccountID, name string) kms.Access {
	return kms.Access{Caller: origami.Caller{Account: account, ARN: "arn:aws:iam::" + string(account) + ":user/" + name, UserID: "AIDA" + name, Region: east}}
}

// via is a as a service asks on its behalf.
func via(a kms.Access, service string) kms.Access {
	a.Via = service
	return a
}

// wantCode checks that err has a code, or is nil if code is "".
func wantCode(t *testing.T, what string, err error, code origami.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !errors.Is(err, &origami.Error{Code: code}) {
		t.Errorf("%s: got error %v, want code %q", what, err, code)
	}
}
