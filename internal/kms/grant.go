package kms

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// NewGrant is what CreateGrant is asked for.
type NewGrant struct {
	Key           string // ID or ARN
	Name          string // "" for none
	Grantee       string // ARN
	Retiring      string // ARN, or ""
	Operations    []string
	ContextSubset map[string]string
	ContextEquals map[string]string
}

// grantOperations lists the operations that a grant for a symmetric key may
// allow, and whether their encryption context can be constrained.
var grantOperations = map[string]bool{
	"Decrypt": true, "Encrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true,
	"ReEncryptFrom": true, "ReEncryptTo": true, "CreateGrant": false, "RetireGrant": false, "DescribeKey": false,
	"GenerateDataKeyPair": true, "GenerateDataKeyPairWithoutPlaintext": true,
}

// maxGrants bounds the grants of one key.
const maxGrants = 50000

// CreateGrant allows a principal operations with a key. A request with the name
// and everything else of a grant that exists gives that grant. The token names
// it for those who use it at once.
func (s *Service) CreateGrant(ctx context.Context, a Access, in NewGrant) (id, token string, err error) {
	in.Operations = slices.Compact(slices.Sorted(slices.Values(in.Operations)))
	err = s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveKey(tx, a.Caller, in.Key)
		if err != nil {
			return err
		}
		g := &origami.KMSGrant{
			Region: k.Region, Owner: k.Owner, Key: k.ID, Name: in.Name, Grantee: in.Grantee, Retiring: in.Retiring,
			Issuer: a.Caller.Account, Operations: in.Operations, Created: tx.Now().Truncate(time.Microsecond),
			ContextSubset: in.ContextSubset, ContextEquals: in.ContextEquals,
		}
		err = s.authorize(tx, a, ask{
			action: "CreateGrant", key: k, extra: grantKeys(a, g),
			covers: func(parent *origami.KMSGrant) bool { return stricter(g, parent) },
		})
		if err != nil {
			return err
		}
		if err := checkGrant(tx, g); err != nil {
			return err
		}
		if err := checkUsable(k); err != nil {
			return err
		}
		id, err = putGrant(tx, g)
		token = s.grantToken(k.Region, id)
		return err
	})
	if err != nil {
		return "", "", err
	}
	return id, token, nil
}

// grantKeys are the condition keys of CreateGrant.
func grantKeys(a Access, g *origami.KMSGrant) policy.Keys {
	keys := policy.Keys{}
	forService := "false"
	if a.Via != "" {
		forService = "true"
	}
	keys.Set("kms:GrantIsForAWSResource", forService)
	if len(g.Operations) > 0 {
		keys.Set("kms:GrantOperations", g.Operations...)
	}
	if g.Grantee != "" {
		keys.Set("kms:GranteePrincipal", g.Grantee)
	}
	if g.Retiring != "" {
		keys.Set("kms:RetiringPrincipal", g.Retiring)
	}
	if g.ContextEquals != nil {
		keys.Set("kms:GrantConstraintType", "EncryptionContextEquals")
	}
	if g.ContextSubset != nil {
		keys.Set("kms:GrantConstraintType", "EncryptionContextSubset")
	}
	return keys
}

// stricter reports whether g allows nothing that its parent does not.
func stricter(g, parent *origami.KMSGrant) bool {
	for _, op := range g.Operations {
		if !slices.Contains(parent.Operations, op) {
			return false
		}
	}
	switch {
	case parent.ContextEquals != nil:
		return g.ContextEquals != nil && maps.Equal(g.ContextEquals, parent.ContextEquals)
	case parent.ContextSubset != nil:
		return Context(g.ContextSubset).includes(parent.ContextSubset) && g.ContextSubset != nil ||
			g.ContextEquals != nil && Context(g.ContextEquals).includes(parent.ContextSubset)
	}
	return true
}

