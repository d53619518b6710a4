package origami

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// OrganizationID identifies an organization: "o-" and ten lower-case letters
// and digits.
type OrganizationID string

// UnitID identifies an organizational unit: "ou-", the four characters of the
// organization's root, a dash, and eight lower-case letters and digits.
type UnitID string

// Organization is a group of accounts that images can be shared with.
type Organization struct {
	ID         OrganizationID
	Management AccountID // the account that stands in the ARN
	Created    time.Time
}

// Unit is an organizational unit: accounts and units of an organization, in a
// tree.
type Unit struct {
	ID           UnitID
	Organization OrganizationID
	Parent       UnitID // "" below the root
	Name         string
}

// Membership is the place of an account, which is in one organization at most.
type Membership struct {
	Account      AccountID
	Organization OrganizationID
	Unit         UnitID // "" at the root
}

// MaxUnitDepth is how deep organizational units can be nested.
const MaxUnitDepth = 5

// OrganizationARN names an organization or an organizational unit, in this
// installation or not, as a grantee.
type OrganizationARN string

// ARN names the organization.
func (o *Organization) ARN() OrganizationARN {
	return OrganizationARN(fmt.Sprintf("arn:aws:organizations::%s:organization/%s", o.Management, o.ID))
}

// UnitARN names an organizational unit of the organization.
func (o *Organization) UnitARN(id UnitID) OrganizationARN {
	return OrganizationARN(fmt.Sprintf("arn:aws:organizations::%s:ou/%s/%s", o.Management, o.ID, id))
}

// IsUnit reports whether the ARN names an organizational unit.
func (a OrganizationARN) IsUnit() bool { return strings.Contains(string(a), ":ou/") }

// ParseOrganizationARN checks the shape of the ARN of an organization. The
// error is InvalidAMIAttributeItemValue.
func ParseOrganizationARN(s string) (OrganizationARN, error) {
	rest, ok := organizationsARN(s)
	id, is := strings.CutPrefix(rest, "organization/")
	if !ok || !is || !wordAfter(id, "o-", 10, 32) {
		return "", badItem(s, "organizationArn")
	}
	return OrganizationARN(s), nil
}

// ParseUnitARN checks the shape of the ARN of an organizational unit. The error
// is InvalidAMIAttributeItemValue.
func ParseUnitARN(s string) (OrganizationARN, error) {
	rest, ok := organizationsARN(s)
	path, is := strings.CutPrefix(rest, "ou/")
	organization, unit, two := strings.Cut(path, "/")
	if !ok || !is || !two || !wordAfter(organization, "o-", 10, 32) || !wellFormedUnit(unit) {
		return "", badItem(s, "organizationalUnitArn")
	}
	return OrganizationARN(s), nil
}

// wellFormedUnit reports whether s is the ID of an organizational unit.
func wellFormedUnit(s string) bool {
	root, unit, ok := strings.Cut(strings.TrimPrefix(s, "ou-"), "-")
	return ok && strings.HasPrefix(s, "ou-") && wordAfter(root, "", 4, 32) && wordAfter(unit, "", 8, 32)
}

// organizationsARN returns what follows the account in an ARN of the service.
func organizationsARN(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "arn:aws:organizations::")
	account, rest, colon := strings.Cut(rest, ":")
	return rest, ok && colon && len(account) == 12 && strings.Trim(account, "0123456789") == ""
}

// wordAfter reports whether s is prefix and least to most lower-case letters
// and digits.
func wordAfter(s, prefix string, least, most int) bool {
	word, ok := strings.CutPrefix(s, prefix)
	return ok && len(word) >= least && len(word) <= most && strings.Trim(word, wordCharacters) == ""
}

const wordCharacters = "0123456789abcdefghijklmnopqrstuvwxyz"

func badItem(value, kind string) error {
	return Errorf(CodeInvalidAMIAttributeItemValue, "Invalid attribute item value \"%.128s\" for %s item type.", value, kind)
}

// NewOrganizationID makes a new organization ID.
func NewOrganizationID() OrganizationID { return OrganizationID("o-" + randomWord(10)) }

// NewUnitID makes a new ID of a unit of an organization. Units of one
// organization have the four characters of its root in common.
func NewUnitID(o OrganizationID) UnitID {
	return UnitID("ou-" + string(o[len(o)-4:]) + "-" + randomWord(8))
}

// ParseOrganizationID checks the shape of an organization ID.
func ParseOrganizationID(s string) (OrganizationID, error) {
	if !wordAfter(s, "o-", 10, 32) {
		return "", Errorf(CodeInvalidParameterValue, "'%.64s' is no organization ID", s)
	}
	return OrganizationID(s), nil
}

// ParseUnitID checks the shape of the ID of an organizational unit.
func ParseUnitID(s string) (UnitID, error) {
	if !wellFormedUnit(s) {
		return "", Errorf(CodeInvalidParameterValue, "'%.64s' is no ID of an organizational unit", s)
	}
	return UnitID(s), nil
}

// randomWord is n random lower-case letters and digits.
func randomWord(n int) string {
	word := make([]byte, 0, n)
	for len(word) < n {
		var b [16]byte
		rand.Read(b[:])
		for _, c := range b {
			// 252 is the last multiple of 36: without it, all are equally likely.
			if c < 252 && len(word) < n {
				word = append(word, wordCharacters[c%36])
			}
		}
	}
	return string(word)
}
