package iam

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Bounds of sessions.
const (
	minSession        = 15 * time.Minute
	defaultSession    = time.Hour
	maxChained        = time.Hour
	maxUserSession    = 36 * time.Hour
	defaultUser       = 12 * time.Hour
	maxRootSession    = time.Hour
	maxSessionPolicy  = 2048
	maxSessionManaged = 10
)

// Temporary are temporary credentials, as they are handed out once.
type Temporary struct {
	AccessKey, Secret, Token string
	Expires                  time.Time
	ARN, UserID              string // of the principal that they are of
}

// AssumeSpec is a wish to assume a role.
type AssumeSpec struct {
	Role       string // ARN
	Session    string // name
	ExternalID string
	Policy     string   // document that limits the session, or ""
	Managed    []string // ARNs of managed policies that do
	Duration   time.Duration
}

// AssumeRole makes credentials of a session of a role. The trust policy of the
// role must allow it; unless that names the caller itself, and always if the
// role is of another account, the caller's own policies must as well.
func (s *Service) AssumeRole(ctx context.Context, who origami.Caller, spec AssumeSpec) (Temporary, error) {
	if spec.Duration == 0 {
		spec.Duration = defaultSession
	}
	if who.ARN == RootARN(who.Account) {
		return Temporary{}, origami.Errorf(codeAccessDenied, "Roles may not be assumed by root accounts.")
	}
	if len(spec.Session) < 2 {
		return Temporary{}, origami.Errorf(codeValidation, "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: "+
			"Member must have length greater than or equal to 2")
	}
	if err := checkEntityName("roleSessionName", spec.Session, 64); err != nil {
		return Temporary{}, err
	}
	var limits []string
	if spec.Policy != "" {
		if len(spec.Policy) > maxSessionPolicy {
			return Temporary{}, origami.Errorf(codeValidation, "1 validation error detected: Value at 'policy' failed to satisfy constraint: "+
				"Member must have length less than or equal to %d", maxSessionPolicy)
		}
		if _, err := parse(spec.Policy, policy.Identity); err != nil {
			return Temporary{}, err
		}
		limits = append(limits, spec.Policy)
	}
	var out Temporary
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		p, err := load(tx, who)
		if errors.Is(err, errGone) {
			return denial(who, "sts:AssumeRole", Resource{ARN: spec.Role}, false, policy.IdentityBased)
		}
		if err != nil {
			return err
		}
		role, err := assumable(tx, p, spec)
		if err != nil {
			return err
		}
		limits, err := managedLimits(tx, role.Account, limits, spec.Managed)
		if err != nil {
			return err
		}
		if err := checkDuration(role, p.session, spec.Duration); err != nil {
			return err
		}
		out, err = newSession(tx, origami.Session{
			Account: role.Account, Identity: role.ID, Name: spec.Session, Policies: limits,
		}, spec.Duration)
		out.ARN, out.UserID = sessionARN(role.Account, role.Name, spec.Session), role.ID+":"+spec.Session
		return err
	})
	return out, err
}

// managedLimits adds the managed policies that limit a session.
func managedLimits(tx *metadb.Tx, account origami.AccountID, limits, arns []string) ([]string, error) {
	if len(arns) > maxSessionManaged {
		return nil, origami.Errorf(codeValidation, "A session has at most %d managed policies.", maxSessionManaged)
	}
	limits = append([]string(nil), limits...)
	for _, arn := range arns {
		m, err := managed(tx, account, arn)
		if err != nil {
			return nil, err
		}
		limits = append(limits, m.Version(m.Default).Document)
	}
	return limits, nil
}

