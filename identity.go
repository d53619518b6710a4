package origami

import (
	"net/netip"
	"time"
)

// IdentityKind tells the identities of an account apart.
type IdentityKind string

// The kinds of identities.
const (
	KindUser  IdentityKind = "user"
	KindGroup IdentityKind = "group"
	KindRole  IdentityKind = "role"
)

// Identity is a user, a group of users or a role of an account. Identities
// are those of the account in every region.
type Identity struct {
	ID       string // "AIDA…" of users, "AGPA…" of groups, "AROA…" of roles
	Kind     IdentityKind
	Account  AccountID
	Path     string // "/", or a text between slashes
	Name     string // unique in its kind, whatever the case
	Created  time.Time
	Inline   map[string]string // policy documents by name
	Attached []string          // ARNs of managed policies
	Tags     Tags
	Boundary string   // ARN of the managed policy that bounds it, or ""
	Groups   []string // IDs of the groups that a user is in

	// Of roles only.
	Description string
	Trust       string // policy document about who may assume it
	// TrustIDs are the unique IDs of users and roles that Trust named when it
	// was written, by their ARNs.
	TrustIDs   map[string]string
	MaxSession time.Duration
}

// ARN names the identity.
func (i *Identity) ARN() string {
	return "arn:aws:iam::" + string(i.Account) + ":" + string(i.Kind) + i.Path + i.Name
}

// Policy is a managed policy: one that can be attached to several identities.
type Policy struct {
	ID          string // "ANPA…"
	Account     AccountID
	Path        string
	Name        string
	Description string
	Created     time.Time
	Updated     time.Time
	Versions    []PolicyVersion // oldest first
	Default     int             // number of the version in force
	Last        int             // highest number that was given away
	Tags        Tags
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	Number   int
	Document string
	Created  time.Time
}

// ARN names the policy.
func (p *Policy) ARN() string {
	return "arn:aws:iam::" + string(p.Account) + ":policy" + p.Path + p.Name
}

// Version is the version of that number, or nil.
func (p *Policy) Version(number int) *PolicyVersion {
	for i := range p.Versions {
		if p.Versions[i].Number == number {
			return &p.Versions[i]
		}
	}
	return nil
}

// InstanceProfile hands a role to instances.
type InstanceProfile struct {
	ID      string // "AIPA…"
	Account AccountID
	Path    string
	Name    string
	Role    string // ID of its role, or ""
	Created time.Time
	Tags    Tags
}

// ARN names the instance profile.
func (p *InstanceProfile) ARN() string {
	return "arn:aws:iam::" + string(p.Account) + ":instance-profile" + p.Path + p.Name
}

// Session is a set of temporary credentials: of a role that was assumed, of a
// user, or of the root of an account.
type Session struct {
	AccessKey string // "ASIA…"
	Secret    string
	TokenHash []byte // SHA-256 of the session token
	Account   AccountID
	Identity  string   // ID of the role or user, "" for the root
	Name      string   // of a role's session
	Policies  []string // documents that limit a role's session
	Created   time.Time
	Expires   time.Time

	Tags           Tags     // of a role's session, beside those of the role
	Transitive     []string // keys of Tags that sessions made by this one inherit
	SourceIdentity string   // of a role's session, or ""

	Instance *InstanceSource // that a role's session was made for, or nil
}

// InstanceSource is the instance that the credentials of a session were handed
// to.
type InstanceSource struct {
	ARN       string
	VPC       VPCID
	PrivateIP netip.Addr
	Delivery  string // by the metadata service: "1.0", or "2.0" to who showed a token
}
