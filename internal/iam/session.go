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
	SourceIdentity           string // of a role's session, or ""
}

// AssumeSpec is a wish to assume a role.
type AssumeSpec struct {
	Role       string // ARN
	Session    string // name
	ExternalID string
	Policy     string   // document that limits the session, or ""
	Managed    []string // ARNs of managed policies that do
	Duration   time.Duration

	Tags           []SessionTag
	Transitive     []string // keys of Tags that sessions made by this one inherit
	SourceIdentity string   // who is behind the session, or ""
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
	if err := checkSessionName("roleSessionName", spec.Session); err != nil {
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
		marks, err := spec.marks(p.session)
		if err != nil {
			return err
		}
		role, err := assumable(tx, p, spec, marks)
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
			Tags: marks.tags, Transitive: marks.transitive, SourceIdentity: marks.source,
		}, spec.Duration)
		out.SourceIdentity = marks.source
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

// assumable finds the role and checks that p may assume it in a session with
// those marks. To a caller who may not, a role that does not exist looks like one
// that does.
func assumable(tx *metadb.Tx, p *principal, spec AssumeSpec, marks sessionMarks) (*origami.Identity, error) {
	resource := Resource{ARN: spec.Role, Keys: policy.Keys{}}
	resource.Keys.Set("sts:RoleSessionName", spec.Session)
	if spec.ExternalID != "" {
		resource.Keys.Set("sts:ExternalId", spec.ExternalID)
	}
	marks.conditions(resource.Keys, spec.Tags)
	denied := func(action string) error {
		return origami.Errorf(codeAccessDenied, "User: %s is not authorized to perform: %s on resource: %.2048s", p.who.ARN, action, spec.Role)
	}
	part := strings.SplitN(spec.Role, ":", 6)
	if len(part) != 6 || part[2] != "iam" || !strings.HasPrefix(part[5], "role/") {
		return nil, origami.Errorf(codeValidation, "%.2048s is invalid", spec.Role)
	}
	role, err := tx.Identity(origami.AccountID(part[4]), origami.KindRole, part[5][strings.LastIndexByte(part[5], '/')+1:])
	if errors.Is(err, metadb.ErrNotFound) || err == nil && role.ARN() != spec.Role {
		return nil, denied("sts:AssumeRole")
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
	for _, action := range marks.actions() {
		r, err := p.request(tx, action, resource)
		if err != nil {
			return nil, err
		}
		if !p.trusted(trust, r, role.Account == p.who.Account) {
			return nil, denied(action)
		}
	}
	return role, nil
}

// trusted reports whether a principal may do something to a role that trust
// says who may do it to. The trust policy decides, alone if it names the
// principal in its account, which same says the role is of.
func (p *principal) trusted(trust *policy.Document, r *policy.Request, same bool) bool {
	effect := trust.Evaluate(r)
	own := p.policies
	allowed, explicit := own.Decide(r)
	switch {
	case effect == policy.Silent || effect == policy.Deny || explicit:
		return false
	case same && effect >= policy.AllowRole:
		own.Identity = []*policy.Document{everything}
		if effect == policy.Allow {
			return true
		}
		allowed, _ = own.Decide(r)
	}
	return allowed
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
	if err := checkSeconds(d, maxMaxSessionHours*time.Hour); err != nil {
		return err
	}
	switch {
	case source != nil && source.Name != "" && d > maxChained:
		return origami.Errorf(codeValidation, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case d > role.MaxSession:
		return origami.Errorf(codeValidation, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

// checkSeconds checks how long a session is to be.
func checkSeconds(d, most time.Duration) error {
	const text = "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value "
	switch {
	case d < minSession:
		return origami.Errorf(codeValidation, text+"greater than or equal to %d", int(d.Seconds()), int(minSession.Seconds()))
	case d > most:
		return origami.Errorf(codeValidation, text+"less than or equal to %d", int(d.Seconds()), int(most.Seconds()))
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
	if err := checkSeconds(d, maxUserSession); err != nil {
		return Temporary{}, err
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
