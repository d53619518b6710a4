package kms

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// PolicyName is the name of the one policy that every key has.
const PolicyName = "default"

// maxPolicy bounds a key policy in bytes.
const maxPolicy = 32 << 10

// defaultPolicy lets the account's own policies decide.
func defaultPolicy(owner origami.AccountID) string {
	return formatPolicy("key-default-1", policyStatement{
		Sid: "Enable IAM User Permissions", Principal: policy.RootARN(string(owner)), Action: []string{"kms:*"},
	})
}

// managedPolicy lets everybody in the account use the key through a service,
// and the account look at it.
func managedPolicy(region origami.Region, owner origami.AccountID, via string) string {
	return formatPolicy("auto-"+via+"-1",
		policyStatement{
			Sid:       "Allow access through the service for all principals in the account that are authorized to use it",
			Principal: "*",
			Action:    []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"},
			Condition: map[string]map[string]string{"StringEquals": {
				"kms:CallerAccount": string(owner), "kms:ViaService": viaService(via, region),
			}},
		},
		policyStatement{
			Sid: "Allow direct access to key metadata to the account", Principal: policy.RootARN(string(owner)),
			Action: []string{"kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"},
		})
}

// policyStatement is a statement of a policy that this package writes.
type policyStatement struct {
	Sid       string
	Principal string
	Action    []string
	Condition map[string]map[string]string
}

func formatPolicy(id string, statements ...policyStatement) string {
	type statement struct {
		Sid       string
		Effect    string
		Principal map[string]string
		Action    any
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement []statement
	}
	doc.Version, doc.ID = "2012-10-17", id
	for _, s := range statements {
		var action any = s.Action
		if len(s.Action) == 1 {
			action = s.Action[0]
		}
		doc.Statement = append(doc.Statement, statement{
			s.Sid, "Allow", map[string]string{"AWS": s.Principal}, action, "*", s.Condition,
		})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic(err) // strings always have a form
	}
	return string(text)
}

// setPolicy gives a key a policy that a caller wants for it. Unless bypassed, it
// must let the caller change it again.
func (s *Service) setPolicy(tx *metadb.Tx, a Access, k *origami.KMSKey, text string, bypass bool) error {
	if len(text) > maxPolicy {
		return origami.Errorf(CodeLimitExceeded, "The key policy exceeds the maximum size of %d bytes.", maxPolicy)
	}
	doc, err := policy.Parse(text, policy.Resource)
	if err != nil {
		var malformed *policy.Error
		if errors.As(err, &malformed) {
			return origami.Errorf(CodeMalformedPolicy, "%s", malformed.Reason)
		}
		return err
	}
	ids, nobody, err := tx.PrincipalIDs(doc.ARNs())
	if err != nil {
		return err
	}
	if nobody != "" {
		return origami.Errorf(CodeMalformedPolicy, "Policy contains a statement with one or more invalid principals.")
	}
	k.Policy, k.PolicyIDs = text, ids
	if bypass {
		return nil
	}
	q := ask{action: "PutKeyPolicy", key: k}
	d, err := s.identity(tx, a.Caller, "kms:PutKeyPolicy", k.ARN(), q.keys(a), doc)
	if err != nil {
		return err
	}
	if e := doc.Evaluate(d.Request); e == policy.Silent || e == policy.Deny {
		return origami.Errorf(CodeMalformedPolicy, "The new key policy will not allow you to update the key policy in the future.")
	}
	return nil
}

// GetKeyPolicy is the policy of a key of the caller's account.
func (s *Service) GetKeyPolicy(ctx context.Context, a Access, key, name string) (string, error) {
	var text string
	err := s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveOwn(tx, a.Caller, key)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "GetKeyPolicy", key: k}); err != nil {
			return err
		}
		names, err := tx.PrincipalNames(k.PolicyIDs)
		if err != nil {
			return err
		}
		if text, err = policy.Rename(k.Policy, names); err != nil {
			return err
		}
		return checkPolicyName(name)
	})
	return text, err
}

func checkPolicyName(name string) error {
	if name != "" && name != PolicyName {
		return origami.Errorf(CodeNotFound, "No such policy exists")
	}
	return nil
}

// PutKeyPolicy gives a key another policy.
func (s *Service) PutKeyPolicy(ctx context.Context, a Access, key, name, text string, bypassLockoutCheck bool) error {
	q := ask{action: "PutKeyPolicy", extra: oneKey(keyBypass, strconv.FormatBool(bypassLockoutCheck))}
	return s.changeKey(ctx, a, key, q, func(tx *metadb.Tx, k *origami.KMSKey) error {
		if err := checkPolicyName(name); err != nil {
			return err
		}
		return s.setPolicy(tx, a, k, text, bypassLockoutCheck)
	})
}

// ListKeyPolicies checks that the caller may ask for the names of a key's
// policies, which are PolicyName.
func (s *Service) ListKeyPolicies(ctx context.Context, a Access, key string) error {
	return s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveOwn(tx, a.Caller, key)
		if err != nil {
			return err
		}
		return s.authorize(tx, a, ask{action: "ListKeyPolicies", key: k})
	})
}