// assumable finds the role and checks that p may assume it. To a caller who may
// not, a role that does not exist looks like one that does.
func assumable(tx *metadb.Tx, p *principal, spec AssumeSpec) (*origami.Identity, error) {
	resource := Resource{ARN: spec.Role, Keys: policy.Keys{}}
	resource.Keys.Set("sts:RoleSessionName", spec.Session)
	if spec.ExternalID != "" {
		resource.Keys.Set("sts:ExternalId", spec.ExternalID)
	}
	denied := origami.Errorf(codeAccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %.2048s", p.who.ARN, spec.Role)
	part := strings.SplitN(spec.Role, ":", 6)
	if len(part) != 6 || part[2] != "iam" || !strings.HasPrefix(part[5], "role/") {
		return nil, origami.Errorf(codeValidation, "%.2048s is invalid", spec.Role)
	}
	role, err := tx.Identity(origami.AccountID(part[4]), origami.KindRole, part[5][strings.LastIndexByte(part[5], '/')+1:])
	if errors.Is(err, metadb.ErrNotFound) || err == nil && role.ARN() != spec.Role {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	for k, v := range role.Tags {
		resource.Keys.Set("aws:ResourceTag/"+k, v)
	}
	trust, err := trustOf(role)
	if err != nil {
		return nil, err
	}
	r, err := p.request(tx, "sts:AssumeRole", resource)
	if err != nil {
		return nil, err
	}
	effect := trust.Evaluate(r)
	own := p.policies
	same := role.Account == p.who.Account
	// The trust policy decides, alone if it names the caller in its account.
	allowed, explicit := own.Decide(r)
	switch {
	case effect == policy.Silent || effect == policy.Deny || explicit:
		return nil, denied
	case same && effect >= policy.AllowRole:
		own.Identity = []*policy.Document{everything}
		if effect == policy.Allow {
			return role, nil
		}
		allowed, _ = own.Decide(r)
	}
	if !allowed {
		return nil, denied
	}
	return role, nil
}

// everything allows all.
var everything = func() *policy.Document {
	d, err := policy.Parse(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`, policy.Identity)
	if err != nil {
		panic(err)
	}
	return d
}()

func checkDuration(role *origami.Identity, source *origami.Session, d time.Duration) error {
	switch {
	case d < minSession || d > maxMaxSessionHours*time.Hour:
		return origami.Errorf(codeValidation, "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value between 900 and 43200", int(d.Seconds()))
	case source != nil && source.Name != "" && d > maxChained:
		return origami.Errorf(codeValidation, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case d > role.MaxSession:
		return origami.Errorf(codeValidation, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

// SessionOf makes temporary credentials of a user or a root: the same
// principal, for a while. A duration of 0 is 12 hours, or one hour for the
// root. Temporary credentials cannot ask for others.
func (s *Service) SessionOf(ctx context.Context, who origami.Caller, d time.Duration) (Temporary, error) {
	root := who.ARN == RootARN(who.Account)
	if d == 0 {
		d = defaultUser
	}
	if d < minSession || d > maxUserSession {
		return Temporary{}, origami.Errorf(codeValidation, "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy "+
			"constraint: Member must have value between 900 and 129600", int(d.Seconds()))
	}
	if root {
		d = min(d, maxRootSession)
	}
	var out Temporary
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if strings.HasPrefix(who.AccessKey, "ASIA") {
			return origami.Errorf(codeAccessDenied, "Cannot call GetSessionToken with session credentials")
		}
		id := ""
		if !root {
			id = who.UserID
			if _, err := tx.IdentityByID(id); err != nil {
				return err
			}
		}
		var err error
		out, err = newSession(tx, origami.Session{Account: who.Account, Identity: id}, d)
		out.ARN, out.UserID = who.ARN, who.UserID
		return err
	})
	return out, err
}

// newSession completes a session and keeps it.
func newSession(tx *metadb.Tx, t origami.Session, d time.Duration) (Temporary, error) {
	var token [96]byte
	rand.Read(token[:]) // crypto/rand never fails: it ends the program
	t.Created = tx.Now().Truncate(time.Second)
	t.Expires = t.Created.Add(d)
	k := newAccessKey("ASIA", t.Account, t.Identity, t.Created)
	text := base64.StdEncoding.EncodeToString(token[:])
	hash := sha256.Sum256([]byte(text))
	t.AccessKey, t.Secret, t.TokenHash = k.ID, k.Secret, hash[:]
	return Temporary{AccessKey: k.ID, Secret: k.Secret, Token: text, Expires: t.Expires}, tx.PutSession(&t)
}
