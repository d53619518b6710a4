package kms

import (
	"strings"

	"origami"
)

// reference is how a request names a key: an ID, or an alias, of the caller's
// account and region unless it was an ARN.
type reference struct {
	account origami.AccountID
	region  origami.Region
	key     origami.KMSKeyID // or
	alias   string           // "alias/…"
}

// maxReference bounds a reference in bytes.
const maxReference = 2048

// parseReference reads a key ID, key ARN, alias name or alias ARN. IDs and
// names are of the caller's account and region.
func parseReference(who origami.Caller, s string) (reference, error) {
	r := reference{account: who.Account, region: who.Region}
	if len(s) > maxReference {
		return r, origami.Errorf(CodeNotFound, "Invalid keyId")
	}
	if strings.HasPrefix(s, "arn:") {
		part := strings.SplitN(s, ":", 6)
		if len(part) != 6 || part[1] != "aws" || part[2] != "kms" || !accountNumber(part[4]) {
			return r, origami.Errorf(CodeInvalidARN, "%s is not a valid ARN", quote(s))
		}
		if part[3] != string(who.Region) {
			return r, origami.Errorf(CodeNotFound, "Invalid arn %s", quote(part[3]))
		}
		r.account = origami.AccountID(part[4])
		if id, ok := strings.CutPrefix(part[5], "key/"); ok {
			s = id
		} else if s = part[5]; !strings.HasPrefix(s, aliasPrefix) {
			return r, origami.Errorf(CodeInvalidARN, "%s names no key and no alias", quote(strings.Join(part, ":")))
		}
	}
	if strings.HasPrefix(s, aliasPrefix) {
		if !validAlias(s) {
			return r, aliasNotFound(quote((&origami.KMSAlias{Name: s, Region: r.region, Owner: r.account}).ARN()))
		}
		r.alias = s
		return r, nil
	}
	id, err := origami.ParseKMSKeyID(s)
	r.key = id
	return r, err
}

// arn names what the reference means.
func (r reference) arn() string {
	if r.alias != "" {
		return (&origami.KMSAlias{Name: r.alias, Region: r.region, Owner: r.account}).ARN()
	}
	return (&origami.KMSKey{ID: r.key, Region: r.region, Owner: r.account}).ARN()
}

func accountNumber(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

const (
	aliasPrefix    = "alias/"
	reservedPrefix = "alias/aws/"
	maxAlias       = 256
)

// validAlias reports whether s is the name of an alias.
func validAlias(s string) bool {
	name, ok := strings.CutPrefix(s, aliasPrefix)
	return ok && name != "" && len(s) <= maxAlias && strings.Trim(name, aliasCharacters) == ""
}

const aliasCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"

// quote makes text of a caller fit for a message.
func quote(s string) string {
	if len(s) > 256 {
		s = s[:256] + "…"
	}
	return strings.ToValidUTF8(s, "…")
}
