package kms

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Access is who asks for something, and what bears on whether they may.
type Access struct {
	Caller origami.Caller
	// Via is the service that asks on behalf of the caller, "ec2"; "" if the
	// caller asks itself.
	Via string
	// GrantTokens name grants. They are checked; every grant counts at once
	// anyway.
	GrantTokens []string
	// DryRun asks whether the request would succeed: the error is then CodeDryRun.
	DryRun bool
}

// ask is one question to the policies: may the caller do this to a key?
type ask struct {
	action  string // without "kms:"
	key     *origami.KMSKey
	context Context
	alias   string // ARN that the request named the key by, or ""

	// covers, if not nil, says whether a grant allows what is asked beyond
	// naming the operation.
	covers func(*origami.KMSGrant) bool
	// extra are condition keys of the operation.
	extra policy.Keys
}

// viaService is the value of kms:ViaService.
func viaService(service string, region origami.Region) string {
	return service + "." + string(region) + ".amazonaws.com"
}

// keys are the condition keys of a question. Those of the caller are for
// Identity to add.
func (q *ask) keys(a Access) policy.Keys {
	keys := policy.Keys{}
	set := keys.Set
	set("kms:CallerAccount", string(a.Caller.Account))
	if a.Via != "" {
		set("kms:ViaService", viaService(a.Via, a.Caller.Region))
		principal := a.Via + ".amazonaws.com"
		set("aws:ViaAWSService", "true")
		set("aws:CalledVia", principal)
		set("aws:CalledViaFirst", principal)
		set("aws:CalledViaLast", principal)
	}
	if k := q.key; k != nil {
		shapeKeys(keys, k)
		if encrypts[q.action] {
			set("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT")
		}
		for name, value := range k.Tags {
			set("aws:ResourceTag/"+name, value)
		}
	}
	if len(q.context) > 0 {
		set("kms:EncryptionContextKeys", slices.Sorted(maps.Keys(q.context))...)
	}
	for name, value := range q.context {
		set("kms:EncryptionContext:"+name, value)
	}
	if q.alias != "" {
		set("kms:RequestAlias", q.alias[strings.LastIndexByte(q.alias, ':')+1:])
	}
	for name, values := range q.extra {
		set(name, values...)
	}
	return keys
}

// keyBypass is the condition key of requests that may give a key a policy which
// locks their caller out.
const keyBypass = "kms:BypassPolicyLockoutSafetyCheck"

// encrypts lists the actions that have an encryption algorithm.
var encrypts = map[string]bool{"Decrypt": true, "Encrypt": true, "ReEncryptFrom": true, "ReEncryptTo": true}

// shapeKeys adds the condition keys of what a key is for.
func shapeKeys(keys policy.Keys, k *origami.KMSKey) {
	keys.Set("kms:KeySpec", "SYMMETRIC_DEFAULT")
	keys.Set("kms:KeyUsage", "ENCRYPT_DECRYPT")
	keys.Set("kms:KeyOrigin", "AWS_KMS")
	keys.Set("kms:MultiRegion", strconv.FormatBool(k.Primary != ""))
	switch {
	case k.Primary == "":
	case k.Replica():
		keys.Set("kms:MultiRegionKeyType", "REPLICA")
	default:
		keys.Set("kms:MultiRegionKeyType", "PRIMARY")
	}
}

// oneKey is a condition key with its value.
func oneKey(name, value string) policy.Keys {
	keys := policy.Keys{}
	keys.Set(name, value)
	return keys
}

// aliasKeys adds the names of a key.
func aliasKeys(tx *metadb.Tx, keys policy.Keys, k *origami.KMSKey) error {
	q := metadb.Query{
		Region: k.Region, Viewer: k.Owner, Filters: []origami.Filter{{Name: "key-id", Values: []string{string(k.ID)}}},
	}
	for x, err := range tx.KMSAliases(q) {
		if err != nil {
			return err
		}
		keys.Set("kms:ResourceAliases", x.Name)
	}
	return nil
}

// authorize decides whether a caller may do something to a key. The key's
// policy is the root of trust. A principal of the key's account may if the
// policy allows it by name, or allows the account and the account's policies
// allow the principal; one of another account if the policy allows it or its
// account, and its account's policies allow it. A grant is as good as an
// allowance by name. A denial in either policy wins over all.
func (s *Service) authorize(tx *metadb.Tx, a Access, q ask) error {
	if err := s.checkTokens(a.Caller.Region, a.GrantTokens); err != nil {
		return err
	}
	s.tell(a.Caller, q.key)
	doc, err := policy.Parse(q.key.Policy, policy.Resource)
	if err != nil {
		return fmt.Errorf("read the policy of %s: %w", q.key.ARN(), err)
	}
	doc = doc.Bound(q.key.PolicyIDs)
	var own *policy.Document
	if a.Caller.Account == q.key.Owner {
		own = doc
	}
	keys := q.keys(a)
	if err := aliasKeys(tx, keys, q.key); err != nil {
		return err
	}
	d, err := s.identity(tx, a.Caller, "kms:"+q.action, q.key.ARN(), keys, own)
	if err != nil {
		return err
	}
	byKey := doc.Evaluate(d.Request)
	switch {
	case byKey == policy.Deny:
		return denied(a, q, "with an explicit deny in a resource-based policy")
	case d.Denied:
		return denied(a, q, "with an explicit deny in an identity-based policy")
	case byKey != policy.Silent && d.Allowed:
		return nil
	}
	granted, err := s.granted(tx, q, d)
	if err != nil || granted {
		return err
	}
	if byKey == policy.Silent {
		return denied(a, q, "because no resource-based policy allows the kms:"+q.action+" action")
	}
	return denied(a, q, "because no identity-based policy allows the kms:"+q.action+" action")
}

func denied(a Access, q ask, why string) error {
	on := "*"
	if q.key != nil {
		on = q.key.ARN()
	}
	return origami.Errorf(CodeAccessDenied, "User: %s is not authorized to perform: kms:%s on resource: %s %s",
		a.Caller.ARN, q.action, on, why)
}

// authorizeAccount decides about actions that are about no key: the caller's
// own policies alone do.
func (s *Service) authorizeAccount(tx *metadb.Tx, a Access, action, resource string, extra policy.Keys) error {
	q := ask{action: action, extra: extra}
	d, err := s.identity(tx, a.Caller, "kms:"+action, resource, q.keys(a), nil)
	switch {
	case err != nil:
		return err
	case d.Denied:
		return denied(a, q, "with an explicit deny in an identity-based policy")
	case !d.Allowed:
		return denied(a, q, "because no identity-based policy allows the kms:"+action+" action")
	}
	return nil
}