// checkGrant checks what a caller wants to grant.
func checkGrant(tx *metadb.Tx, g *origami.KMSGrant) error {
	if len(g.Operations) == 0 {
		return invalid("A grant must allow at least one operation.")
	}
	constrained := false
	for _, op := range g.Operations {
		c, ok := grantOperations[op]
		if !ok {
			return invalid("The operation %s is not valid for a grant of a symmetric encryption key.", quote(op))
		}
		constrained = constrained || c || op == "CreateGrant"
	}
	if (g.ContextEquals != nil || g.ContextSubset != nil) && !constrained {
		return invalid("Encryption context constraints need an operation with an encryption context.")
	}
	if g.ContextEquals != nil && g.ContextSubset != nil {
		return invalid("A grant has one encryption context constraint, EncryptionContextEquals or EncryptionContextSubset.")
	}
	if err := errors.Join(Context(g.ContextEquals).check(), Context(g.ContextSubset).check()); err != nil {
		return err
	}
	for _, principal := range []string{g.Grantee, g.Retiring} {
		if principal == "" {
			continue
		}
		id, err := checkPrincipal(tx, principal)
		if err != nil {
			return err
		}
		if id != "" {
			if g.PrincipalIDs == nil {
				g.PrincipalIDs = make(map[string]string)
			}
			g.PrincipalIDs[principal] = id
		}
	}
	return nil
}

// checkPrincipal checks that an ARN is of a principal that exists, and returns
// its unique ID, "" of an account.
func checkPrincipal(tx *metadb.Tx, arn string) (string, error) {
	bad := origami.Errorf(CodeInvalidARN, "ARN does not refer to a valid principal: %s", quote(arn))
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 || part[0] != "arn" || part[1] != "aws" || part[3] != "" || !accountNumber(part[4]) || strings.ContainsAny(arn, "*?") {
		return "", bad
	}
	kind, name, named := strings.Cut(part[5], "/")
	switch part[2] + ":" + kind {
	case "iam:root":
		if named {
			return "", bad
		}
	case "iam:user", "iam:role", "sts:assumed-role", "sts:federated-user":
		if name == "" {
			return "", bad
		}
	default:
		return "", bad
	}
	id, exists, err := tx.PrincipalID(arn)
	if err == nil && !exists {
		err = bad
	}
	return id, err
}

// putGrant writes a grant, unless its name makes it one that is there.
func putGrant(tx *metadb.Tx, g *origami.KMSGrant) (id string, err error) {
	n := 0
	for have, err := range tx.KMSGrants(grantsOf(g.Region, g.Key)) {
		if err != nil {
			return "", err
		}
		if n++; n >= maxGrants {
			return "", origami.Errorf(CodeLimitExceeded, "A key has at most %d grants.", maxGrants)
		}
		if g.Name != "" && sameGrant(g, have) {
			return have.ID, nil
		}
	}
	var b [32]byte
	rand.Read(b[:])
	g.ID = hex.EncodeToString(b[:])
	return g.ID, tx.PutKMSGrant(g)
}

// grantsOf selects the grants of a key.
func grantsOf(region origami.Region, key origami.KMSKeyID, more ...origami.Filter) metadb.Query {
	return metadb.Query{
		Region: region, Viewer: metadb.System,
		Filters: append([]origami.Filter{{Name: "key-id", Values: []string{string(key)}}}, more...),
	}
}

func sameGrant(a, b *origami.KMSGrant) bool {
	return a.Name == b.Name && a.Grantee == b.Grantee && a.Retiring == b.Retiring && a.Issuer == b.Issuer &&
		slices.Equal(a.Operations, b.Operations) &&
		maps.Equal(a.ContextEquals, b.ContextEquals) && maps.Equal(a.ContextSubset, b.ContextSubset)
}

// granted reports whether a grant allows what is asked. One for an account as a
// whole leaves it to the account's policies.
func (s *Service) granted(tx *metadb.Tx, q ask, d Decision) (bool, error) {
	p := d.Request.Principal
	role, _, _ := strings.Cut(p.ID, ":")
	names := []string{p.ARN, p.ID, role}
	if p.Role != "" {
		names = append(names, p.Role)
	}
	account := ""
	if root := policy.RootARN(p.Account); d.Allowed && p.ARN != root {
		names, account = append(names, root), root
	}
	for g, err := range tx.KMSGrants(grantsOf(q.key.Region, q.key.ID, origami.Filter{Name: "grantee-principal", Values: names})) {
		if err != nil {
			return false, err
		}
		if (g.Grantee == account || p.Is(g.Grantee, g.PrincipalIDs)) && slices.Contains(g.Operations, q.action) && allows(g, q) {
			return true, nil
		}
	}
	return false, nil
}

