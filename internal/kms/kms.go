// Package kms is the key management service: symmetric keys that never leave
// it, names and policies and grants for them, and what they encrypt.
//
// A key belongs to an account and a region. Who may use it is decided by its
// policy first; see authorize. The doors call the verbs with an [Access].
// Concepts that encrypt for their callers call [Service.Resolve],
// [Service.Check], [Service.NewDataKey] and [Service.OpenDataKey] inside a
// transaction of their own.
//
// Every error that a caller may see is an *origami.Error with a code of the KMS
// API; errors.Is(err, &origami.Error{Code: CodeDisabled}) asks for one.
// docs/design/kms.md has the hierarchy of keys and the formats.
package kms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"origami"
	"origami/internal/keywrap"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Decision is what the policies of a caller's account say about one request.
type Decision struct {
	Request *policy.Request // as they were asked
	Allowed bool
	Denied  bool // an explicit denial stands against it
}

// Identity says what the policies of a caller's account say about an action
// ("kms:Decrypt") on a resource, given condition keys of the request. own is the
// policy of the resource if it is of the same account, else nil.
type Identity func(tx *metadb.Tx, who origami.Caller, action, resource string, keys policy.Keys, own *policy.Document) (Decision, error)

// Config is what a Service is built of. DB, Root and Regions must be set.
type Config struct {
	DB      *metadb.DB
	Root    keywrap.Root
	Regions []origami.Region // that multi-Region keys can be replicated to

	// Identity decides for principals that a key's policy leaves to their
	// account. If nil, the root of an account may do everything, and nobody
	// else anything.
	Identity Identity

	// Asked, if not nil, hears of every key that a request, named by its ID,
	// asks to use or to change, whether it may or not. It must not block.
	Asked func(request, keyARN string)

	Log *slog.Logger // nil for none
}

// Service is the key management service of an installation. Its methods may be
// called concurrently.
type Service struct {
	db       *metadb.DB
	ring     keyring
	tokens   *keywrap.Key // codes of grant tokens come from it; nil in a judge
	regions  []origami.Region
	identity Identity
	asked    func(request, keyARN string)
	log      *slog.Logger
}

// New makes the service. It asks the root for the master key, or makes one in
// an installation that has none. The error is the root's if it is not the one
// that this installation's keys are under.
func New(ctx context.Context, c Config) (*Service, error) {
	record, master, err := openMaster(ctx, c.DB, c.Root)
	if err != nil {
		return nil, fmt.Errorf("open master key: %w", err)
	}
	s := &Service{db: c.DB, regions: slices.Clone(c.Regions), identity: c.Identity, asked: c.Asked, log: c.Log}
	if s.identity == nil {
		s.identity = onlyRoot
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.ring.add(record, master)
	if s.tokens, err = s.openTokens(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// NewJudge makes a service that answers [Service.Check] and finds keys that are
// there, for who explains what may be done with them. It has no root key, and
// must not be asked to encrypt, to decrypt or to make anything.
func NewJudge(db *metadb.DB, identity Identity) *Service {
	return &Service{db: db, identity: identity, log: slog.New(slog.DiscardHandler)}
}

// tell tells about a key that a caller asks about.
func (s *Service) tell(who origami.Caller, k *origami.KMSKey) {
	if s.asked != nil && who.Request != "" {
		s.asked(who.Request, k.ARN())
	}
}

// onlyRoot lets the root of an account do everything, and others what the
// resource's policy allows them by name.
func onlyRoot(_ *metadb.Tx, who origami.Caller, action, resource string, keys policy.Keys, own *policy.Document) (Decision, error) {
	d := Decision{Request: &policy.Request{
		Principal: policy.Principal{Account: string(who.Account), ARN: who.ARN, ID: who.UserID}, Action: action, Resource: resource, Keys: keys,
	}}
	d.Allowed, d.Denied = (&policy.Policies{Resource: own}).Decide(d.Request)
	if who.Account != "" && who.ARN == policy.RootARN(string(who.Account)) {
		d.Allowed = !d.Denied
	}
	return d, nil
}

// errWanted rolls back a transaction that was only begun to see whether it
// would do.
var errWanted = errors.New("dry run")

// view runs fn in a transaction that reads.
func (s *Service) view(ctx context.Context, fn func(*metadb.Tx) error) error {
	return s.db.View(ctx, fn)
}

// update runs fn in a transaction that writes, unless a is a dry run: then the
// error is DryRunOperationException if fn succeeds, and nothing is changed.
func (s *Service) update(ctx context.Context, a Access, fn func(*metadb.Tx) error) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		if a.DryRun {
			return errWanted
		}
		return nil
	})
	if errors.Is(err, errWanted) {
		return errDryRun()
	}
	return err
}
