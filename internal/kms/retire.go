package kms

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// A grant token is base64 of: version 1 (1 byte), grant ID (32), a code (16)
// that binds both to the region.
const (
	tokenVersion = 1
	tokenSize    = 1 + 32 + 16
	maxTokens    = 10
)

var tokenEncoding = base64.RawURLEncoding.Strict()

// grantToken is the token of a grant.
func (s *Service) grantToken(region origami.Region, id string) string {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != 32 {
		panic("kms: grant ID " + id) // they are made by putGrant
	}
	code := s.tokens.Derive("origami grant token 1 " + string(region) + " " + id)
	return tokenEncoding.EncodeToString(append(append([]byte{tokenVersion}, raw...), code[:16]...))
}

// parseToken is the ID of the grant that a token of this region names. The
// grant may be gone.
func (s *Service) parseToken(region origami.Region, token string) (string, error) {
	bad := origami.Errorf(CodeInvalidGrantToken, "The grant token is not valid.")
	if len(token) != tokenEncoding.EncodedLen(tokenSize) {
		return "", bad
	}
	raw, err := tokenEncoding.DecodeString(token)
	if err != nil || raw[0] != tokenVersion {
		return "", bad
	}
	id := hex.EncodeToString(raw[1:33])
	if !hmac.Equal([]byte(s.grantToken(region, id)), []byte(token)) {
		return "", bad
	}
	return id, nil
}

// checkTokens refuses tokens that are none of ours. Grants count from the
// moment they are made, so the tokens say nothing more.
func (s *Service) checkTokens(region origami.Region, tokens []string) error {
	if len(tokens) > maxTokens {
		return invalid("A request has at most %d grant tokens.", maxTokens)
	}
	for _, t := range tokens {
		if _, err := s.parseToken(region, t); err != nil {
			return err
		}
	}
	return nil
}

// RevokeGrant takes a grant away, as the key's account decides.
func (s *Service) RevokeGrant(ctx context.Context, a Access, key, id string) error {
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveKey(tx, a.Caller, key)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "RevokeGrant", key: k}); err != nil {
			return err
		}
		g, err := grantOf(tx, k, id)
		if err != nil {
			return err
		}
		return tx.DeleteKMSGrant(g.Region, g.ID)
	})
}

// grantOf is a grant of a key.
func grantOf(tx *metadb.Tx, k *origami.KMSKey, id string) (*origami.KMSGrant, error) {
	g, err := tx.KMSGrant(k.Region, id)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && g.Key != k.ID {
		return nil, origami.Errorf(CodeInvalidGrantID, "Grant ID %s not found", quote(id))
	}
	return g, err
}

// RetireGrant takes a grant away, as those decide whom it concerns: its
// retiring principal, its grantee if it allows that, the root of the account
// that made it, or who may kms:RetireGrant. The grant is named by a token, or
// by the ARN of its key and its ID.
func (s *Service) RetireGrant(ctx context.Context, a Access, token, key, id string) error {
	if (token == "") == (key == "" && id == "") || (key == "") != (id == "") {
		return invalid("Specify either GrantToken, or KeyId and GrantId.")
	}
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, g, err := s.findGrant(tx, a, token, key, id)
		if err != nil {
			return err
		}
		d, err := s.identity(tx, a.Caller, "kms:RetireGrant", k.ARN(), policy.Keys{}, nil)
		if err != nil {
			return err
		}
		if d.Denied || !mayRetire(d.Request.Principal, g) {
			if err := s.authorize(tx, a, ask{action: "RetireGrant", key: k}); err != nil {
				return err
			}
		}
		return tx.DeleteKMSGrant(g.Region, g.ID)
	})
}

func (s *Service) findGrant(tx *metadb.Tx, a Access, token, key, id string) (*origami.KMSKey, *origami.KMSGrant, error) {
	if token == "" {
		k, err := resolveKey(tx, a.Caller, key)
		if err != nil {
			return nil, nil, err
		}
		g, err := grantOf(tx, k, id)
		return k, g, err
	}
	id, err := s.parseToken(a.Caller.Region, token)
	if err != nil {
		return nil, nil, err
	}
	g, err := tx.KMSGrant(a.Caller.Region, id)
	if errors.Is(err, metadb.ErrNotFound) {
		return nil, nil, origami.Errorf(CodeNotFound, "The grant that the token names does not exist.")
	}
	if err != nil {
		return nil, nil, err
	}
	k, err := tx.KMSKey(g.Region, g.Key)
	return k, g, err
}

// mayRetire reports whether the grant itself says that a principal may retire
// it.
func mayRetire(p policy.Principal, g *origami.KMSGrant) bool {
	is := func(arn string) bool { return arn != "" && p.Is(arn, g.PrincipalIDs) }
	return is(g.Retiring) || is(g.Grantee) && slices.Contains(g.Operations, "RetireGrant") ||
		p.ARN == policy.RootARN(string(g.Issuer))
}