// allows reports whether the constraints of a grant hold.
func allows(g *origami.KMSGrant, q ask) bool {
	if q.covers != nil {
		return q.covers(g)
	}
	if !grantOperations[q.action] {
		return true
	}
	switch {
	case g.ContextEquals != nil:
		return maps.Equal(map[string]string(q.context), g.ContextEquals)
	case g.ContextSubset != nil:
		return q.context.includes(g.ContextSubset)
	}
	return true
}

// GrantFilter selects grants of a key. Empty fields select nothing away.
type GrantFilter struct {
	ID      string
	Grantee string // ARN
}

// ListGrants lists the grants of a key behind the ID after, at most limit; more
// is true if there are others.
func (s *Service) ListGrants(ctx context.Context, a Access, key string, f GrantFilter, after string, limit int) (found []*origami.KMSGrant, more bool, err error) {
	err = s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveKey(tx, a.Caller, key)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "ListGrants", key: k}); err != nil {
			return err
		}
		q := grantsOf(k.Region, k.ID)
		if f.Grantee != "" {
			id, _, err := tx.PrincipalID(f.Grantee)
			if err != nil {
				return err
			}
			q = grantsOf(k.Region, k.ID, origami.Filter{Name: "grantee-principal", Values: []string{cmp.Or(id, f.Grantee), f.Grantee}})
		}
		found, more, err = pageGrants(tx, q, f, after, limit)
		if err == nil && f.ID != "" && len(found) == 0 {
			return origami.Errorf(CodeInvalidGrantID, "Grant ID %s not found", quote(f.ID))
		}
		return err
	})
	return found, more, err
}

// ListRetirableGrants lists the grants in the caller's region that a principal
// of the caller's account may retire, paged as ListGrants is.
func (s *Service) ListRetirableGrants(ctx context.Context, a Access, principal, after string, limit int) (found []*origami.KMSGrant, more bool, err error) {
	err = s.view(ctx, func(tx *metadb.Tx) error {
		if err := s.authorizeAccount(tx, a, "ListRetirableGrants", "*", nil); err != nil {
			return err
		}
		id, err := checkPrincipal(tx, principal)
		if err != nil {
			return err
		}
		if strings.Split(principal, ":")[4] != string(a.Caller.Account) {
			return denied(a, ask{action: "ListRetirableGrants"}, "for a principal of another account")
		}
		q := metadb.Query{
			Region: a.Caller.Region, Viewer: metadb.System,
			Filters: []origami.Filter{{Name: "retiring-principal", Values: []string{cmp.Or(id, principal), principal}}},
		}
		found, more, err = pageGrants(tx, q, GrantFilter{}, after, limit)
		return err
	})
	return found, more, err
}

// pageGrants reads a page of what q and f select.
func pageGrants(tx *metadb.Tx, q metadb.Query, f GrantFilter, after string, limit int) (found []*origami.KMSGrant, more bool, err error) {
	q.After = after
	if f.ID != "" {
		q.IDs = []string{f.ID}
	}
	for g, err := range tx.KMSGrants(q) {
		if err != nil {
			return nil, false, err
		}
		names, err := tx.PrincipalNames(g.PrincipalIDs)
		if err != nil {
			return nil, false, err
		}
		// As they are called now; by their unique IDs if they are gone.
		g.Grantee, g.Retiring = cmp.Or(names[g.Grantee], g.Grantee), cmp.Or(names[g.Retiring], g.Retiring)
		if cmp.Or(f.Grantee, g.Grantee) != g.Grantee {
			continue
		}
		if len(found) == limit {
			return found, true, nil
		}
		found = append(found, g)
	}
	return found, false, nil
}
