package origami

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
)

// KMSKeyID identifies a KMS key in its region: a UUID, or "mrk-" and 32
// lower-case hex digits for a multi-Region key, whose replicas have the same ID
// in other regions.
type KMSKeyID string

// NewKMSKeyID makes a new key ID.
func NewKMSKeyID(multiRegion bool) KMSKeyID {
	if !multiRegion {
		return KMSKeyID(uuid.NewString())
	}
	var b [16]byte
	rand.Read(b[:])
	return KMSKeyID(multiRegionPrefix + hex.EncodeToString(b[:]))
}

const multiRegionPrefix = "mrk-"

// ParseKMSKeyID checks the shape of a key ID; the error is NotFoundException.
func ParseKMSKeyID(s string) (KMSKeyID, error) {
	digits, multiRegion := strings.CutPrefix(s, multiRegionPrefix)
	if multiRegion && len(digits) == 32 || !multiRegion && len(s) == 36 && uuidDashes(s) {
		if strings.Trim(digits, "0123456789abcdef-") == "" && (!multiRegion || !strings.Contains(digits, "-")) {
			return KMSKeyID(s), nil
		}
	}
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return "", Errorf("NotFoundException", "Invalid keyId '%s'", strings.ToValidUTF8(s, "…"))
}

// uuidDashes reports whether the dashes of s are those of a UUID, and no
// others.
func uuidDashes(s string) bool {
	for i := range len(s) {
		if (s[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23) {
			return false
		}
	}
	return true
}

// MultiRegion reports whether the key may have replicas in other regions.
func (id KMSKeyID) MultiRegion() bool { return strings.HasPrefix(string(id), multiRegionPrefix) }

// KMSKeyState says what can be done with a KMS key.
type KMSKeyState string

// The states of a KMS key.
const (
	KMSKeyEnabled                KMSKeyState = "Enabled"
	KMSKeyDisabled               KMSKeyState = "Disabled"
	KMSKeyPendingDeletion        KMSKeyState = "PendingDeletion"
	KMSKeyPendingReplicaDeletion KMSKeyState = "PendingReplicaDeletion" // a primary that waits for its replicas
)

// KMSKey is a symmetric key of the key management service. The key itself is
// not here; its materials are rows of their own.
type KMSKey struct {
	ID          KMSKeyID
	Region      Region
	Owner       AccountID
	Managed     string // name of the AWS service that it was made for, "ebs"; "" for a customer's
	Description string
	State       KMSKeyState
	Created     time.Time
	PolicyIDs   map[string]string // unique IDs of users and roles that Policy named when it was written, by ARN
	Policy      string            // JSON
	Tags        Tags

	// DeletionDays is how long its deletion waits, and Deletion when it comes:
	// zero unless the state is PendingDeletion.
	DeletionDays int
	Deletion     time.Time

	// Primary is the region of the primary of a multi-Region key, which is
	// this key if it is Region; "" for other keys.
	Primary Region

	Material   int    // number of the material that encrypts, from 1
	MaterialID string // its ID

	RotationDays int       // period of automatic rotation, 0 if there is none
	NextRotation time.Time // zero if there is none
	OnDemand     int       // rotations on demand so far
}

// ARN names the key for every account and region.
func (k *KMSKey) ARN() string {
	return "arn:aws:kms:" + string(k.Region) + ":" + string(k.Owner) + ":key/" + string(k.ID)
}

// Replica reports whether the key is a replica of a multi-Region key in another
// region.
func (k *KMSKey) Replica() bool { return k.Primary != "" && k.Primary != k.Region }

// KMSMaterial is what a KMS key encrypts with, sealed.
type KMSMaterial struct {
	Key     KMSKeyID
	Region  Region
	Number  int    // from 1
	ID      string // 64 hex digits
	Reason  string // why it was made: "" for the first, else AUTOMATIC or ON_DEMAND
	Created time.Time
	Sealed  []byte
}

// KMSAlias is a name for a KMS key of the same account and region.
type KMSAlias struct {
	Name    string // "alias/…"
	Region  Region
	Owner   AccountID
	Key     KMSKeyID
	Created time.Time
	Updated time.Time
}

// ARN names the alias for every account and region.
func (a *KMSAlias) ARN() string {
	return "arn:aws:kms:" + string(a.Region) + ":" + string(a.Owner) + ":" + a.Name
}

// KMSGrant allows a principal operations with one KMS key.
type KMSGrant struct {
	ID       string // 64 hex digits
	Region   Region
	Owner    AccountID // of the key
	Key      KMSKeyID
	Name     string
	Grantee  string    // ARN of the principal that it allows
	Retiring string    // ARN of a principal that may retire it, or ""
	Issuer   AccountID // account that made it
	// PrincipalIDs are the unique IDs of users and roles that the grant named
	// when it was made, by ARN.
	PrincipalIDs map[string]string
	Operations   []string
	Created      time.Time

	// ContextSubset and ContextEquals are constraints on the encryption
	// context; nil for none.
	ContextSubset map[string]string
	ContextEquals map[string]string
}
